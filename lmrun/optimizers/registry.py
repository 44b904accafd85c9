"""The optimizers by their name in the config."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lmrun.config.optimizers import KERAS_OPTIMIZERS, AdamConfig, SgdConfig
from lmrun.curvature.kernels import Kernels
from lmrun.optimizers.adam import Adam
from lmrun.optimizers.base import SecondOrder
from lmrun.optimizers.first_order import FirstOrder, Rule
from lmrun.optimizers.keras_optimizer import KerasRule
from lmrun.optimizers.lm import levenberg_marquardt
from lmrun.optimizers.newton import gauss_newton, newton
from lmrun.optimizers.sgd import Sgd


def _sgd(config: SgdConfig, kernels: Kernels) -> Rule:
    return Sgd(config.learning_rate, config.momentum, config.nesterov)


def _adam(config: AdamConfig, kernels: Kernels) -> Rule:
    return Adam(config.learning_rate, config.beta_1, config.beta_2, config.epsilon, config.amsgrad)


RULES: dict[str, Callable[[Any, Kernels], Rule]] = {
    "sgd": _sgd,
    "adam": _adam,
    **{name: lambda config, kernels: KerasRule(config, kernels.network) for name in KERAS_OPTIMIZERS},
}
"""First-order optimizers."""

SECOND_ORDER: dict[str, Callable[[Any], SecondOrder]] = {
    "newton": newton,
    "gauss-newton": lambda config: gauss_newton(),
    "lm": levenberg_marquardt,
}


def build_optimizer(config: Any, kernels: Kernels) -> FirstOrder | SecondOrder:
    """Return the optimizer that a config's `optimizer` section names."""
    if config.name in SECOND_ORDER:
        return SECOND_ORDER[config.name](config)
    return FirstOrder(RULES[config.name](config, kernels), kernels)
