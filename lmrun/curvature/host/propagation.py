"""What kernels ask of the layers of a network: to propagate samples forward and a seed back."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from lmrun.curvature.host.scratch import Scratch

Array = NDArray[np.floating]
Pulled = Any
"""What an implementation makes of a seed."""


class Forward(Protocol):
    """A forward pass; it lives in the scratch memory until the next one."""

    @property
    def outputs(self) -> Array:
        """Of the network [width, rows]."""
        ...


class Line(NamedTuple):
    """Derivatives of the outputs [width, rows] along a line in the parameters; None for zeros."""

    first: Array | None
    second: Array | None


class Propagation(Protocol):
    """All layers; samples are last.

    Attributes:
        scratch: Memory of what is not returned.
    """

    @property
    def scratch(self) -> Scratch:
        """The memory of values."""
        ...

    @property
    def size(self) -> int:
        """Parameters n."""
        ...

    @property
    def band_bytes(self) -> int:
        """How much memory the rows of one call should take."""
        ...

    @property
    def any_order(self) -> bool:
        """Whether inputs may lie in memory sample by sample, instead of number by number."""
        ...

    @property
    def numbers(self) -> int:
        """What a sample takes of the memory, in numbers."""
        ...

    def outputs(self, params: Array, inputs: Array) -> Array:
        """Return the outputs [width, rows] for inputs [..., rows]."""
        ...

    def last(self, params: Array, inputs: Array) -> tuple[Array, Array]:
        """Return what the last layer reads, [features + 1, rows], and the outputs [width, rows]."""
        ...

    def at(self, params: Array, inputs: Array) -> Any:
        """Return the `Forward` pass that the functions below start from."""
        ...

    def cotangents(self, params: Array, point: Any, seed: Array) -> Pulled:
        """Pull a seed [width, rows] back; it is used up."""
        ...

    def table(self, point: Any, pulled: Pulled, piece: slice, out: Array) -> None:
        """Write every sample's derivative of seed . outputs by the parameters [n, piece], for some rows."""
        ...

    def gradient(self, point: Any, pulled: Pulled) -> Array:
        """Add every sample's derivative up: [n]."""
        ...

    def along(self, params: Array, direction: Array, point: Any) -> Line:
        """Return the derivatives of outputs(params + t direction) in t at t = 0."""
        ...
