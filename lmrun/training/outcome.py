"""What a training has led to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lmrun.status import Status
from lmrun.training.state import LoopState

Tensor = Any


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        status: Its status.
        message: What that means and what to try.
        state: The last state.
        seconds: Training wall-clock, compilation included.
        epochs: Epochs finished.
        loss: The loss over all training rows at the last parameters.
        best_loss: The same at the best parameters.
        improved: Whether that is lower than the loss before the first step.
        model: The last parameters of the model [n].
        distribution: Of several workers their number, and how many numbers each gave to sums per step.
    """

    status: Status
    message: str
    state: LoopState
    seconds: float
    epochs: int
    loss: float
    best_loss: float
    improved: bool
    model: Tensor
    distribution: dict[str, float] | None = None
