"""How far a step goes: learning rate, its decay over the run, and momentum."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lmrun.curvature.problem import Problem
from lmrun.curvature.selection import Selection
from lmrun.linalg.algebra import WHOLE, Motion, Vector
from lmrun.optimizers.base import State

Tensor = Any

DECAYS: dict[str, Callable[[float], float]] = {
    "none": lambda progress: 1.0,
    "linear": lambda progress: 1.0 - progress,
    "cosine": lambda progress: 0.5 * (1.0 + math.cos(math.pi * progress)),
}
"""The share of the learning rate at a share of the run's steps (cosine: Loshchilov and Hutter 2017, SGDR,
eq. 5, without restarts)."""


@dataclass(frozen=True)
class Pace:
    """move <- learning_rate step + momentum move (Polyak 1964, the heavy ball).

    The move is the vector that is taken: after a shorter one, such as that of a step with more damping, less
    is left to drift. With a subset of the parameters every parameter has its own last move.
    """

    learning_rate: float = 1.0
    decay: str = "none"
    momentum: float = 0.0

    def init(self) -> State:
        """The last move [n], where it is needed."""
        return {"move": None} if self.momentum else {}

    def motion(self, problem: Problem, state: State, selection: Selection | None) -> Motion:
        """Return how far the present step goes; the drift of k selected parameters is [k]."""
        rate = self.learning_rate * DECAYS[self.decay](problem.progress)
        if not self.momentum or state["move"] is None:
            return WHOLE if rate == 1 else Motion(rate)
        drift = self.momentum * state["move"]
        return Motion(rate, drift if selection is None else problem.algebra.adopt(selection.take(drift)))

    def follow(
        self, problem: Problem, state: State, selection: Selection | None, params: Tensor, moved: Tensor
    ) -> State:
        """Return the state after a step from params [n] to another point [n]."""
        if not self.momentum:
            return {}
        algebra = problem.algebra
        move: Vector = algebra.adopt(moved) - algebra.adopt(params)
        before = state["move"]
        if selection is not None and before is not None:
            move = algebra.adopt(selection.put(before, selection.take(move)))
        return {"move": move}


WHOLE_PACE = Pace()
