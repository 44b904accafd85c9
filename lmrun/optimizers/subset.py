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
from lmrun.errors import ConfigError
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
    count: int | None = None

    def choose(self, problem: Problem) -> Selection:
        """At least one."""
        size = problem.kernels.network.size
        count = self._count(size)
        draw = generator(problem.seed, Stream.SUBSET, problem.step)
        places = np.sort(draw.choice(size, count, replace=False))
        return Selection(tf.constant(places.astype(np.int32)), size)

    def turns(self, problem: Problem) -> int:
        """Rounded up."""
        if self.count is None:
            return math.ceil(1 / self.fraction)
        return math.ceil(problem.kernels.network.size / self.count)

    def _count(self, size: int) -> int:
        if self.count is None:
            return max(1, round(self.fraction * size))
        if self.count > size:
            words = f"should be at most the number of parameters, {size}, not {self.count}"
            raise ConfigError([f"optimizer.subset.count: {words}"])
        return self.count


@dataclass(frozen=True)
class ByLayer:
    """One layer with parameters at a time: block coordinate descent.

    Args:
        drawn: Whether each step draws its layer, from (seed, step); else they take turns.
    """

    drawn: bool = False

    def choose(self, problem: Problem) -> Selection:
        """The layer whose turn it is after so many steps, or any."""
        layers = _layers(problem)
        place = problem.step % len(layers)
        if self.drawn:
            place = int(generator(problem.seed, Stream.SUBSET, problem.step).integers(len(layers)))
        return _range(*layers[place], problem.kernels.network.size)

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
    "random": lambda config: RandomPart(config.fraction, config.count),
    "layer": lambda config: ByLayer(config.order == "random"),
}


def build_subset(config: SubsetConfig) -> Subset:
    """Return the subset that a config names."""
    return SUBSETS[config.by](config)
