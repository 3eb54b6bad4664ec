"""Write a checkpoint for vLLM: ``python -m talan_core.integrations.vllm CHECKPOINT DIR``, then ``vllm serve DIR``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from talan_core.errors import UserError


def main() -> None:
    """Run the command; a mistake of the user ends with exit code 2 and what to type, without a traceback."""
    parser = argparse.ArgumentParser(prog="python -m talan_core.integrations.vllm", description=__doc__)
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="What save_pretrained wrote, or its id on the Hub.")
    parser.add_argument("target", metavar="DIR", type=Path, help="A directory that does not exist.")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="That of the backbone when left out.")
    asked = parser.parse_args()
    from talan_core.integrations.vllm.serving import write_for_vllm  # noqa: PLC0415 - heavy, not needed for --help

    try:
        written = write_for_vllm(Path(asked.checkpoint), asked.target, dtype=asked.dtype)
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
    kept = "" if written.survival is None else f"; rounding keeps {written.survival:.0%} of the changed weights changed"
    sys.stdout.write(f"{asked.target}: {written.architecture} in {written.dtype}{kept}.\nvllm serve {asked.target}\n")


if __name__ == "__main__":
    main()
