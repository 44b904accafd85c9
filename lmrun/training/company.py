"""What a run shares with the other workers of its fit, and what it leaves behind when one of them is gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from lmrun.distribution.reducer import Reducer, Said
from lmrun.errors import PeerError, WorkerLostError
from lmrun.training.interrupt import Interruption

if TYPE_CHECKING:
    from lmrun.training.recorder import Nothing, Recorder, RowsInMemory
    from lmrun.training.state import LoopState

LEFT_ALONE = (WorkerLostError, PeerError)
"""What ends a run because of another worker."""


class Company:
    """The workers of a run; a single one is in its own.

    Args:
        reducer: Sums over the workers.
        interruption: Whether this worker's user asked to stop.
        seconds: This worker's time of training.
    """

    def __init__(self, reducer: Reducer, interruption: Interruption, seconds: Callable[[], float]) -> None:
        self.reducer = reducer
        self._interruption, self._seconds = interruption, seconds
        self._point, self._begun = 0, (0, 0)
        self._state: LoopState | None = None
        reducer.listen(self._say)

    @property
    def asked(self) -> bool:
        """Whether some worker's user asked to stop."""
        return self.reducer.heard.asked

    @property
    def seconds(self) -> float:
        """The first worker's time of training, as all heard it with the latest sum."""
        return self.reducer.heard.seconds

    def begin(self, state: LoopState) -> None:
        """Count from here on."""
        self._begun = (state.step, self.reducer.numbers)

    def keep(self, state: LoopState) -> None:
        """Remember a state between two steps: it is what can be kept where what follows ends in an error."""
        self._state = state.copy()
        if self.reducer.workers > 1:
            self._point = crc32(np.ascontiguousarray(state.params).data)

    def distribution(self, state: LoopState) -> dict[str, float] | None:
        """Return the number of workers, and of numbers that each gave to sums per step; None for one."""
        if self.reducer.workers == 1:
            return None
        step, numbers = self._begun
        per_step = (self.reducer.numbers - numbers) / max(state.step - step, 1)
        return {"workers": self.reducer.workers, "numbers_per_step": per_step}

    def left(self, recorder: Recorder | RowsInMemory | Nothing) -> None:
        """Write a checkpoint of the last accepted step."""
        if self._state is not None:
            recorder.checkpoint(self._state, self._seconds(), now=True)

    def _say(self) -> Said:
        return Said(self._interruption.requested, self._seconds(), self._point)
