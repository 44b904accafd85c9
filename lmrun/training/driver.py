"""What feeds an optimizer with rows, whatever its kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

from lmrun.optimizers.base import State, StepInfo

Tensor = Any
Arrays = Mapping[str, NDArray[Any]]


class Known(NamedTuple):
    """A loss over all training rows, its parameters [n] and the step it was reached at."""

    loss: float
    params: Tensor
    step: int


class Driver(Protocol):
    """Advance an optimizer along the schedule."""

    most_steps: int
    """Steps that one call can make."""

    def init(self, params: Tensor) -> State:
        """Return the optimizer's state before the first step."""
        ...

    def advance(self, params: Tensor, state: State, step: int, count: int) -> tuple[Tensor, State, StepInfo]:
        """Make up to `count` steps after `step` steps, none beyond the end of a mini-batch epoch."""
        ...

    def best(self, params: Tensor, state: State, step: int) -> Known | None:
        """Return the lowest loss of the full batch up to `step`, where the optimizer knows it for certain."""
        ...

    def model(self, params: Tensor, state: State) -> Tensor:
        """Return the parameters of the model [n]: those that the optimizer steps from, or an average."""
        ...

    def loss(self, params: Tensor) -> float:
        """Return the loss over all training rows."""
        ...

    def zero_loss(self) -> float:
        """Return the loss of a model whose outputs are all zero."""
        ...

    def pack(self, state: State) -> Arrays:
        """Turn the state into arrays for a checkpoint."""
        ...

    def unpack(self, arrays: Arrays) -> State:
        """Turn a checkpoint's arrays back into the state, bit for bit."""
        ...
