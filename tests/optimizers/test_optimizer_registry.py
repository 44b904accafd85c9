"""The registry holds what the schema names, and builds it with the config's settings."""

import math

import pytest
from pydantic import TypeAdapter

from lmrun.config import optimizers as schema
from lmrun.config.fields import names
from lmrun.optimizers.adam import Adam
from lmrun.optimizers.damping.acceptance import Decrease, GainRatio
from lmrun.optimizers.damping.scaling import SCALINGS
from lmrun.optimizers.damping.trust_region import TrustRegion
from lmrun.optimizers.damping.update import Factor, Nielsen
from lmrun.optimizers.first_order import FirstOrder
from lmrun.optimizers.keras_optimizer import KerasRule
from lmrun.optimizers.lm import LevenbergMarquardt
from lmrun.optimizers.newton import Newton
from lmrun.optimizers.registry import RULES, SECOND_ORDER, build_optimizer
from lmrun.optimizers.sgd import Sgd


def config(**values):
    return TypeAdapter(schema.OptimizerConfig).validate_python(values)


def test_registry_and_schema_name_the_same_optimizers():
    assert set(SECOND_ORDER) == set(schema.SECOND_ORDER)
    assert set(RULES) | set(SECOND_ORDER) == set(schema.OPTIMIZER_NAMES) == set(names(schema.OptimizerConfig))
    assert not set(RULES) & set(SECOND_ORDER)


@pytest.fixture(scope="module")
def kernels(make_mlp):
    from lmrun.curvature.kernels import Kernels
    from lmrun.losses.elementwise import MeanSquaredError

    return Kernels(make_mlp(2, [3]), MeanSquaredError())


@pytest.mark.parametrize("name", schema.OPTIMIZER_NAMES)
def test_every_name_builds(name, kernels):
    kind = {"lm": LevenbergMarquardt, "newton": Newton, "gauss-newton": Newton}.get(name, FirstOrder)
    assert isinstance(build_optimizer(config(name=name), kernels), kind)


def test_first_order_settings_arrive(kernels):
    sgd = config(name="sgd", learning_rate=0.5, momentum=0.25, nesterov=True)
    assert build_optimizer(sgd, kernels).rule == Sgd(0.5, 0.25, True)
    adam = config(name="adam", learning_rate=0.5, beta_1=0.25, beta_2=0.75, epsilon=0.125, amsgrad=True)
    assert build_optimizer(adam, kernels).rule == Adam(0.5, 0.25, 0.75, 0.125, True)
    rule = build_optimizer(config(name="rmsprop", learning_rate=0.5, rho=0.25), kernels).rule
    assert isinstance(rule, KerasRule)
    assert (float(rule.optimizer.learning_rate.numpy()), rule.optimizer.rho) == (0.5, 0.25)


def test_damping_settings_arrive(kernels):
    limits = {"minimum": 1e-9, "maximum": 1e9, "max_attempts": 7, "scaling": "marquardt"}
    factor = config(
        name="lm", damping={"update": "factor", "initial": 3.0, "increase": 5.0, "decrease": 2.0, **limits}
    )
    expected = LevenbergMarquardt(Factor(3.0, 5.0, 2.0), SCALINGS["marquardt"], 1e-9, 1e9, 7)
    assert build_optimizer(factor, kernels) == expected
    nielsen = build_optimizer(config(name="lm"), kernels)
    assert (nielsen.update, nielsen.scaling) == (Nielsen(1e-3), SCALINGS["identity"])
    assert (nielsen.acceptance, nielsen.accelerate) == (Decrease(), False)


def test_a_damping_without_limits_has_none(kernels):
    damping = {"update": "trust-region", "initial_radius": 3.0, "max_attempts": 7}
    acceptance = {"name": "gain-ratio", "threshold": 0.25}
    region = config(name="lm", damping=damping, acceptance=acceptance, acceleration="geodesic")
    expected = LevenbergMarquardt(
        TrustRegion(3.0), SCALINGS["identity"], 0.0, math.inf, 7, True, GainRatio(0.25)
    )
    assert build_optimizer(region, kernels) == expected
