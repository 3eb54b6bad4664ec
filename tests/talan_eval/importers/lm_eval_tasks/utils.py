"""Six sums, made on the spot."""

from datasets import Dataset


def load(**_):
    rows = [{"question": f"What is {n} + 1?", "answer": str(n + 1), "choices": [str(n), str(n + 1)]} for n in range(6)]
    return {"test": Dataset.from_list(rows)}
