"""What a program may give for an optimizer, as the `optimizer` section of a config."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
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

TWICE = "{} and {} are the same; give one of them."


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
    solver = _one(section, ("solver", "solve_method"), solver)
    damping = _one(section, ("damping", "damping_algorithm"), damping)
    attempts = _one(section, ("attempts_per_step",), attempts)
    if isinstance(name := section.get("name"), str) and name.lower() in OPTIMIZER_NAMES:
        section["name"] = name.lower()
    if solver is not None:
        section["solver"] = SOLVERS.get(solver, solver) if isinstance(solver, str) else solver
    if damping is not None:
        section["damping"] = damping_section(damping, rows)
    if attempts is not None:
        known = section.get("damping", {})
        if "max_attempts" in known:
            raise UsageError(TWICE.format("attempts_per_step", "the damping's max_attempts"))
        section["damping"] = {**known, "max_attempts": attempts}
    return section


def _one(section: dict[str, Any], names: Sequence[str], beside: Any) -> Any:
    """Take a value out of a section, where it may have either name, or return the one given beside it.

    Raises:
        UsageError: There are two.
    """
    values = [(f"{name} in optimizer", section.pop(name)) for name in names if section.get(name) is not None]
    values += [] if beside is None else [(names[0], beside)]
    if len(values) > 1:
        raise UsageError(TWICE.format(values[0][0], values[1][0]))
    return values[0][1] if values else None


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
