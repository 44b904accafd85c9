"""Steps on a cost with a price for the parameters: which minimum, what is told of it, and on which side."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from pydantic import TypeAdapter

from lmrun.config.optimizers import LmConfig
from lmrun.config.regularization import RegularizationConfig
from lmrun.curvature.penalty import PenalizedProblem
from lmrun.inference.effective import effective
from lmrun.linalg.device import DeviceAlgebra
from lmrun.optimizers.lm import levenberg_marquardt
from lmrun.optimizers.regularization import REGULARIZATIONS, Bayesian, Decay, Regularized
from lmrun.status import Status
from lmrun.training.linearized import solution_of

RNG = np.random.default_rng(3)
X = RNG.uniform(-1, 1, size=(12, 2))
Y = np.sin(3 * X[:, :1]) + 0.1 * RNG.normal(size=(12, 1))
LM = LmConfig(name="lm", acceleration="geodesic")
RULES = {"decay": Decay(0.01), "bayesian": Bayesian()}
NOISY = "dataset={name: sine, points: 50, noise: 0.2, test_points: 200}"


def steps(problem, rule, count):
    optimizer = Regularized(levenberg_marquardt(LM), rule)
    params = tf.constant(problem.kernels.network.params())
    state, infos = optimizer.init(problem, params), []
    for _ in range(count):
        params, state, info = optimizer.step(problem, params, state)
        infos.append(info)
    return np.asarray(params), state, infos


def test_every_regularization_of_the_config_has_a_rule():
    names = TypeAdapter(RegularizationConfig).json_schema()["discriminator"]["mapping"]
    assert set(names) == {"none", *REGULARIZATIONS}


def test_the_gradient_is_that_of_the_loss_with_its_penalty(make_mlp, make_problem, central_differences):
    problem = make_problem(make_mlp(2, [3]), X, Y)
    whole, point = PenalizedProblem(problem, 0.7), problem.kernels.network.params()

    def cost(params):
        return np.array(problem.cost_per_loss * whole.loss(tf.constant(params)))

    model = whole.linearize(tf.constant(point))
    np.testing.assert_allclose(model.gradient, central_differences(cost, point), rtol=1e-7, atol=1e-8)
    assert model.gradient_norm == np.max(np.abs(model.gradient))
    expected = problem.loss(tf.constant(point)) + 0.7 * point @ point / (2 * problem.cost_per_loss)
    assert whole.loss(tf.constant(point)) == pytest.approx(expected, rel=1e-14)


def test_decay_of_a_linear_model_is_ridge_regression(make_mlp, make_problem):
    problem = make_problem(make_mlp(2, []), X, Y)
    params, _, infos = steps(problem, Decay(0.01), 15)
    columns = np.column_stack([X, np.ones(12)])
    # loss + strength |params|^2 with a loss that is a mean over the rows.
    ridge = np.linalg.solve(columns.T @ columns + 12 * 0.01 * np.eye(3), columns.T @ Y[:, 0])
    np.testing.assert_allclose(params, ridge, rtol=1e-9)
    # The cost is quadratic, and it is what the quadratic model predicts.
    assert infos[0].gain_ratio == pytest.approx(1, rel=1e-9)
    assert infos[0].alpha is infos[0].effective_parameters is None
    assert not infos[0].unsettled


@pytest.mark.parametrize("rule", RULES)
def test_what_is_told_is_the_loss_of_the_data(rule, make_mlp, make_problem):
    problem = make_problem(make_mlp(2, [3]), X, Y)
    before = problem.loss(tf.constant(problem.kernels.network.params()))
    params, _, infos = steps(problem, RULES[rule], 4)
    assert infos[0].loss_before == before
    assert infos[-1].losses[0] == problem.loss(tf.constant(params))
    assert all(info.supersedes for info in infos)


@pytest.mark.parametrize("rule", RULES)
def test_host_and_device_agree(rule, make_mlp, make_problem):
    ends = []
    for algebra in (None, DeviceAlgebra("float64")):
        problem = make_problem(make_mlp(2, [3]), X, Y, algebra=algebra)
        ends.append(steps(problem, RULES[rule], 3))
    (params, _, infos), (others, _, mirrored) = ends
    np.testing.assert_allclose(params, others, rtol=1e-8)
    for one, other in zip(infos, mirrored, strict=True):
        assert one.losses[0] == pytest.approx(other.losses[0], rel=1e-9)
        assert one.criterion == pytest.approx(other.criterion, rel=1e-8)
        assert one.gain_ratio == pytest.approx(other.gain_ratio, rel=1e-6)


def train(make_driver, *overrides, count=300):
    driver, params = make_driver("noisy-sine", NOISY, *overrides)
    state, infos = driver.init(params), []
    while len(infos) < count and (not infos or infos[-1].status is None):
        params, state, info = driver.advance(params, state, len(infos), 1)
        infos.append(info)
    experiment = driver.experiment
    experiment.network.assign(np.asarray(params))
    test = experiment.dataset.test
    error = np.asarray(experiment.network.model(test.inputs)) - test.targets
    return experiment, params, infos, float(np.sqrt(np.mean(error**2)))


@pytest.mark.parametrize("seed", [1, 4, 5])
def test_a_noisy_sine_is_learned_without_its_noise(seed, make_driver):
    _, _, infos, regularized = train(make_driver, f"seed={seed}")
    *_, plain = train(make_driver, f"seed={seed}", "optimizer.regularization=none")
    assert regularized < 0.13
    assert regularized < 0.8 * plain
    last = infos[-1]
    assert 5 < last.effective_parameters < 20
    # The noise that was added: 0.2.
    assert 1 / np.sqrt(2 * last.beta) == pytest.approx(0.2, rel=0.25)


@pytest.mark.parametrize("solver", ["cholesky", "qr"])
def test_it_ends_where_the_end_of_a_run_finds_the_same_number(solver, make_driver):
    experiment, params, infos, _ = train(make_driver, f"optimizer.solver={solver}", "seed=1")
    last = infos[-1]
    assert last.status in (Status.NO_PROGRESS, Status.CONVERGED_STEP, Status.CONVERGED_GRADIENT)
    assert not last.unsettled
    found = effective(solution_of(experiment, params))
    assert last.effective_parameters == pytest.approx(found.parameters, rel=1e-4)
    assert last.alpha / last.beta == pytest.approx(found.damping, rel=1e-4)


def test_tolerances_wait_for_the_strength():
    from lmrun.optimizers.base import StepInfo
    from lmrun.optimizers.convergence import Tolerances

    info = StepInfo(np.array([1.0]), gradient_norm=0.0, accepted=True, unsettled=True)
    assert Tolerances(1.0, 1.0).met(info) is None
    assert Tolerances(1.0, 1.0).met(replace(info, unsettled=False)) is Status.CONVERGED_GRADIENT


def test_data_without_noise_ask_for_next_to_nothing(make_driver):
    _, _, infos, error = train(make_driver, "dataset.noise=0", "model.hidden=[8]", count=150)
    assert error < 1e-2
    assert np.isfinite(infos[-1].losses[0])
    assert infos[-1].losses[0] < 1e-5
