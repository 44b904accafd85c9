"""The options of `least_squares`: those of a config's sections, with the same names and the same words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import ValidationError

from lmrun.api.residual_losses import ROBUST, SQUARES, Robust, own
from lmrun.config.base import PositiveFloat, Section, dotted
from lmrun.config.losses import HuberConfig, LossConfig, MseConfig, RobustLoss
from lmrun.config.optimizers import GaussNewtonConfig, LmConfig, NewtonConfig, OptimizerConfig
from lmrun.config.schema import DEFAULT_STEPS, TOLERANCES
from lmrun.config.training import TrainingConfig
from lmrun.curvature.forms import SOLVERS, Sizes
from lmrun.errors import ConfigError
from lmrun.linalg.threads import WORKERS

DOUBLE = float(np.finfo(np.float64).eps)
ROBUST_RADIUS = 1.0
"""With it the first step changes no parameter by much more than its own size. Where a robust loss is flat,
far from its minimum, weighted squares would lead much farther (SciPy begins with the same radius)."""
FORMULA_MOST = 500
"""Parameters up to which the defaults can be those of formulas: an orthogonal factorization has twice the
digits, but takes many times as long as J^T J where there are many."""


class _Options(Section):
    """What is validated together."""

    optimizer: OptimizerConfig
    training: TrainingConfig
    loss: LossConfig
    f_scale: PositiveFloat | None


@dataclass(frozen=True)
class Known:
    """What defaults depend on.

    Attributes:
        size: Number n of parameters.
        rows: Number m of residuals.
        bends: Whether second derivatives along a line are known.
        curves: Whether all second derivatives are.
        epsilon: Of the arithmetic of the residuals.
        network: Whether there are matrices among the parameters: many of a network's weights begin at 0 and
            have no size that scaling could go by, and nothing determines all of them.
    """

    size: int
    rows: int
    bends: bool
    curves: bool
    epsilon: float
    network: bool = False

    @property
    def like_formula(self) -> bool:
        """Whether the defaults are those of formulas, or those of networks (`config.schema`)."""
        return not self.network and self.size <= min(self.rows, FORMULA_MOST)


@dataclass(frozen=True)
class Options:
    """What a run does.

    Attributes:
        optimizer: The section, every default filled in.
        training: The stopping rules.
        robust: The loss; None for the sum of squares.
        loss: Its name.
    """

    optimizer: LmConfig | GaussNewtonConfig | NewtonConfig
    training: TrainingConfig
    robust: Robust | None
    loss: str

    def form(self, known: Known) -> str:
        """Return the form of J^T J that the solver takes."""
        if isinstance(self.optimizer, NewtonConfig):
            return "gram"
        name = self.optimizer.solver.name
        matrix = isinstance(self.optimizer, LmConfig) and self.optimizer.memory > 0
        # Residuals that are any function have no products without a matrix.
        choice = "matrix" if matrix else "cholesky" if name == "auto" else name
        return SOLVERS[choice](Sizes(known.size, known.rows, 8, WORKERS))


def read_options(
    optimizer: str | Mapping[str, Any],
    parts: Mapping[str, Any],
    training: Mapping[str, Any],
    loss: str | Mapping[str, Any] | Callable[..., Any],
    f_scale: float | None,
) -> Options:
    """Validate options.

    Args:
        optimizer: A name, or a mapping as in the config.
        parts: Keys of the optimizer that were given by themselves; None for those that were not.
        training: Keys of the config's training section; None for those that were not given.
        loss: A name, a mapping as in the config, or a function as in SciPy.
        f_scale: The scale of a robust loss, by SciPy's name.

    Raises:
        ConfigError: They are not valid; all problems at once.
    """
    section = {"name": optimizer} if isinstance(optimizer, str) else _plain(optimizer)
    _refuse_two(section, parts, loss, f_scale)
    section = {**section, **{key: _plain(value) for key, value in parts.items() if value is not None}}
    custom = callable(loss)
    named = "mse" if custom or loss in SQUARES else loss
    data = {
        "optimizer": section,
        "training": {key: _plain(value) for key, value in training.items() if value is not None},
        "loss": _plain(named),
        "f_scale": _plain(f_scale),
    }
    options = _validated(data)
    _refuse_what_needs_rows(options, custom=custom)
    robust = Robust("custom", own(loss), f_scale or 1.0) if callable(loss) else _robust(options)
    config = options.optimizer
    assert isinstance(config, LmConfig | GaussNewtonConfig | NewtonConfig), "others are refused"
    return Options(
        optimizer=config,
        training=options.training,
        robust=robust,
        loss=robust.name if robust else "mse",
    )


def with_defaults(options: Options, known: Known) -> Options:
    """Fill in what depends on the residuals.

    Raises:
        ConfigError: Something is asked for that the residuals do not offer.
    """
    training = options.training
    if training.max_steps is None and training.max_seconds is None:
        training = training.model_copy(update={"max_steps": DEFAULT_STEPS})
    single = known.epsilon > DOUBLE
    tolerance = 0.0 if known.like_formula else TOLERANCES["float32" if single else "float64"]
    for name in ("gradient_tolerance", "step_tolerance"):
        if getattr(training, name) is None:
            training = training.model_copy(update={name: tolerance})
    config = options.optimizer
    if isinstance(config, NewtonConfig) and not known.curves:
        raise ConfigError(
            [
                "optimizer: newton needs second derivatives, which functions of NumPy arrays do not have; "
                "write the residuals with TensorFlow, or use lm."
            ]
        )
    if isinstance(config, LmConfig):
        config = _lm(config, known, options.robust)
    elif isinstance(config, GaussNewtonConfig) and "solver" not in config.model_fields_set:
        config = GaussNewtonConfig.model_validate({"name": config.name, "solver": _solver(known)})
    return Options(config, training, options.robust, options.loss)


def _lm(config: LmConfig, known: Known, robust: Robust | None) -> LmConfig:
    if config.acceleration == "geodesic" and not known.bends:
        raise ConfigError(
            [
                "acceleration: geodesic needs second derivatives, which functions of NumPy arrays do not "
                "have; write the residuals with TensorFlow, or leave it out."
            ]
        )
    data = config.model_dump(exclude_unset=True)
    more: dict[str, Any] = {
        "acceleration": config.acceleration or ("geodesic" if known.bends else "none"),
        "polishing": config.polishing or _polishing(config, known),
    }
    if not known.like_formula:
        return LmConfig.model_validate({**data, **more})
    if "solver" not in data:
        more["solver"] = "cholesky" if config.memory else _solver(known)
    if "damping" not in data:
        more["damping"] = {"update": "trust-region", "scaling": "typical"}
        if robust is not None:
            more["damping"] |= {"initial_radius": ROBUST_RADIUS}
    elif "scaling" not in data["damping"]:
        more["damping"] = {**data["damping"], "scaling": "typical"}
    return LmConfig.model_validate({**data, **more})


def _polishing(config: LmConfig, known: Known) -> str:
    # In less than float64 the digits that undamped steps would win are not there.
    return "none" if known.epsilon > DOUBLE or config.memory or not known.like_formula else "undamped"


def _solver(known: Known) -> str:
    return "qr" if known.like_formula else "auto"


def _validated(data: dict[str, Any]) -> _Options:
    try:
        return _Options.model_validate(data)
    except ValidationError as error:
        from lmrun.config.messages import problems_of

        words = [f"{dotted(problem.path)}: {problem.message}" for problem in problems_of(error, data)]
        # These keys are arguments of their own here.
        raise ConfigError([line.removeprefix("training.") for line in words]) from None


def _refuse_two(
    section: Mapping[str, Any], parts: Mapping[str, Any], loss: object, f_scale: float | None
) -> None:
    """Refuse an option that is given both in a mapping and beside it."""
    problems = [
        f"{key}: is given by itself and in the optimizer; give one of them."
        for key, value in parts.items()
        if value is not None and key in section
    ]
    if f_scale is not None and isinstance(loss, Mapping):
        scales = [key for key in ("scale", "delta") if key in loss]
        problems += [f"f_scale: and the loss's {key} are the same; give one of them." for key in scales]
    if problems:
        raise ConfigError(problems)


def _refuse_what_needs_rows(options: _Options, *, custom: bool) -> None:
    config, problems = options.optimizer, []
    if not isinstance(config, LmConfig | GaussNewtonConfig | NewtonConfig):
        raise ConfigError(
            [
                f"optimizer: '{config.name}' trains networks on data, see lmrun.fit; lmrun.least_squares has "
                "lm, gauss-newton and newton."
            ]
        )
    if getattr(getattr(config, "solver", None), "name", "") == "cg":
        problems.append("solver: cg needs products with a network's Jacobian; use auto, qr or cholesky.")
    if isinstance(config, LmConfig):
        present = {
            "projection": config.projection != "none",
            "averaging": config.averaging.name != "none",
            "rows": config.rows < 1,
            "subset": config.subset.by != "none",
        }
        problems += [
            f"optimizer.{key}: is for networks trained on rows of data, see lmrun.fit; leave it out."
            for key, is_set in present.items()
            if is_set
        ]
    loss = options.loss
    if not isinstance(loss, MseConfig | HuberConfig | RobustLoss):
        known = ", ".join(("mse", *ROBUST))
        problems.append(f"loss: '{loss.name}' compares outputs with targets; residuals have {known}.")
    elif isinstance(loss, MseConfig) and options.f_scale is not None and not custom:
        problems.append("f_scale: is the scale of a robust loss; add loss='soft_l1', or leave it out.")
    if problems:
        raise ConfigError(problems)


def _robust(options: _Options) -> Robust | None:
    loss = options.loss
    if isinstance(loss, HuberConfig):
        return Robust(loss.name, ROBUST[loss.name], options.f_scale or loss.delta)
    if isinstance(loss, RobustLoss):
        name = str(loss.model_dump()["name"])
        return Robust(name, ROBUST[name], options.f_scale or loss.scale)
    return None


def _plain(value: Any) -> Any:
    """Return numbers of NumPy as Python's, which a strict schema asks for."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value.item() if isinstance(value, np.generic) else value
