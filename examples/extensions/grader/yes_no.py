"""Whether the first word of an answer is the wanted one: ``metadata: {grader: yes_no}`` in a task's YAML file."""

from talan_eval.grading.grade import Grade, Verdict


def grade(answer, doc, *, thinking):
    """Grade one answer to an item."""
    word = answer.strip().split(" ")[0].strip(".,!").lower()
    if thinking or word not in ("yes", "no"):
        return Grade(Verdict.UNPARSED, None, "neither yes nor no")
    right = word == doc["answer"].lower()
    return Grade(Verdict.MATCH if right else Verdict.MISMATCH, word, "the same" if right else "the other one")
