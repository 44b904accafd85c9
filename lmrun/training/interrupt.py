"""Ctrl-C, SIGTERM and the end of the process that asked for a run end the step, not the process."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

PARENT = "LMRUN_PARENT"
"""The process that a run is trained for, by its number: a run that nobody waits for any more ends."""


@dataclass
class Interruption:
    """Whether the user asked to stop, or the process that the run is for is gone.

    Attributes:
        asked: By a signal.
        parent: The process that the run is for; None where it is for its user.
    """

    asked: bool = False
    parent: int | None = None

    @property
    def requested(self) -> bool:
        """Either."""
        return self.asked or (self.parent is not None and os.getppid() != self.parent)


@contextmanager
def listening() -> Iterator[Interruption]:
    """Catch the signals while a run trains; a second Ctrl-C is Python's own KeyboardInterrupt."""
    parent = os.environ.get(PARENT)
    interruption = Interruption(parent=int(parent) if parent else None)
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return

    def request(number: int, frame: FrameType | None) -> None:
        if interruption.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        interruption.asked = True

    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
