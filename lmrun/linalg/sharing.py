"""Curvatures whose rows lie on several workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from lmrun.linalg.algebra import Assembly, Part


class Sums(Protocol):
    """Sums over the workers of a fit, see `distribution.reducer`."""

    def total(self, *values: Any) -> list[Any]:
        """Return the sum of each value over all workers."""
        ...

    def stack(self, value: Any) -> Sequence[Any]:
        """Return the value of every worker."""
        ...


@runtime_checkable
class Shareable(Assembly, Protocol):
    """An assembly whose rows may lie on several workers."""

    def shared(self, parts: Sequence[Part], sums: Sums, *more: Any) -> tuple[Part, list[Any]]:
        """Join the parts of all workers.

        Args:
            parts: This worker's.
            sums: Over the workers.
            more: Further values that are to be summed up.

        Returns:
            One part of all rows, and the sums of the further values.
        """
        ...
