"""The losses in NumPy by those of `lmrun.losses` whose numbers they make."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lmrun.curvature.host.losses.base import Array, HostLoss, Targets
from lmrun.curvature.host.losses.elementwise import MeanSquaredError
from lmrun.curvature.host.losses.softmax import Projected, Softmax, SquareRoot, one_hot
from lmrun.losses import crossentropy, elementwise, projected, square_root
from lmrun.losses.base import Loss

Shares = Callable[[Targets, Array], Array]

SHARES: dict[type[Any], Shares] = {
    crossentropy.CategoricalCrossentropy: lambda targets, outputs: targets.T,
    crossentropy.SparseCategoricalCrossentropy: one_hot,
}
"""From targets and outputs to the share of each class [classes, rows]."""

CURVED: dict[type[Any], Callable[[Any, Shares], HostLoss]] = {
    projected.Projected: lambda loss, shares: Projected(shares, loss.projections),
    square_root.SquareRoot: lambda loss, shares: SquareRoot(shares),
}
"""Curvatures around such a loss."""


def host_loss(loss: Loss) -> HostLoss | None:
    """Return a loss in NumPy; None where there is none here."""
    if isinstance(loss, elementwise.MeanSquaredError):
        return MeanSquaredError()
    make = CURVED.get(type(loss))
    shares = SHARES.get(type(loss if make is None else getattr(loss, "loss", None)))
    if shares is None:
        return None
    return Softmax(shares) if make is None else make(loss, shares)
