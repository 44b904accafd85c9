"""What a program may give for an optimizer, as the `optimizer` section of a config."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import keras

from lmrun.api.damping import damping_section
from lmrun.config.optimizers import KERAS_OPTIMIZERS, OPTIMIZER_NAMES, AdamConfig, SgdConfig
from lmrun.errors import UsageError

ARGUMENTS: dict[str, tuple[str, ...]] = {
    **KERAS_OPTIMIZERS,
    "sgd": tuple(name for name in SgdConfig.model_fields if name != "name"),
    "adam": tuple(name for name in AdamConfig.model_fields if name != "name"),
}
"""What lmrun takes over from an optimizer of Keras', its `learning_rate` aside."""
SOLVERS = {"solve": "cholesky"}
"""Solvers of other packages: a damped J^T J is positive definite, and LU solves it as Cholesky does."""


def optimizer_section(
    optimizer: Any,
    damping: Any = None,
    *,
    solver: str | None = None,
    attempts: int | None = None,
    rows: int = 1,
) -> Any:
    """Return the section, with the user's objects as they are.

    Args:
        optimizer: A name; a mapping as in a config, in which `solve_method`, `attempts_per_step` and
            `damping_algorithm` have a place, too; or an optimizer of Keras' or its class.
        damping: Of `lm`, see `damping.damping_section`. None for that of the optimizer.
        solver: Of `lm`; None for that of the optimizer.
        attempts: The same, for the damping's `max_attempts`.
        rows: Of a batch.

    Raises:
        UsageError: An argument of an optimizer of Keras' that lmrun does not have; or a damping beside an
            optimizer that has none.
    """
    if inspect.isclass(optimizer) and issubclass(optimizer, keras.optimizers.Optimizer):
        optimizer = optimizer()
    asked = {"damping": damping, "solve_method": solver, "attempts_per_step": attempts}
    given = [name for name, value in asked.items() if value is not None]
    if isinstance(optimizer, keras.optimizers.Optimizer):
        if given:
            kind = type(optimizer).__name__
            raise UsageError(
                f"{given[0]}: is of Levenberg-Marquardt, and the optimizer is Keras' {kind}; use "
                "optimizer='lm', or {'name': 'lm', 'learning_rate': 1.0}."
            )
        return _of_keras(optimizer)
    if isinstance(optimizer, str):
        optimizer = {"name": optimizer}
    if not isinstance(optimizer, Mapping):
        return optimizer
    section = dict(optimizer)
    # Names that the other packages have for these.
    solver = section.pop("solve_method", solver)
    attempts = section.pop("attempts_per_step", attempts)
    damping = section.pop("damping_algorithm", damping)
    if isinstance(name := section.get("name"), str) and name.lower() in OPTIMIZER_NAMES:
        section["name"] = name.lower()
    if solver is not None:
        section["solver"] = solver
    if isinstance(name := section.get("solver"), str):
        section["solver"] = SOLVERS.get(name, name)
    if damping is not None:
        section["damping"] = damping
    if "damping" in section:
        section["damping"] = damping_section(section["damping"], rows)
    if attempts is not None:
        section["damping"] = {**section.get("damping", {}), "max_attempts": attempts}
    return section


def _of_keras(optimizer: keras.optimizers.Optimizer) -> dict[str, Any]:
    """Return the section of an optimizer of Keras'; an argument that would be lost is refused."""
    kind = type(optimizer)
    name, config = kind.__name__.lower(), optimizer.get_config()
    if not isinstance(config["learning_rate"], int | float):
        raise UsageError(
            f"optimizer: {kind.__name__} has a schedule of learning rates; lmrun takes a number. Of lm, "
            "learning_rate_decay lowers it: optimizer={'name': 'lm', 'learning_rate_decay': 'cosine'}."
        )
    known = ARGUMENTS.get(name, ())
    usual = kind().get_config() if name in ARGUMENTS else {}
    lost = [
        key
        for key, value in usual.items()
        if key not in {*known, "learning_rate", "name"} and config.get(key) != value
    ]
    if lost:
        raise UsageError(
            f"optimizer: lmrun has no {lost[0]} of {kind.__name__}; leave it out. It has {', '.join(known)}."
        )
    kept = {key: config[key] for key in known if key in config}
    return {"name": name, **kept, "learning_rate": config["learning_rate"]}
