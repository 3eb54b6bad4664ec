"""One run after the other, in this process: ``--executor in_turn``; for a debugger."""

from talan_eval.execution.attempts import perform_safely
from talan_eval.execution.local_executor import load_worker


class InTurn:
    """Takes runs until none waits."""

    def perform_all(self, assignments, attempts, report):
        """Perform them; see ``talan_eval.execution.executor.Executor``."""
        crew = load_worker(assignments, 0)
        while (run := attempts.next()) is not None:
            ended = perform_safely(lambda: crew, run, report)
            if isinstance(ended, Exception):  # it would meet every run
                raise ended
            attempts.ended(run, ended)


def executor(request, prepared):
    """Make it from the options and what was made of them."""
    return InTurn()
