"""The regularization of Levenberg-Marquardt: what large parameters cost."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from lmrun.config.base import PositiveFloat, Problem, Section, ShortForm


class NoRegularization(Section):
    """Large parameters cost nothing."""

    name: Literal["none"]


class DecayRegularization(Section):
    """Minimize loss + strength |params|^2 (Hoerl and Kennard 1970: ridge regression)."""

    name: Literal["decay"]
    strength: PositiveFloat = 1e-4
    """What the sum of the squared parameters, biases included, is multiplied by beside the loss, which is a
    mean (as `keras.regularizers.L2`)."""


class BayesianRegularization(Section):
    """Decay whose strength the data decide in every step (MacKay 1992; Foresee and Hagan 1997)."""

    name: Literal["bayesian"]


RegularizationConfig = Annotated[
    Annotated[NoRegularization | DecayRegularization | BayesianRegularization, Field(discriminator="name")],
    ShortForm,
]


def misfits_of_regularization(lm: Any) -> list[Problem]:
    """Return which keys of an `lm` section its regularization cannot be combined with."""
    name = lm.regularization.name
    if name == "none":
        return []
    found = [
        (lm.solver.name == "cg", "adds to a matrix J^T J, which solver: cg does without; use cholesky or qr"),
        (lm.projection != "none", "has a price for the last layer too, for which projection does not solve"),
        (lm.polishing == "undamped", "is for steps with damping; leave out polishing, or set none"),
    ]
    if name == "bayesian":
        parts = (
            ("memory", lm.memory > 0),
            ("rows", lm.rows < 1),
            ("subset", lm.subset.by != "none"),
            ("averaging", lm.averaging.name != "none"),
        )
        words = "counts parameters by J^T J of all rows and parameters; leave out"
        found += [(is_set, f"{words} {key}") for key, is_set in parts]
    return [Problem(("regularization",), f"{name} {words}") for is_set, words in found if is_set]
