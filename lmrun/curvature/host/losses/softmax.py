"""Cross-entropy of classes with its three curvatures; formulas and sources stand in `lmrun.losses`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmrun.curvature.host.losses.base import Array, Key, Metric, Targets
from lmrun.losses.crossentropy import HALF_ROOT


def one_hot(labels: NDArray[np.integer], like: Array) -> Array:
    """Ones at the labels [rows], of the shape and type of outputs [classes, rows]."""
    hot: Array = np.equal(np.arange(len(like))[:, None], labels).astype(like.dtype)
    return hot


def log_softmax(outputs: Array) -> Array:
    """The logarithms of the probabilities [classes, rows]."""
    shifted: Array = outputs - outputs.max(axis=0)
    shifted -= np.log(np.exp(shifted).sum(axis=0))
    return shifted


class Factor(NamedTuple):
    """Of the softmax's curvature; see `losses.crossentropy`.

    Attributes:
        root: s = sqrt(p) [classes, rows].
        pivot: m, the class of the largest output [rows].
        unit: e_m [classes, rows].
        largest: s_m [rows].
        away: (p + s_m e_m) / (1 + s_m) [classes, rows].
    """

    root: Array
    pivot: NDArray[np.intp]
    unit: Array
    largest: Array
    away: Array

    def product(self, vector: Array) -> Array:
        """F v [classes, rows] for v [classes, rows] that has a zero for the largest class."""
        scaled = self.root * vector
        scaled -= self.away * scaled.sum(axis=0)
        scaled *= HALF_ROOT
        return scaled


def factor_of(outputs: Array) -> Factor:
    """Return the factor; its roots are bounded as in `losses.crossentropy`."""
    root = np.exp(np.maximum(0.5 * log_softmax(outputs), -30))
    pivot = np.argmax(outputs, axis=0)
    unit = one_hot(pivot, outputs)
    largest = (root * unit).sum(axis=0)
    return Factor(root, pivot, unit, largest, (root * root + largest * unit) / (1 + largest))


@dataclass(frozen=True)
class Softmax(Metric):
    """With the exact curvature.

    Attributes:
        shares: From targets and outputs to the share t of each class [classes, rows].
    """

    shares: Callable[[Targets, Array], Array]

    def values(self, outputs: Array, targets: Targets) -> Array:
        """-sum of t log p."""
        values: Array = -(self.shares(targets, outputs) * log_softmax(outputs)).sum(axis=0)
        return values

    def difference(self, outputs: Array, targets: Targets) -> Array:
        """dl/dz = p - t [classes, rows]."""
        return np.exp(log_softmax(outputs)) - self.shares(targets, outputs)

    def slope(self, outputs: Array, targets: Targets) -> Array:
        """Half of that."""
        return 0.5 * self.difference(outputs, targets)

    def residual(self, outputs: Array, targets: Targets) -> Array | None:
        """Of the classes after the largest, in turn [classes - 1, rows]."""
        factor, rows = factor_of(outputs), np.arange(outputs.shape[1])
        ratio = self.shares(targets, outputs) / factor.root
        turned = factor.root * (1 + (ratio * factor.unit).sum(axis=0)) / (1 + factor.largest)
        others = (factor.pivot + np.arange(1, len(outputs))[:, None]) % len(outputs)
        residual: Array = HALF_ROOT * (turned - ratio)[others, rows]
        return residual

    def columns(self, outputs: Array, targets: Targets, key: Key) -> Iterator[Array]:
        """F of the classes after the largest, in turn."""
        factor = factor_of(outputs)
        for turn in range(1, len(outputs)):
            yield factor.product(one_hot((factor.pivot + turn) % len(outputs), outputs))


@dataclass(frozen=True)
class Projected(Softmax):
    """With a few random projections of the curvature, and the gradient beside; see `losses.projected`."""

    projections: int

    def residual(self, outputs: Array, targets: Targets) -> None:
        """None."""
        return

    def columns(self, outputs: Array, targets: Targets, key: Key) -> Iterator[Array]:
        """F e for random signs e, over sqrt(projections)."""
        factor = factor_of(outputs)
        size = (1 - factor.unit) * outputs.dtype.type(self.projections**-0.5)
        for signs in random_signs(key, (self.projections, *outputs.shape), outputs.dtype):
            yield factor.product(signs * size)


def random_signs(key: Key, shape: tuple[int, ...], dtype: np.dtype[np.floating]) -> Array:
    """Draw -1 and 1 from a key int32 [2].

    The compiled kernels draw others from the same key: their 32-bit counters would take NumPy longer than
    the columns that are made of them.
    Source: Philox of Salmon, Moraes, Dror and Shaw 2011, Parallel random numbers: as easy as 1, 2, 3.
    """
    assert key is not None, "projections are drawn from a key"
    low, high = (int(word) for word in key)
    generator = np.random.Generator(np.random.Philox(key=low + (high << 32)))
    bits = np.unpackbits(np.frombuffer(generator.bytes(-(-int(np.prod(shape)) // 8)), np.uint8))
    signs = bits[: int(np.prod(shape))].reshape(shape).astype(dtype)
    signs *= 2
    signs -= 1
    return signs


@dataclass(frozen=True)
class SquareRoot(Softmax):
    """With the residual sqrt(l); see `losses.square_root`."""

    def residual(self, outputs: Array, targets: Targets) -> Array:
        """Residual r = sqrt(l) [1, rows], bounded as in `losses.square_root`."""
        return np.sqrt(np.maximum(self.values(outputs, targets), np.finfo(outputs.dtype).eps))[None]

    def columns(self, outputs: Array, targets: Targets, key: Key) -> Iterator[Array]:
        """The derivative of r, l' / (2 r)."""
        yield 0.5 / self.residual(outputs, targets) * self.difference(outputs, targets)

    def bent(self, outputs: Array, targets: Targets, key: Key, first: Array, second: Array) -> Array:
        """l_vv / (2 r) - l_v^2 / (4 r^3), where l'' = diag(p) - p p^T."""
        root, slope = self.residual(outputs, targets), self.difference(outputs, targets)
        shares = np.exp(log_softmax(outputs))
        mean = (shares * first).sum(axis=0)
        curved = (slope * second).sum(axis=0) + (shares * np.square(first)).sum(axis=0) - mean * mean
        bent: Array = 0.5 * curved / root - 0.25 * np.square((slope * first).sum(axis=0)) / root**3
        return bent
