"""The whole config: what a YAML file says, typed, immutable, with every default filled in.

Nothing here imports TensorFlow or NumPy; `lmrun check` answers at once.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from lmrun.config.answers import AnswersConfig
from lmrun.config.base import Section, raise_problems
from lmrun.config.consistency import problems_between
from lmrun.config.datasets import DatasetConfig, Seed
from lmrun.config.losses import LossConfig
from lmrun.config.models import ModelConfig
from lmrun.config.optimizers import SECOND_ORDER, LmConfig, OptimizerConfig
from lmrun.config.training import TrainingConfig

TOLERANCES = {"float64": 1e-12, "float32": 1e-6}
DEFAULT_STEPS = 1_000
"""As MATLAB's `trainlm` (`epochs`)."""
DEFAULT_FIRST_ORDER_STEPS = 10_000
REGRESSION = ("mse", "mae", "huber", "soft_l1", "cauchy", "arctan")
"""The losses for which Levenberg-Marquardt is accelerated where nothing else is said."""


class Alternative(Section):
    """The best known settings of another optimizer on the same problem."""

    optimizer: OptimizerConfig | None = None
    """The whole optimizer section; left out, the optimizer's defaults."""
    training: TrainingConfig | None = None
    """The training keys that differ from the config's."""


class Config(Section):
    """One experiment."""

    seed: Seed = 10
    """Decides, each by its own stream, the data, the split, the initial weights and the order of the
    batches."""
    precision: Literal["float32", "float64"] = "float64"
    """The floating-point type of data, parameters and all algebra."""
    device: Annotated[
        str, Field(pattern=re.compile(r"^(auto|cpu|gpu|gpu:\d+)$"), examples=["auto", "cpu", "gpu", "gpu:1"])
    ] = "auto"
    """`auto` takes the first GPU, or the CPU where there is none; `gpu:1` the second GPU."""
    distribution: Literal["none", "mirrored", "multi-worker"] = "none"
    """How the rows of one fit are shared out: `mirrored` over all GPUs of a machine, `multi-worker` over
    processes on one machine or many, which `lmrun train --workers` or `TF_CONFIG` name."""
    dataset: DatasetConfig
    """The data."""
    model: ModelConfig
    """The architecture."""
    loss: LossConfig | None = None
    """What is minimized. Left out: `mse`, or `sparse_categorical_crossentropy` for classes."""
    optimizer: OptimizerConfig = Field(default_factory=lambda: {"name": "lm"}, validate_default=True)
    """How it is minimized."""
    training: TrainingConfig = TrainingConfig()
    """Batches and stopping rules."""
    answers: AnswersConfig = AnswersConfig()
    """What a fit says of its parameters."""
    alternatives: dict[str, Alternative] = Field(default_factory=dict)
    """The best known settings of other optimizers on this problem, by name; `optimizer=NAME` and `compare`
    use them."""

    @model_validator(mode="after")
    def _sections_fit(self) -> Self:
        raise_problems(problems_between({name: getattr(self, name) for name in type(self).model_fields}))
        return self


def is_first_order(config: Config) -> bool:
    """Whether the config's optimizer needs gradients only."""
    return config.optimizer.name not in SECOND_ORDER


def is_whole_formula(config: Config) -> bool:
    """Whether a formula is fitted by Levenberg-Marquardt steps that see all rows and parameters."""
    lm = config.optimizer
    return (
        config.model.name == "formula"
        and config.training.batch_size == "full"
        and isinstance(lm, LmConfig)
        and (lm.memory, lm.rows, lm.subset.by, lm.averaging.name) == (0, 1, "none", "none")
    )


def defaults_of_lm(config: Config, lm: LmConfig) -> dict[str, Any]:
    """Return the keys of the optimizer that depend on the model and were left out.

    For formulas they are those that were found best on the NIST problems and the set of Moré, Garbow and
    Hillstrom (docs/accuracy.md).
    """
    if not is_whole_formula(config):
        return {"polishing": lm.polishing or "none"}
    found: dict[str, Any] = {"polishing": lm.polishing or "undamped"}
    if "solver" not in lm.model_fields_set:
        # The triangle of J depends on the order of the rows.
        plain = config.training.summation == "plain"
        found["solver"] = {"name": "qr" if plain else "cholesky"}
    if "damping" not in lm.model_fields_set:
        found["damping"] = {"update": "trust-region", "scaling": {"name": "typical"}}
    elif "scaling" not in lm.damping.model_fields_set:
        found["damping"] = {**lm.damping.model_dump(), "scaling": {"name": "typical"}}
    return found


def resolve(config: Config) -> Config:
    """Write out every default that depends on another value, so that the saved config repeats the run."""
    data = config.model_dump()
    data["alternatives"] = {}
    training = data["training"]
    first_order = is_first_order(config)
    if first_order and training["batch_size"] == "growing":
        training["batch_size"] = "full"
    full_batch = isinstance(training["batch_size"], str)
    if training["max_steps"] is None and training["max_epochs"] is None and training["max_seconds"] is None:
        steps = DEFAULT_FIRST_ORDER_STEPS if first_order else DEFAULT_STEPS
        training["max_steps"] = (1 + config.model.restarts) * steps
    for tolerance in ("gradient_tolerance", "step_tolerance"):
        if training[tolerance] is None:
            # A formula's data have units, of which numbers like these know nothing.
            training[tolerance] = 0.0 if is_whole_formula(config) else TOLERANCES[config.precision]
    if training["validation_interval"] is None:
        training["validation_interval"] = 100 if first_order and full_batch else 1
    if data["loss"] is None:
        data["loss"] = {
            "name": "sparse_categorical_crossentropy" if config.dataset.name == "mnist" else "mse"
        }
    if config.optimizer.name == "lm" and config.optimizer.acceleration is None:
        bends = data["loss"]["name"] in REGRESSION and config.precision == "float64"
        data["optimizer"]["acceleration"] = "geodesic" if bends else "none"
    if isinstance(config.optimizer, LmConfig):
        data["optimizer"] |= defaults_of_lm(config, config.optimizer)
    if config.dataset.name == "table" and config.dataset.normalization is None:
        data["dataset"]["normalization"] = "none" if config.model.name == "formula" else "standard"
    if config.answers.bootstrap is not None:
        data["answers"]["draw"] = config.answers.drawn
    return type(config).model_validate(data)
