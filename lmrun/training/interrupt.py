"""Ctrl-C, SIGTERM and the end of the process that asked for a run end the step, not the process."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

PARENT = "LMRUN_PARENT"
"""The process that a run is trained for, by its number: a run that nobody waits for any more ends."""


@dataclass
class Interruption:
    """Whether the user asked to stop, or the process that the run is for is gone; or where a run pauses.

    Attributes:
        asked: By a signal.
        parent: The process that the run is for; None where it is for its user.
        step: The run pauses after this step, to be resumed; None for no such step.
        seconds: The same, of training time.
    """

    asked: bool = False
    parent: int | None = None
    step: int | None = None
    seconds: float | None = None

    @property
    def requested(self) -> bool:
        """Either."""
        return self.asked or (self.parent is not None and os.getppid() != self.parent)

    def steps_from(self, step: int) -> int:
        """Return how many steps there are to the one after which the run pauses: very many without one."""
        return sys.maxsize if self.step is None else self.step - step

    def pauses(self, step: int, seconds: float) -> bool:
        """Whether a run that has come so far goes no further for now."""
        return (self.step is not None and step >= self.step) or (
            self.seconds is not None and seconds >= self.seconds
        )


@contextmanager
def listening(given: Interruption | None = None) -> Iterator[Interruption]:
    """Catch the signals while a run trains; a second Ctrl-C is Python's own KeyboardInterrupt.

    Args:
        given: Whoever has one already has caught the signals, too.
    """
    if given is not None:
        yield given
        return
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
