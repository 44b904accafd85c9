"""Levenberg-Marquardt: its limits, its bookkeeping, and that it never goes uphill."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import assume, given
from hypothesis import strategies as st

from lmrun.config.optimizers import FactorDamping, LmConfig, NielsenDamping
from lmrun.curvature.problem import Linearization, Trial
from lmrun.linalg.algebra import INVALID, StepScalars
from lmrun.linalg.device import DeviceAlgebra
from lmrun.linalg.host import HostAlgebra, symmetrized
from lmrun.optimizers.lm import levenberg_marquardt
from lmrun.optimizers.newton import gauss_newton
from lmrun.status import Status

X = np.random.default_rng(6).uniform(-1, 1, size=(9, 2))
CURVE = (2.5 - X[:, :1]) ** 2 + 2.5 * (X[:, 1:] - X[:, :1] ** 2) ** 2


def lm(update="factor", **settings):
    damping = (FactorDamping if update == "factor" else NielsenDamping)(update=update, **settings)
    return levenberg_marquardt(LmConfig(name="lm", damping=damping))


def params_of(problem):
    return tf.constant(problem.kernels.network.params())


@pytest.fixture
def curve(make_formula, make_problem):
    return make_problem(make_formula("(a - x)**2 + b*(y - x**2)**2", a=5, b=5), X, CURVE)


def first_step(optimizer, problem):
    params = params_of(problem)
    return optimizer.step(problem, params, optimizer.init(problem, params))


def test_without_damping_it_is_gauss_newton(curve):
    moved, _, info = first_step(lm(initial=1e-20), curve)
    expected, _, _ = first_step(gauss_newton(), curve)
    assert info.damping == 1e-20
    np.testing.assert_allclose(moved.numpy(), expected.numpy(), rtol=1e-12)


def test_with_much_damping_it_descends_the_gradient(curve):
    moved, _, _ = first_step(lm(initial=1e9), curve)
    step = moved.numpy() - params_of(curve).numpy()
    gradient = curve.linearize(params_of(curve)).gradient
    np.testing.assert_allclose(step, -gradient / 1e9, rtol=1e-6)
    cosine = -step @ gradient / np.linalg.norm(step) / np.linalg.norm(gradient)
    assert cosine == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("scaling", ["identity", "marquardt"])
def test_a_step_solves_the_damped_equation(scaling, curve):
    moved, _, info = first_step(lm(initial=0.7, scaling=scaling), curve)
    model = curve.linearize(params_of(curve))
    gram = symmetrized(model.matrix)
    D = np.eye(2) if scaling == "identity" else np.diag(np.diag(gram))
    step = np.linalg.solve(gram + 0.7 * D, -model.gradient)
    np.testing.assert_allclose(moved.numpy(), params_of(curve).numpy() + step, rtol=1e-12)
    before, after = (curve.cost_per_loss * curve._loss(point) for point in (params_of(curve), moved))
    predicted = -(model.gradient @ step) - 0.5 * step @ gram @ step
    assert info.gain_ratio == pytest.approx((before - after) / predicted, rel=1e-9)
    assert info.losses[0] == pytest.approx(after / curve.cost_per_loss, rel=1e-14)
    assert info.step_norm == pytest.approx(np.linalg.norm(step), rel=1e-10)
    assert info.gradient_norm == np.abs(model.gradient).max()
    assert (info.accepted, info.attempts, info.invalid_attempts, info.status) == (True, 1, 0, None)


def test_nielsen_starts_relative_to_the_scaled_matrix(curve):
    diagonal = np.diagonal(curve.linearize(params_of(curve)).matrix)
    assert first_step(lm("nielsen", initial=0.1), curve)[2].damping == pytest.approx(0.1 * diagonal.max())
    assert first_step(lm("nielsen", initial=0.1, scaling="marquardt"), curve)[2].damping == 0.1


@pytest.mark.parametrize("update", ["factor", "nielsen"])
@pytest.mark.parametrize("scaling", ["identity", "marquardt"])
def test_the_device_makes_the_steps_of_the_host(update, scaling, curve, make_problem):
    optimizer = lm(update, initial=1e-6, scaling=scaling)
    device = make_problem(curve.kernels.network, X, CURVE, algebra=DeviceAlgebra("float64"))
    ends = []
    for problem in (curve, device):
        params = params_of(problem)
        state, infos = optimizer.init(problem, params), []
        for _ in range(3):
            params, state, info = optimizer.step(problem, params, state)
            assert isinstance(params, tf.Tensor)
            infos.append([info.losses[0], info.damping, info.gain_ratio, info.step_norm, info.attempts])
        ends.append((params.numpy(), np.array(infos), state))
    (host, infos, state), (other, others, device_state) = ends
    np.testing.assert_allclose(other, host, rtol=1e-9)
    np.testing.assert_allclose(others, infos, rtol=1e-9, atol=1e-18)
    assert dict(device_state) == pytest.approx(dict(state), rel=1e-9)


def rescaled(make_problem, make_formula, factor):
    """The same linear model with its second column in another unit."""
    units = np.array([1.0, factor])
    return make_problem(make_formula("a*x + b*y", a=1, b=2 / factor), X * units, CURVE)


def test_marquardt_scaling_does_not_see_the_units(make_problem, make_formula):
    outputs = {}
    for scaling in ("identity", "marquardt"):
        for factor in (1.0, 1000.0):
            problem = rescaled(make_problem, make_formula, factor)
            moved, _, _ = first_step(lm(initial=1.0, scaling=scaling), problem)
            outputs[scaling, factor] = moved.numpy() * [1.0, factor]
    np.testing.assert_allclose(outputs["marquardt", 1000.0], outputs["marquardt", 1.0], rtol=1e-12)
    assert np.abs(outputs["identity", 1000.0] - outputs["identity", 1.0]).max() > 0.01


class Scripted:
    """A problem whose trials are written down: each a loss, or None for a matrix that is not factored."""

    cost_per_loss = 2.0
    algebra = HostAlgebra("float64")

    def __init__(self, *losses, gradient=1.0, step_norm=1.0):
        self.losses, self.dampings, self.linearized = list(losses), [], 0
        self.scalars = StepScalars(True, 4.0, step_norm, 1.0)
        self.model = Linearization(np.eye(2), np.full(2, gradient), float(gradient))

    def loss(self, params):
        return 10.0

    def linearize(self, params):
        self.linearized += 1
        return self.model

    def damped_trial(self, params, model, damping, scaling, *, accelerate=False):
        self.dampings.append(damping)
        loss = self.losses.pop(0)
        return Trial(object(), np.nan if loss is None else loss, INVALID if loss is None else self.scalars)

    def accept(self, trial):
        return trial.params


def scripted_step(optimizer, problem, state=None):
    params = tf.constant([1.0, 2.0], tf.float64)
    result = optimizer.step(problem, params, state or optimizer.init(problem, params))
    return params, *result


def test_rejected_and_invalid_trials_raise_the_damping():
    problem = Scripted(11.0, None, -np.inf, 10.0, 7.0)
    params, moved, state, info = scripted_step(lm(initial=1.0, increase=10.0, decrease=4.0), problem)
    assert problem.dampings == [1.0, 10.0, 100.0, 1000.0, 10000.0]
    assert problem.linearized == 1
    assert moved is not params
    assert state == {"value": 2500.0, "growth": 10.0}
    assert info == replace(info, damping=1e4, accepted=True, attempts=5, invalid_attempts=2, status=None)
    assert list(info.losses) == [7.0]
    # cost_per_loss (10 - 7) over the predicted reduction of 4.
    assert info.gain_ratio == 1.5


def test_nielsen_growth_starts_again_after_an_accepted_step():
    optimizer, problem = lm("nielsen", initial=1.0), Scripted(11.0, 11.0, 9.0)
    _, _, state, info = scripted_step(optimizer, problem)
    assert problem.dampings == [1.0, 2.0, 8.0]
    assert info.gain_ratio == 0.5
    assert state == {"value": 8.0, "growth": 2.0}
    _, _, state, _ = scripted_step(optimizer, Scripted(11.0, 6.0), state)
    assert state == {"value": pytest.approx(16.0 / 3), "growth": 2.0}


def test_exhausted_attempts_leave_the_parameters():
    problem = Scripted(11.0, None, 12.0)
    params, moved, state, info = scripted_step(lm(initial=1.0, max_attempts=3), problem)
    assert moved is params
    assert list(info.losses) == [10.0]
    assert (info.accepted, info.attempts, info.invalid_attempts) == (False, 3, 1)
    assert info.status is Status.NO_PROGRESS
    # The damping of a hopeless batch is no start for the next one.
    assert state == {"value": None, "growth": None}


def test_the_largest_damping_ends_the_step():
    problem = Scripted(*[11.0] * 9)
    params, moved, state, info = scripted_step(lm(initial=1.0, maximum=500.0), problem)
    assert problem.dampings == [1.0, 10.0, 100.0]
    assert moved is params
    assert state == {"value": None, "growth": None}
    assert info.status is Status.NO_PROGRESS


def test_the_damping_stays_above_its_minimum():
    optimizer = lm(initial=1.0, minimum=0.5)
    _, _, state, _ = scripted_step(optimizer, Scripted(9.0))
    assert state["value"] == 0.5
    _, _, _, info = scripted_step(lm(initial=1e-3, minimum=0.5), Scripted(9.0))
    assert info.damping == 0.5


def test_a_step_lost_in_the_rounding_ends_the_attempts():
    problem = Scripted(10.0, 9.0, step_norm=1e-18)
    params, moved, _, info = scripted_step(lm(initial=1.0), problem)
    assert moved is params
    assert (info.attempts, info.status) == (1, Status.NO_PROGRESS)


def test_a_gradient_that_is_not_finite_is_not_tried():
    problem = Scripted(gradient=np.nan)
    params, moved, state, info = scripted_step(lm(), problem)
    assert moved is params
    assert state == {"value": None, "growth": None}
    assert info.status is Status.NON_FINITE
    assert problem.dampings == []


def test_the_state_stays_as_it_is():
    state = {"value": 2.0, "growth": 10.0}
    scripted_step(lm(), Scripted(11.0, 9.0), state)
    assert state == {"value": 2.0, "growth": 10.0}


def test_a_formula_out_of_its_domain_is_invalid(make_formula, make_problem):
    """From a = 10 the Gauss-Newton step leads to -59, where log is not a number."""
    x = np.array([[1.0, 0], [2.0, 0], [3.0, 0]])
    problem = make_problem(make_formula("log(a)*x", a=10), x, np.log(0.01) * x[:, :1])
    params = params_of(problem)
    optimizer = lm(initial=1e-6)
    moved, _, info = optimizer.step(problem, params, optimizer.init(problem, params))
    # The step -690.8 S / (S + damping), S = 14 / 100, stays above -10 from a damping of 0.83 on.
    assert (info.attempts, info.invalid_attempts, info.damping) == (7, 6, pytest.approx(1.0))
    expected = 10 - 10 * np.log(1000) * 0.14 / 1.14
    np.testing.assert_allclose(moved.numpy(), [expected], rtol=1e-12)
    kept, state, info = lm(initial=1e-6, max_attempts=6).step(
        problem, params, {"value": None, "growth": None}
    )
    assert kept is params
    assert (info.accepted, info.invalid_attempts, info.status) == (False, 6, Status.NO_PROGRESS)
    assert state == {"value": None, "growth": None}
    assert np.isnan(info.gain_ratio)


def test_an_exact_fit_has_no_step(make_formula, make_problem):
    problem = make_problem(make_formula("a*x + b*y", a=1, b=2), X, X @ [[1.0], [2.0]])
    params = params_of(problem)
    moved, _, info = first_step(lm(), problem)
    assert info.status is Status.NO_PROGRESS
    assert info.losses[0] == 0
    np.testing.assert_array_equal(moved.numpy(), params.numpy())


EXPRESSIONS = [
    "a*x + b*y",
    "a*exp(b*x) - y",
    "sin(a*x + b) + a",
    "log(a*a + x*x) + b",
    "a**3 + b*x",
    "1/(a + x) + b",
]


@given(
    expression=st.sampled_from(EXPRESSIONS),
    start=st.tuples(st.floats(-3, 3), st.floats(-3, 3)),
    seed=st.integers(0, 1000),
    update=st.sampled_from(["factor", "nielsen"]),
    scaling=st.sampled_from(["identity", "marquardt"]),
)
def test_the_loss_never_rises(expression, start, seed, update, scaling, request):  # noqa: PLR0917
    make_formula, make_problem = (request.getfixturevalue(name) for name in ("make_formula", "make_problem"))
    rng = np.random.default_rng(seed)
    rows = rng.uniform(-1, 1, size=(6, 2)), rng.normal(size=(6, 1))
    problem = make_problem(make_formula(expression, a=start[0], b=start[1]), *rows)
    params, optimizer = params_of(problem), lm(update, scaling=scaling)
    assume(np.isfinite(problem.loss(params)))
    state, losses = optimizer.init(problem, params), [problem.loss(params)]
    for _ in range(6):
        before = params
        params, state, info = optimizer.step(problem, params, state)
        losses.append(info.losses[0])
        assert (params is before) == (info.status is not None) == (not info.accepted)
        assert problem.loss(params) == losses[-1]
        assert problem._loss(params) == losses[-1]
        if info.status:
            break
    assert np.all(np.isfinite(losses))
    assert np.all(np.diff(losses) <= 0)


def test_acceleration_follows_a_curved_valley(make_driver):
    """Bent steps get further on the Rosenbrock surface after as many steps."""
    losses = {}
    for acceleration in ("none", "geodesic"):
        choice = f"optimizer={{name: lm, acceleration: {acceleration}}}"
        driver, params = make_driver("rosenbrock-mlp", choice)
        state = driver.init(params)
        for step in range(60):
            params, state, _ = driver.advance(params, state, step, 1)
        losses[acceleration] = driver.loss(params)
    assert losses["geodesic"] < losses["none"]
