"""Which parameters a step changes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from lmrun.config.stochastic import SubsetConfig
from lmrun.curvature.problem import Problem
from lmrun.curvature.selection import Selection
from lmrun.seeding import Stream, generator


class Subset(Protocol):
    """A rule that divides the parameters among the steps."""

    def choose(self, problem: Problem) -> Selection | None:
        """Return the parameters of the present step; None for all of them."""
        ...

    def turns(self, problem: Problem) -> int:
        """Return the number of steps in which every parameter has its turn, on average."""
        ...


@dataclass(frozen=True)
class Whole:
    """Every step changes all parameters."""

    def choose(self, problem: Problem) -> None:
        """All."""
        return

    def turns(self, problem: Problem) -> int:
        """One."""
        return 1


@dataclass(frozen=True)
class RandomPart:
    """A share of the parameters, drawn from (seed, step), uniformly and without replacement.

    Source: the subspaces of Cartis, Fowkes and Shao 2022, Randomised subspace methods for non-convex
    optimization, with applications to nonlinear least-squares, section 4, by coordinates.
    """

    fraction: float

    def choose(self, problem: Problem) -> Selection:
        """At least one."""
        size = problem.kernels.network.size
        count = max(1, round(self.fraction * size))
        draw = generator(problem.seed, Stream.SUBSET, problem.step)
        places = np.sort(draw.choice(size, count, replace=False))
        return Selection(tf.constant(places.astype(np.int32)), size)

    def turns(self, problem: Problem) -> int:
        """Rounded up."""
        return math.ceil(1 / self.fraction)


@dataclass(frozen=True)
class ByLayer:
    """One layer with parameters after the other: block coordinate descent."""

    def choose(self, problem: Problem) -> Selection:
        """The layer whose turn it is after so many steps."""
        layers = _layers(problem)
        return _range(*layers[problem.step % len(layers)], problem.kernels.network.size)

    def turns(self, problem: Problem) -> int:
        """As many as layers."""
        return len(_layers(problem))


def _layers(problem: Problem) -> list[tuple[int, int]]:
    return [(part.start, part.start + part.size) for part in problem.kernels.network.layers if part.size]


@lru_cache(maxsize=256)
def _range(start: int, end: int, size: int) -> Selection:
    return Selection(tf.range(start, end, dtype=tf.int32), size)


WHOLE = Whole()
SUBSETS: dict[str, Callable[[Any], Subset]] = {
    "none": lambda config: WHOLE,
    "random": lambda config: RandomPart(config.fraction),
    "layer": lambda config: ByLayer(),
}


def build_subset(config: SubsetConfig) -> Subset:
    """Return the subset that a config names."""
    return SUBSETS[config.by](config)
