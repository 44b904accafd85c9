"""Ctrl-C and SIGTERM end the step, not the process."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class Interruption:
    """Whether the user asked to stop."""

    requested: bool = False


@contextmanager
def listening() -> Iterator[Interruption]:
    """Catch the signals while a run trains; a second Ctrl-C is Python's own KeyboardInterrupt."""
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return

    def request(number: int, frame: FrameType | None) -> None:
        if interruption.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        interruption.requested = True

    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
