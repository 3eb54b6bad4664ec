"""``python -m talan_eval`` is ``talan-eval``."""

from talan_eval.cli.main import main

if __name__ == "__main__":
    main()
