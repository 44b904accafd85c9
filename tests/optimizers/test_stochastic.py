"""Levenberg-Marquardt with learning rate, momentum, memory, averages, sampled rows and subsets."""

from itertools import pairwise, product

import numpy as np
import pytest
import tensorflow as tf
from curve import CURVE, Scripted, X, by_hand, params_of, scripted_step

from lmrun.config.fields import names
from lmrun.config.optimizers import LmConfig
from lmrun.config.stochastic import AveragingConfig, Decay, SubsetConfig
from lmrun.curvature.forms import FORMS
from lmrun.errors import ConfigError
from lmrun.linalg.algebra import WHOLE
from lmrun.linalg.device import DeviceAlgebra
from lmrun.linalg.host import HostAlgebra
from lmrun.linalg.truncation import Truncation
from lmrun.optimizers.averaging import AVERAGINGS, Exponential, Polynomial
from lmrun.optimizers.lm import levenberg_marquardt
from lmrun.optimizers.memory import WARM_UP
from lmrun.optimizers.pace import DECAYS
from lmrun.optimizers.subset import SUBSETS
from lmrun.status import Status

EXACT = Truncation(tolerance=1e-13, progress=0)
DAMPING = {"update": "factor", "initial": 0.7}


def lm(**settings):
    return levenberg_marquardt(LmConfig.model_validate({"name": "lm", "damping": DAMPING, **settings}))


@pytest.fixture
def curve(make_formula, make_problem):
    return make_problem(make_formula("(a - x)**2 + b*(y - x**2)**2", a=5, b=5), X, CURVE)


def steps(optimizer, problem, count):
    """The parameters after each step, the last state and the infos."""
    params = params_of(problem)
    points, infos, state = [params], [], optimizer.init(problem, params)
    for step in range(count):
        problem.step, problem.progress = step, step / count
        params, state, info = optimizer.step(problem, params, state)
        points.append(params)
        infos.append(info)
    return [point.numpy() for point in points], state, infos


def solved(params, damping):
    gram, gradient = by_hand(params)
    return np.linalg.solve(gram + damping * np.eye(2), -gradient)


def test_registries_and_schema_agree():
    assert set(AVERAGINGS) == set(names(AveragingConfig))
    assert set(SUBSETS) == set(names(SubsetConfig))
    assert set(DECAYS) == set(Decay.__args__)


def test_decays_begin_with_all_and_end_with_nothing():
    for name in ("linear", "cosine"):
        assert (DECAYS[name](0.0), DECAYS[name](0.5), DECAYS[name](1.0)) == pytest.approx((1, 0.5, 0))
        assert np.all(np.diff([DECAYS[name](t) for t in np.linspace(0, 1, 20)]) < 0)
    assert DECAYS["none"](0.9) == 1


@pytest.mark.parametrize("decay", DECAYS)
def test_the_learning_rate_scales_the_step_that_is_tried(decay, curve):
    points, _, infos = steps(lm(learning_rate=0.4, learning_rate_decay=decay), curve, 3)
    for index, info in enumerate(infos):
        before, after = points[index : index + 2]
        rate = 0.4 * DECAYS[decay](index / 3)
        move = rate * solved(before, info.damping)
        np.testing.assert_allclose(after, before + move, rtol=1e-11)
        assert info.step_norm == pytest.approx(np.linalg.norm(move), rel=1e-9)
        assert info.losses[0] == curve._loss(tf.constant(after))
        gram, gradient = by_hand(before)
        predicted = -(gradient @ move) - 0.5 * move @ gram @ move
        fallen = curve.cost_per_loss * (info.loss_before - info.losses[0])
        assert info.gain_ratio == pytest.approx(fallen / predicted, rel=1e-8)


def test_momentum_adds_a_share_of_the_last_move(curve):
    points, state, infos = steps(lm(learning_rate=0.5, momentum=0.3), curve, 3)
    for index in (1, 2):
        earlier, before, after = points[index - 1 : index + 2]
        move = 0.5 * solved(before, infos[index].damping) + 0.3 * (before - earlier)
        np.testing.assert_allclose(after, before + move, rtol=1e-10)
        assert infos[index].attempts == 1
    np.testing.assert_array_equal(state["move"], points[3] - points[2])


def test_a_rejected_trial_goes_on_without_momentum_at_the_same_damping():
    optimizer = lm(momentum=0.5, damping={"update": "factor", "initial": 1.0})
    move = np.array([0.25, -4.0])
    state = {**optimizer.init(None, None), "value": 1.0, "growth": 10.0, "move": move}
    problem = Scripted(11.0, 12.0, 9.0)
    params, moved, after, info = scripted_step(optimizer, problem, state)
    assert problem.dampings == [1.0, 1.0, 10.0]
    np.testing.assert_array_equal(problem.motions[0].drift, 0.5 * move)
    assert problem.motions[1:] == [WHOLE, WHOLE]
    assert (info.attempts, info.accepted) == (3, True)
    assert moved is not params
    # Even a damping that never changes has a second trial then.
    constant = lm(momentum=0.5, damping={"update": "constant", "value": 2.0})
    state = {**constant.init(None, None), "value": 2.0, "growth": 1.0, "move": move}
    problem = Scripted(11.0, 11.0)
    params, moved, after, info = scripted_step(constant, problem, state)
    assert moved is params
    assert after is state
    assert (problem.dampings, info.attempts) == ([2.0, 2.0], 2)


def test_a_drift_that_the_model_warns_of_is_not_taken():
    """A loss that falls where the quadratic model rises has no gain ratio that the damping could follow."""

    class Uphill(Scripted):
        def damped_trial(self, *args, motion=None, **settings):
            trial = super().damped_trial(*args, motion=motion, **settings)
            if motion.drift is not None:
                object.__setattr__(trial.scalars, "predicted_reduction", -1.0)
            return trial

    optimizer = lm(momentum=0.5)
    state = {**optimizer.init(None, None), "value": 1.0, "growth": 10.0, "move": np.ones(2)}
    _, _, _, info = scripted_step(optimizer, Uphill(9.0, 9.5), state)
    assert (info.attempts, info.losses[0]) == (2, 9.5)


@pytest.mark.parametrize(
    ("averaging", "weights"),
    [
        ({"name": "polynomial", "power": 0}, [1, 1, 1, 1]),
        ({"name": "polynomial", "power": 1}, [1, 2, 3, 4]),
        ({"name": "polynomial", "power": 2}, [1, 3, 6, 10]),
        # The plain mean until its share falls below 1 - decay.
        ({"name": "exponential", "decay": 0.6}, [0.6**2, 0.6**2, 0.6 * 0.4 * 2, 0.4 * 2]),
    ],
)
def test_averages(averaging, weights, curve):
    points, state, _ = steps(lm(learning_rate=0.5, averaging=averaging), curve, 4)
    np.testing.assert_allclose(state["average"], np.average(points[1:], axis=0, weights=weights), rtol=1e-13)
    plain, _, _ = steps(lm(learning_rate=0.5), curve, 4)
    np.testing.assert_array_equal(points, plain)


def test_the_first_share_is_the_whole():
    for averaging in (Polynomial(0.0), Polynomial(15.0), Exponential(0.99)):
        assert averaging.share(1) == 1
        shares = [averaging.share(count) for count in range(1, 50)]
        assert np.all(np.diff(shares) < 0)


def test_memory_mixes_the_matrices_of_batches(make_formula, make_problem):
    """The second batch has twice the rows: K counts per weight."""
    network = make_formula("(a - x)**2 + b*(y - x**2)**2", a=5, b=5)
    first = make_problem(network, X[:3], CURVE[:3])
    second = make_problem(network, X[3:], CURVE[3:])
    optimizer, params = lm(memory=0.05), params_of(first)

    def gram(rows, point):
        (a, b), (x, y) = point, X[rows].T
        J = np.column_stack([2 * (a - x), (y - x**2) ** 2])
        r = (a - x) ** 2 + b * (y - x**2) ** 2 - CURVE[rows, 0]
        return J.T @ J, J.T @ r

    begin, (before, _) = params.numpy(), gram(slice(0, 3), params.numpy())
    params, state, info = optimizer.step(first, params, optimizer.init(first, params))
    assert info.accepted
    matrix, gradient = gram(slice(3, 9), params.numpy())
    share = min(0.05, 1 / (1 + WARM_UP))
    mixed = (1 - share) * matrix + share * 2 * before
    moved, after, info = optimizer.step(second, params, state)
    step = np.linalg.solve(mixed + info.damping * np.eye(2), -gradient)
    np.testing.assert_allclose(moved.numpy(), params.numpy() + step, rtol=1e-11)
    np.testing.assert_allclose(np.tril(after["kept"]), np.tril(mixed), rtol=1e-12)
    assert (after["kept_weight"], after["kept_batches"]) == (6.0, 2.0)
    assert not np.array_equal(begin, params.numpy())


def test_the_layers_have_their_turns(make_mlp, make_problem):
    problem = make_problem(make_mlp(2, [3, 2]), X, CURVE)
    points, _, infos = steps(lm(subset="layer"), problem, 6)
    # 2 to 3 to 2 to 1 units, each with biases.
    ranges = [range(9), range(9, 17), range(17, 20)]
    for index, (before, after) in enumerate(pairwise(points)):
        assert list(np.flatnonzero(before != after)) == list(ranges[index % 3])
        assert infos[index].turns == 3
        assert infos[index].params_norm is None
        problem.step = index
        whole = problem.linearize(tf.constant(before)).gradient_norm
        assert infos[index].gradient_norm == pytest.approx(whole, rel=1e-10)


def test_random_parts_are_drawn_anew(make_mlp, make_problem):
    problem = make_problem(make_mlp(2, [3, 2]), X, CURVE)
    optimizer = lm(subset={"by": "random", "fraction": 0.3})
    points, _, infos = steps(optimizer, problem, 40)
    moved = np.array(points[:-1]) != np.array(points[1:])
    # Near a minimum an element may stay within its rounding.
    assert [int(changes.sum()) for changes in moved[:5]] == [6] * 5
    assert np.all(moved.sum(axis=1) <= 6)
    assert np.all(moved.any(axis=0))
    assert infos[0].turns == 4
    np.testing.assert_array_equal(steps(optimizer, problem, 3)[0], points[:4])


def test_a_number_of_parameters_and_layers_in_any_order(make_mlp, make_problem):
    problem = make_problem(make_mlp(2, [3, 2]), X, CURVE)
    points, _, infos = steps(lm(subset={"by": "random", "count": 4}), problem, 3)
    assert [int(np.sum(before != after)) for before, after in pairwise(points)] == [4] * 3
    assert infos[0].turns == 5
    points, _, infos = steps(lm(subset={"by": "layer", "order": "random"}), problem, 12)
    ranges = [set(range(9)), set(range(9, 17)), set(range(17, 20))]
    moved = [set(np.flatnonzero(one != other)) for one, other in pairwise(points)]
    # A layer that has just been fitted may not move at all.
    drawn = {step: next(n for n in range(3) if part <= ranges[n]) for step, part in enumerate(moved) if part}
    assert set(drawn.values()) == {0, 1, 2}
    assert any(layer != step % 3 for step, layer in drawn.items())
    with pytest.raises(
        ConfigError, match=r"subset\.count: should be at most the number of parameters, 20, not 99"
    ):
        steps(lm(subset={"by": "random", "count": 99}), problem, 1)


def test_more_remembers_all_parameters(make_mlp, make_problem):
    problem = make_problem(make_mlp(2, [3]), X, CURVE)
    optimizer = lm(subset="layer", damping={"update": "factor", "initial": 1.0, "scaling": "more"})
    points, state, _ = steps(optimizer, problem, 2)
    diagonals = [problem.linearize(tf.constant(point)).curvature.diagonal for point in points[:2]]
    expected = np.concatenate([diagonals[0][:9], diagonals[1][9:]])
    np.testing.assert_allclose(state["scaling"], np.maximum(expected, 1e-6), rtol=1e-11)


FEATURES = {
    "learning rate": {"learning_rate": 0.5, "learning_rate_decay": "cosine"},
    "momentum": {"momentum": 0.4},
    "memory": {"memory": 0.5},
    "averaging": {"averaging": "polynomial"},
    "rows": {"rows": 0.6},
    "by layer": {"subset": "layer"},
    "random": {"subset": {"by": "random", "fraction": 0.4}},
    "momentum by layer": {"momentum": 0.4, "subset": "layer"},
    "momentum of random": {"momentum": 0.4, "learning_rate": 0.6, "subset": "random", "rows": 0.6},
    "all with memory": {
        "learning_rate": 0.7,
        "momentum": 0.3,
        "memory": 0.5,
        "averaging": "exponential",
        "rows": 0.6,
    },
}


@pytest.mark.parametrize("acceleration", ["none", "geodesic"])
@pytest.mark.parametrize("feature", FEATURES)
def test_the_device_makes_the_steps_of_the_host(feature, acceleration, make_mlp, make_problem):
    network = make_mlp(2, [3])
    optimizer = lm(**FEATURES[feature], acceleration=acceleration)
    ends = []
    for algebra in (None, DeviceAlgebra("float64")):
        problem = make_problem(network, X, CURVE, algebra=algebra)
        points, state, infos = steps(optimizer, problem, 4)
        ends.append((points, [[info.losses[0], info.damping, info.attempts] for info in infos], state))
    (host, infos, state), (device, others, device_state) = ends
    np.testing.assert_allclose(device, host, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(others, infos, rtol=1e-9)
    for name, value in state.items():
        if value is not None:
            lower = np.tril if name == "kept" else np.asarray
            np.testing.assert_allclose(lower(device_state[name]), lower(value), rtol=1e-8, atol=1e-11)


UPDATES = ("factor", "nielsen", "delayed-gratification", "trust-region", "constant")
SCALINGS = ("identity", "marquardt", "more")
SETTINGS = {"constant": {"value": 1e-2}}


PAIRS = [
    (feature, update, SCALINGS[(i + j) % len(SCALINGS)])
    for (i, feature), (j, update) in product(enumerate(FEATURES), enumerate(UPDATES))
]
"""Every feature with every update and, as there are more updates than scalings, with every scaling."""


@pytest.mark.parametrize(("feature", "update", "scaling"), PAIRS)
def test_every_combination_runs_and_never_goes_uphill(feature, update, scaling, make_problem, make_formula):
    problem = make_problem(make_formula("100*a*exp(-b*x)", a=1.5, b=1), X, 200 * np.exp(-1.5 * X[:, :1]))
    damping = {"update": update, "scaling": scaling, **SETTINGS.get(update, {})}
    optimizer = lm(**FEATURES[feature], damping=damping, acceptance="gain-ratio")
    params = params_of(problem)
    state, losses = optimizer.init(problem, params), [problem.loss(params)]
    for step in range(8):
        problem.step, problem.progress = step, step / 8
        before, bits, old = params, params.numpy().tobytes(), dict(state)
        params, after, info = optimizer.step(problem, params, state)
        assert before.numpy().tobytes() == bits
        assert state == old or all(state[name] is old[name] for name in old)
        assert (params is before) == (after is state) == (not info.accepted)
        assert info.status is (None if info.accepted else Status.NO_PROGRESS)
        assert problem._loss(params) == pytest.approx(info.losses[0], rel=1e-13)
        state = after
        losses.append(info.losses[0])
    assert np.all(np.diff(losses) <= 0)
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("solver", ["cholesky", "qr", "cg"])
@pytest.mark.parametrize("feature", [name for name in FEATURES if "memory" not in name])
def test_every_solver_makes_the_same_steps(feature, solver, make_mlp, make_problem):
    network = make_mlp(2, [3])
    ends = []
    for form in ("gram", {"cholesky": "dual"}.get(solver, solver)):
        # Kernels in NumPy, unless products are taken.
        algebra = HostAlgebra("float64", EXACT) if form == "cg" else None
        problem = make_problem(network, X, CURVE, algebra=algebra)
        problem.form = FORMS[form](problem.kernels, problem.algebra)
        ends.append(steps(lm(**FEATURES[feature], acceleration="geodesic"), problem, 3)[0])
    np.testing.assert_allclose(ends[1], ends[0], rtol=1e-8, atol=1e-9)
