"""Levenberg-Marquardt: its limits, its bookkeeping, and that it never goes uphill."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from curve import CURVE, Scripted, X, by_hand, params_of, scripted_step
from hypothesis import assume, given
from hypothesis import strategies as st

from lmrun.config.optimizers import LmConfig
from lmrun.linalg.device import DeviceAlgebra
from lmrun.optimizers.lm import levenberg_marquardt
from lmrun.optimizers.newton import gauss_newton
from lmrun.status import Status

START = {"value": None, "growth": None, "radius": None, "scaling": None}


def lm(update="factor", acceptance="decrease", **settings):
    damping = {"update": update, **settings}
    return levenberg_marquardt(
        LmConfig.model_validate({"name": "lm", "damping": damping, "acceptance": acceptance})
    )


def state_of(value, growth, radius=None):
    return {**START, "value": value, "growth": growth, "radius": radius}


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
    _, gradient = by_hand()
    np.testing.assert_allclose(step, -gradient / 1e9, rtol=1e-6)
    cosine = -step @ gradient / np.linalg.norm(step) / np.linalg.norm(gradient)
    assert cosine == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("scaling", ["identity", "marquardt", "more"])
def test_a_step_solves_the_damped_equation(scaling, curve):
    moved, _, info = first_step(lm(initial=0.7, scaling=scaling), curve)
    gram, gradient = by_hand()
    D = np.eye(2) if scaling == "identity" else np.diag(np.diag(gram))
    step = np.linalg.solve(gram + 0.7 * D, -gradient)
    np.testing.assert_allclose(moved.numpy(), params_of(curve).numpy() + step, rtol=1e-12)
    before, after = (curve.cost_per_loss * curve._loss(point) for point in (params_of(curve), moved))
    predicted = -(gradient @ step) - 0.5 * step @ gram @ step
    assert info.gain_ratio == pytest.approx((before - after) / predicted, rel=1e-9)
    assert info.losses[0] == pytest.approx(after / curve.cost_per_loss, rel=1e-14)
    assert info.step_norm == pytest.approx(np.linalg.norm(step), rel=1e-10)
    assert info.gradient_norm == pytest.approx(np.abs(gradient).max(), rel=1e-12)
    assert (info.accepted, info.attempts, info.invalid_attempts, info.status) == (True, 1, 0, None)


def test_nielsen_starts_relative_to_the_scaled_matrix(curve):
    diagonal = np.diagonal(by_hand()[0])
    assert first_step(lm("nielsen", initial=0.1), curve)[2].damping == pytest.approx(0.1 * diagonal.max())
    assert first_step(lm("nielsen", initial=0.1, scaling="marquardt"), curve)[2].damping == 0.1


def test_a_trust_region_starts_relative_to_the_scaled_parameters(curve):
    """The step has the length of the radius, and the damping that was found is the one that is told."""
    gram, gradient = by_hand()
    for scaling, D in (("identity", np.ones(2)), ("marquardt", np.diagonal(gram))):
        settings = {"initial_radius": 0.01, "scaling": scaling}
        moved, state, info = first_step(lm("trust-region", **settings), curve)
        step = moved.numpy() - params_of(curve).numpy()
        np.testing.assert_allclose(
            step, np.linalg.solve(gram + info.damping * np.diag(D), -gradient), rtol=1e-9
        )
        length, radius = np.linalg.norm(np.sqrt(D) * step), 0.01 * np.linalg.norm(np.sqrt(D) * 5)
        assert abs(length - radius) <= 0.1 * radius
        assert state["radius"] == pytest.approx(2 * length)


@pytest.mark.parametrize("update", ["factor", "nielsen", "trust-region"])
@pytest.mark.parametrize("scaling", ["identity", "more"])
def test_the_device_makes_the_steps_of_the_host(update, scaling, curve, make_problem):
    start = {"initial_radius": 0.01} if update == "trust-region" else {"initial": 1e-6}
    optimizer = lm(update, scaling=scaling, **start)
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
    for name, value in state.items():
        other_value = device_state[name]
        assert (value is None) == (other_value is None)
        if value is not None:
            np.testing.assert_allclose(other_value, value, rtol=1e-9)


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


def test_rejected_and_invalid_trials_raise_the_damping():
    problem = Scripted(11.0, None, -np.inf, 10.0, 7.0)
    params, moved, state, info = scripted_step(lm(initial=1.0, increase=10.0, decrease=4.0), problem)
    assert problem.dampings == [1.0, 10.0, 100.0, 1000.0, 10000.0]
    assert problem.linearized == 1
    assert moved is not params
    assert state == state_of(2500.0, 10.0)
    assert info == replace(info, damping=1e4, accepted=True, attempts=5, invalid_attempts=2, status=None)
    assert list(info.losses) == [7.0]
    # cost_per_loss (10 - 7) over the predicted reduction of 4.
    assert info.gain_ratio == 1.5


def test_nielsen_growth_starts_again_after_an_accepted_step():
    optimizer, problem = lm("nielsen", initial=1.0), Scripted(11.0, 11.0, 9.0)
    _, _, state, info = scripted_step(optimizer, problem)
    assert problem.dampings == [1.0, 2.0, 8.0]
    assert info.gain_ratio == 0.5
    assert state == state_of(8.0, 2.0)
    _, _, state, _ = scripted_step(optimizer, Scripted(11.0, 6.0), state)
    assert state == state_of(pytest.approx(16.0 / 3), 2.0)


def test_exhausted_attempts_leave_the_parameters():
    problem = Scripted(11.0, None, 12.0)
    params, moved, state, info = scripted_step(lm(initial=1.0, max_attempts=3), problem)
    assert moved is params
    assert list(info.losses) == [10.0]
    assert (info.accepted, info.attempts, info.invalid_attempts) == (False, 3, 1)
    assert info.status is Status.NO_PROGRESS
    # The damping of a hopeless batch is no start for the next one.
    assert state == START


def test_the_largest_damping_ends_the_step():
    problem = Scripted(*[11.0] * 9)
    params, moved, state, info = scripted_step(lm(initial=1.0, maximum=500.0), problem)
    assert problem.dampings == [1.0, 10.0, 100.0]
    assert moved is params
    assert state == START
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
    assert state == START
    assert info.status is Status.NON_FINITE
    assert problem.dampings == []


def test_the_state_stays_as_it_is():
    state = state_of(2.0, 10.0)
    scripted_step(lm(), Scripted(11.0, 9.0), state)
    assert state == state_of(2.0, 10.0)


@pytest.mark.parametrize("trial", [11.0, None])
def test_a_constant_damping_is_tried_once(trial):
    problem = Scripted(trial)
    # Not for want of attempts: the same damping would be the same trial.
    optimizer = replace(lm("constant", value=0.25), max_attempts=9)
    params, moved, state, info = scripted_step(optimizer, problem)
    assert problem.dampings == [0.25]
    assert moved is params
    assert state == START
    assert (info.attempts, info.invalid_attempts, info.status) == (1, trial is None, Status.NO_PROGRESS)
    _, _, state, info = scripted_step(lm("constant", value=0.25), Scripted(9.0))
    assert (state["value"], info.accepted, info.damping) == (0.25, True, 0.25)


def test_a_trust_region_tries_shorter_radii():
    """The rejected trials raise the cost by 2, 2.5 and 100 times what was predicted to fall."""
    problem = Scripted(14.0, 15.0, 210.0, None, 8.5, step_norm=1.0)
    params, moved, state, info = scripted_step(lm("trust-region", initial_radius=2.0), problem)
    assert problem.radii[0] == pytest.approx(2 * np.sqrt(5))
    # descent / (2 (descent + rise)) with descent = 2 * 4 - 0.5 * radius^2, where that is within its bounds.
    for before, after, rise in zip(problem.radii, problem.radii[1:3], (8.0, 10.0), strict=False):
        descent = 8 - 0.5 * before**2
        share = descent / (2 * (descent + rise)) if descent > 0 else 0.1
        assert after == pytest.approx(before * np.clip(share, 0.1, 0.5))
    assert problem.radii[3] == pytest.approx(problem.radii[2] / 10)
    assert problem.radii[4] == pytest.approx(problem.radii[3] / 10)
    # The first guess is no damping; the damping of a trial is the one that was found.
    assert problem.dampings[0] == 0
    assert info.damping == 0.5
    # A gain ratio of 2 * 1.5 / 4 = 3/4 doubles the radius.
    assert state == state_of(0.25, 1.0, pytest.approx(2 * problem.radii[4]))
    assert moved is not params


def test_the_gain_ratio_decides_where_asked():
    """Losses of 9.5 and 8.5 after 10 are gain ratios of 1/4 and 3/4."""
    strict = {"name": "gain-ratio", "threshold": 0.25}
    problem = Scripted(9.5, 8.5)
    _, _, _, info = scripted_step(lm(initial=1.0, acceptance=strict), problem)
    assert (info.attempts, info.losses[0]) == (2, 8.5)
    _, _, _, info = scripted_step(lm(initial=1.0, acceptance="gain-ratio"), Scripted(9.5))
    assert (info.attempts, info.losses[0]) == (1, 9.5)
    # 5e-5 of what was predicted is too little by default.
    _, _, _, info = scripted_step(lm(initial=1.0, acceptance="gain-ratio"), Scripted(10 - 1e-4, 9.0))
    assert info.attempts == 2


def test_more_remembers_the_largest_diagonal():
    optimizer, state = lm(initial=1.0, scaling="more"), None
    for diagonal, expected in (((4.0, 0.0), [4, 1e-6]), ((1.0, 9.0), [4, 9]), ((5.0, 2.0), [5, 9])):
        problem = Scripted(11.0, 9.0, diagonal=diagonal)
        _, _, state, _ = scripted_step(optimizer, problem, state)
        for scaling in (*problem.scalings, state["scaling"]):
            np.testing.assert_array_equal(scaling, expected)
    # A step without progress leaves the memory too.
    _, _, after, _ = scripted_step(
        lm(scaling="more", max_attempts=1), Scripted(11.0, diagonal=(99, 99)), state
    )
    assert after is state


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
    kept, state, info = lm(initial=1e-6, max_attempts=6).step(problem, params, START)
    assert kept is params
    assert (info.accepted, info.invalid_attempts, info.status) == (False, 6, Status.NO_PROGRESS)
    assert state == START
    assert np.isnan(info.gain_ratio)


def test_an_exact_fit_has_no_step(make_formula, make_problem):
    # Sixty-fourths are added without rounding.
    x = np.round(64 * X) / 64
    problem = make_problem(make_formula("a*x + b*y", a=1, b=2), x, x @ [[1.0], [2.0]])
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
    update=st.sampled_from(["factor", "nielsen", "delayed-gratification", "trust-region"]),
    scaling=st.sampled_from(["identity", "marquardt", "more"]),
    acceptance=st.sampled_from(["decrease", "gain-ratio"]),
)
def test_the_loss_never_rises(expression, start, seed, update, scaling, acceptance, request):  # noqa: PLR0917
    make_formula, make_problem = (request.getfixturevalue(name) for name in ("make_formula", "make_problem"))
    rng = np.random.default_rng(seed)
    rows = rng.uniform(-1, 1, size=(6, 2)), rng.normal(size=(6, 1))
    problem = make_problem(make_formula(expression, a=start[0], b=start[1]), *rows)
    params, optimizer = params_of(problem), lm(update, acceptance, scaling=scaling)
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
