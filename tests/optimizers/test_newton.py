"""Newton's method with the modified Hessian and the line search: it descends, or says that it cannot."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import assume, given
from hypothesis import strategies as st

from lmrun.config.optimizers import NewtonConfig
from lmrun.curvature.trial import Trial
from lmrun.linalg.algebra import INVALID, StepScalars
from lmrun.linalg.device import DeviceAlgebra
from lmrun.linalg.host import HostAlgebra
from lmrun.optimizers.newton import newton
from lmrun.status import Status

X = np.random.default_rng(6).uniform(-1, 1, size=(9, 2))


def build(**settings):
    return newton(NewtonConfig.model_validate({"name": "newton", **settings}))


def params_of(problem):
    return tf.constant(problem.kernels.network.params())


class Scripted:
    """A problem whose trials are written down: each a loss, or None for a matrix that is not factored."""

    cost_per_loss = 2.0
    algebra = HostAlgebra("float64")

    def __init__(self, *losses, gradient=1.0, step_norm=1.0, slope=-8.0):
        self.losses, self.lengths, self.step_norm, self.slope = list(losses), [], step_norm, slope
        self.gradient_norm = gradient

    def loss(self, params):
        return 10.0

    def second_order(self, params, *, modified=False):
        return self

    def newton_trial(self, params, model, length):
        self.lengths.append(length)
        loss = self.losses.pop(0)
        if loss is None:
            return Trial(object(), np.nan, INVALID)
        predicted = -length * (1 - length / 2) * self.slope * self.cost_per_loss
        return Trial(object(), loss, StepScalars(True, predicted, length * self.step_norm, 1.0))

    def accept(self, trial):
        return trial.params


@pytest.fixture
def take(monkeypatch):
    """Return a function that makes one step of a scripted problem."""
    from lmrun.optimizers import newton as module

    monkeypatch.setitem(module.MATRICES, "modified", lambda problem, params: problem)

    def take(problem, **settings):
        params = tf.constant([1.0, 2.0], tf.float64)
        moved, state, info = build(**settings).step(problem, params, {})
        assert state == {}
        return params, moved, info

    return take


def test_the_whole_step_is_tried_first(take):
    problem = Scripted(6.0)
    params, moved, info = take(problem)
    assert problem.lengths == [1.0]
    assert moved is not params
    # The quadratic model promises 4, and so much is gained.
    assert (info.gain_ratio, info.attempts, info.accepted, info.status) == (1.0, 1, True, None)


def test_a_step_is_shortened_until_it_gains_a_share_of_its_slope(take):
    problem = Scripted(11.0, np.nan, 10.0, 9.95, 9.9)
    params, moved, info = take(problem, line_search={"name": "backtracking", "decrease": 0.2})
    # At 1/8 and 1/16 the slope promises 1 and 0.5, a fifth of which is 0.2 and 0.1.
    assert problem.lengths == [1.0, 0.5, 0.25, 0.125, 0.0625]
    assert moved is not params
    assert (info.attempts, info.invalid_attempts, info.accepted, info.losses[0]) == (5, 1, True, 9.9)


def test_exhausted_lengths_leave_the_parameters(take):
    problem = Scripted(11.0, 10.0, 10.0)
    params, moved, info = take(problem, line_search={"name": "backtracking", "max_attempts": 3})
    assert moved is params
    assert (info.attempts, info.accepted, info.status) == (3, False, Status.NO_PROGRESS)
    assert list(info.losses) == [10.0]


def test_a_step_lost_in_the_rounding_ends_the_search(take):
    problem = Scripted(10.0, 9.0, step_norm=1e-18)
    params, moved, info = take(problem)
    assert moved is params
    assert (info.attempts, info.status) == (1, Status.NO_PROGRESS)


@pytest.mark.parametrize(("gradient", "status"), [(1.0, Status.SINGULAR), (np.nan, Status.NON_FINITE)])
def test_without_a_direction_there_is_no_search(gradient, status, take):
    params, moved, info = take(Scripted(None, gradient=gradient))
    assert moved is params
    assert (info.attempts, info.invalid_attempts, info.status) == (1, 1, status)


def test_from_a_maximum_it_goes_down(make_formula, make_problem):
    """cos(a) x: at a = 0.1 the Hessian of the squares of a target beyond is negative, and Newton climbs."""
    problem = make_problem(make_formula("cos(a)*x", a=0.1), X, -X[:, :1])
    params = params_of(problem)
    exact = build(hessian="exact", line_search="none")
    climbed, _, info = exact.step(problem, params, {})
    assert info.losses[0] > problem.loss(params)
    assert abs(climbed.numpy()[0]) < 0.1
    losses, optimizer = [problem.loss(params)], build()
    for _ in range(20):
        params, _, info = optimizer.step(problem, params, {})
        losses.append(info.losses[0])
        if losses[-1] < 1e-20:
            break
    assert np.all(np.diff(losses) < 0)
    assert np.cos(params.numpy()[0]) == pytest.approx(-1)


def test_where_the_hessian_is_positive_definite_the_step_is_newtons(make_formula, make_problem):
    problem = make_problem(make_formula("(a - x)**2 + b*y", a=2, b=1), X, np.full((9, 1), 5.0))
    ends = [
        optimizer.step(problem, params_of(problem), {})[0].numpy()
        for optimizer in (build(), build(hessian="exact", line_search="none"))
    ]
    np.testing.assert_allclose(*ends, rtol=1e-13)


def test_the_device_makes_the_steps_of_the_host(make_mlp, make_problem):
    targets, ends = np.sin(3 * X[:, :1]), []
    network = make_mlp(2, [3])
    for algebra in (HostAlgebra("float64"), DeviceAlgebra("float64")):
        problem = make_problem(network, X, targets, algebra=algebra)
        params, infos = params_of(problem), []
        for _ in range(5):
            params, _, info = build().step(problem, params, {})
            assert info.accepted
            infos.append([info.losses[0], info.gain_ratio, info.step_norm, info.attempts])
        ends.append((params.numpy(), infos))
    np.testing.assert_allclose(ends[1][0], ends[0][0], rtol=1e-9)
    np.testing.assert_allclose(ends[1][1], ends[0][1], rtol=1e-9)


EXPRESSIONS = ["a*exp(b*x) - y", "sin(a*x + b) + a", "log(a*a + x*x) + b", "a**3 + b*x", "1/(a + x) + b"]


@given(
    expression=st.sampled_from(EXPRESSIONS),
    start=st.tuples(st.floats(-3, 3), st.floats(-3, 3)),
    seed=st.integers(0, 1000),
)
def test_the_loss_never_rises(expression, start, seed, request):
    make_formula, make_problem = (request.getfixturevalue(name) for name in ("make_formula", "make_problem"))
    rng = np.random.default_rng(seed)
    rows = rng.uniform(-1, 1, size=(6, 2)), rng.normal(size=(6, 1))
    problem = make_problem(make_formula(expression, a=start[0], b=start[1]), *rows)
    params, optimizer = params_of(problem), build()
    assume(np.isfinite(problem.loss(params)))
    losses = [problem.loss(params)]
    for _ in range(4):
        before = params
        params, _, info = optimizer.step(problem, params, {})
        losses.append(info.losses[0])
        assert (params is before) == (info.status is not None) == (not info.accepted)
        assert problem._loss(params) == losses[-1]
        if info.status:
            break
    assert np.all(np.isfinite(losses))
    assert np.all(np.diff(losses) <= 0)
