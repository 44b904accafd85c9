"""Dampings by the names of the TensorFlow and PyTorch packages for Levenberg-Marquardt, and by a function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lmrun.errors import UsageError
from lmrun.linalg.algebra import LEAST, MOST, Algebra, StepScalars, Vector
from lmrun.optimizers.damping.base import Damping


@dataclass(frozen=True)
class DampingAlgorithm:
    """The damping of tf- and torch-levenberg-marquardt, with their arguments and their scale.

    A step solves (J^T J / rows + damping D) step = -J^T r / rows; the damping is multiplied by `dec_factor`
    after an accepted step and by `inc_factor` after a rejected trial. lmrun does not divide by the rows of
    the batch; the damping in its history is the one here times those rows, unless `fletcher` or
    `adaptive_scaling` makes both sides of the matrix scale alike.

    Args:
        starting_value: The first damping.
        dec_factor: After an accepted step.
        inc_factor: After a rejected trial.
        min_value: The damping never falls below this.
        max_value: A damping above this ends the step, and on all rows the training.
        adaptive_scaling: D = max(diag(J^T J)) instead of 1; `damping_mode="adaptive"` in PyTorch.
        fletcher: D = diag(J^T J) instead of 1; `damping_mode="fletcher"` in PyTorch.
    """

    starting_value: float = 1e-3
    dec_factor: float = 0.1
    inc_factor: float = 10.0
    min_value: float = 1e-10
    max_value: float = 1e10
    adaptive_scaling: bool = False
    fletcher: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.dec_factor <= 1 < self.inc_factor:
            raise UsageError(
                "DampingAlgorithm: dec_factor is a factor above 0 and at most 1, and inc_factor one above 1."
            )

    def section(self, rows: int) -> dict[str, Any]:
        """Return the `damping` section that makes the same steps.

        Args:
            rows: Of a batch.
        """
        scaling: Any = "marquardt" if self.fletcher else "identity"
        if self.adaptive_scaling:
            scaling = LargestDiagonal(self.fletcher)
        # Both factors of D shrink with the rows there: one of them is not made up for.
        unit = {(False, False): rows, (True, True): 1 / rows}.get((self.adaptive_scaling, self.fletcher), 1)
        return {
            "update": "factor",
            "initial": self.starting_value * unit,
            "increase": self.inc_factor,
            "decrease": 1 / self.dec_factor,
            "minimum": self.min_value * unit,
            "maximum": self.max_value * unit,
            "scaling": scaling,
        }


@dataclass(frozen=True)
class LargestDiagonal:
    """D = max(diag(J^T J)), times 1 or times diag(J^T J).

    Args:
        fletcher: Whether times the diagonal.
    """

    fletcher: bool = False

    def update(self, algebra: Algebra, diagonal: Vector, kept: Vector | None) -> tuple[Vector, None]:
        """See `optimizers.damping.scaling.Scaling`."""
        shape = algebra.clip(diagonal, LEAST, MOST) if self.fletcher else algebra.ones_like(diagonal)
        return max(algebra.largest(diagonal), LEAST) * shape, None


@dataclass(frozen=True)
class ByFunction:
    """A damping that a function moves: damping <- function(damping, gain ratio).

    Args:
        function: The gain ratio is the actual over the predicted reduction of the cost: above 0 after an
            accepted step, at most 0 or NaN after a rejected trial.
        initial: The first damping as a multiple of the largest element of diag(J^T J) / D.
    """

    function: Callable[[float, float], float]
    initial: float = 1e-3

    def start(self, largest: float, scaled_norm: float) -> Damping:
        """See `optimizers.damping.base.Update`."""
        return Damping(self.initial * largest if largest > 0 else self.initial)

    def accepted(self, damping: Damping, gain_ratio: float, scalars: StepScalars) -> Damping:
        """See `optimizers.damping.base.Update`."""
        return Damping(float(self.function(damping.value, gain_ratio)))

    def rejected(self, damping: Damping, gain_ratio: float, scalars: StepScalars) -> Damping:
        """See `optimizers.damping.base.Update`."""
        return Damping(float(self.function(damping.value, gain_ratio)))


NAMED = {
    "standard": DampingAlgorithm(),
    "identity": DampingAlgorithm(),
    "fletcher": DampingAlgorithm(fletcher=True),
    "adaptive": DampingAlgorithm(adaptive_scaling=True),
}
"""The modes of those packages, with their numbers."""
SCALINGS = {"fletcher": "marquardt", "standard": "identity"}
"""Their names of scalings."""
METHODS = {
    "decrease": "tf-levenberg-marquardt",
    "on_successful_update": "torch-levenberg-marquardt",
}
"""By which their strategies are known."""


def damping_section(damping: Any, rows: int) -> Any:
    """Return the `damping` section of what a program gives, its objects as they are.

    Args:
        damping: A name, a mapping, a `DampingAlgorithm`, a function of damping and gain ratio, or an object
            or class with `start`, `accepted` and `rejected`.
        rows: Of a batch.

    Raises:
        UsageError: An object of another package, whose methods are others.
    """
    if isinstance(damping, str):
        damping = NAMED.get(damping, damping)
    if isinstance(damping, DampingAlgorithm):
        return damping.section(rows)
    if not isinstance(damping, Mapping):
        return {"update": _update(damping)}
    section = dict(damping)
    if "update" in section:
        section["update"] = _update(section["update"])
    if isinstance(scaling := section.get("scaling"), str):
        section["scaling"] = SCALINGS.get(scaling, scaling)
    return section


def _update(update: Any) -> Any:
    """Wrap a function of two numbers; refuse what other packages understand."""
    if isinstance(update, str):
        return update
    theirs = next((package for method, package in METHODS.items() if hasattr(update, method)), None)
    if theirs is not None and not hasattr(update, "start"):
        name = getattr(update, "__name__", type(update).__name__)
        raise UsageError(
            f"damping: {name} has the methods of {theirs}. Here a strategy has start, accepted and rejected; "
            "lmrun.keras.DampingAlgorithm takes their arguments (docs/from-tf-levenberg-marquardt.md)."
        )
    return ByFunction(update) if inspect.isfunction(update) and _takes_two(update) else update


def _takes_two(function: Callable[..., Any]) -> bool:
    """Whether a function wants a damping and a gain ratio; one that wants nothing makes an object."""
    signature = inspect.signature(function)
    try:
        signature.bind(1.0, 1.0)
    except TypeError:
        return False
    return not all(
        parameter.default is not parameter.empty or parameter.kind is parameter.VAR_POSITIONAL
        for parameter in signature.parameters.values()
    )
