"""lm-eval's command line with the model `talan` in it."""

from __future__ import annotations

import sys

from lm_eval.__main__ import cli_evaluate

from talan_core.errors import UserError
from talan_core.integrations.lm_eval import register


def main() -> None:
    """Run lm-eval; a mistake of the user ends with exit code 2 and what to type, without a traceback."""
    register()
    try:
        cli_evaluate()
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
