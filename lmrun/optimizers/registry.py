"""The optimizers by their name in the config."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lmrun.config.optimizers import KERAS_OPTIMIZERS, AdamConfig, LmConfig, SgdConfig
from lmrun.curvature.kernels import Kernels
from lmrun.optimizers.adam import Adam
from lmrun.optimizers.base import SecondOrder
from lmrun.optimizers.convergence import EXACT, Tolerances
from lmrun.optimizers.first_order import FirstOrder, Rule
from lmrun.optimizers.keras_optimizer import KerasRule
from lmrun.optimizers.lm import levenberg_marquardt
from lmrun.optimizers.newton import gauss_newton, newton
from lmrun.optimizers.polishing import Polished
from lmrun.optimizers.regularization import Regularized, build_regularization
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


def _regularized(config: Any, optimizer: SecondOrder) -> SecondOrder:
    asked = isinstance(config, LmConfig) and config.regularization.name != "none"
    return Regularized(optimizer, build_regularization(config.regularization)) if asked else optimizer


def _polished(config: Any, optimizer: SecondOrder, tolerances: Tolerances) -> SecondOrder:
    asked = isinstance(config, LmConfig) and config.polishing == "undamped"
    return Polished(optimizer, tolerances) if asked else optimizer


def build_optimizer(
    config: Any, kernels: Kernels, tolerances: Tolerances = EXACT
) -> FirstOrder | SecondOrder:
    """Return the optimizer that a config's `optimizer` section names.

    Args:
        config: The section.
        kernels: Of the model.
        tolerances: Where an optimizer that is polished has come close enough.
    """
    if config.name in SECOND_ORDER:
        return _polished(config, _regularized(config, SECOND_ORDER[config.name](config)), tolerances)
    return FirstOrder(RULES[config.name](config, kernels), kernels)
