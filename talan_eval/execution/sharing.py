"""How a waiting worker gets a single evaluation of a run that another one performs.

The parent asks the busy worker for an evaluation that it has not begun; it gives it away at once, also in the middle of
another one, and performs what is left. What a worker has begun it keeps, so that no evaluation is computed twice.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from talan_eval.grid import Evaluation, Run


@dataclass(frozen=True, slots=True)
class Wanted:
    """A question of the parent: give this evaluation away."""

    cell_id: str


@dataclass(frozen=True, slots=True)
class Given:
    """The worker's answer.

    Attributes:
        cell_id: The evaluation.
        away: Whether it is given away; else it was begun, or the run has ended.
    """

    cell_id: str
    away: bool


class Line:
    """A worker's end of its connection to the parent, which is answered while the worker computes.

    Args:
        connection: The connection.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._runs: queue.SimpleQueue[Run | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._free: set[str] = set()
        threading.Thread(target=self._listen, daemon=True).start()

    def next(self) -> Run | None:
        """Wait for a run; None where there are no more."""
        return self._runs.get()

    def send(self, message: object) -> None:
        """Tell the parent something."""
        with self._lock:
            self._connection.send(message)

    def begin(self, cell: Evaluation) -> bool:
        """Say whether an evaluation of the run may be begun; from then on it is not given away."""
        with self._lock:
            mine = cell.cell_id in self._free
            self._free.discard(cell.cell_id)
            return mine

    def end(self, outcome: object) -> None:
        """Tell the parent how the run ended; nothing of it is given away any more."""
        with self._lock:
            self._free.clear()
            self._connection.send(outcome)

    def _listen(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                message = self._connection.recv()
                if isinstance(message, Wanted):
                    with self._lock:
                        away = message.cell_id in self._free
                        self._free.discard(message.cell_id)
                        self._connection.send(Given(message.cell_id, away))
                    continue
                if message is not None:
                    with self._lock:
                        self._free = {cell.cell_id for cell in message.evaluations}
                self._runs.put(message)
        self._runs.put(None)
