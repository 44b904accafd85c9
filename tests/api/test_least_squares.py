"""`lmrun.least_squares` beside SciPy's, its kinds of residuals and parameters, and what it refuses."""

import copy
import pickle
import subprocess
import sys
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import Bounds, curve_fit, least_squares

import lmrun
from lmrun.api.residual_params import params_of
from lmrun.api.residual_tensors import TensorFunction
from lmrun.errors import ConfigError, DataError
from lmrun.status import Status

TIGHT = {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15}
T = np.linspace(0, 2, 9)
Y = np.exp(-0.8 * T) + 0.3 + 0.01 * np.cos(37 * T)
T_WAVE = np.linspace(0, 10, 60)
Y_WAVE = 2.5 * np.exp(-0.4 * T_WAVE) * np.cos(2 * T_WAVE) + 0.05 * np.sin(50 * T_WAVE)
Y_OUTLIERS = Y_WAVE + np.where(np.arange(60) % 7 == 0, 2 * np.cos(9 * T_WAVE), 0)


def decay(x):
    return x[0] * np.exp(-x[1] * T) + x[2] - Y


def decay_jacobian(x):
    e = np.exp(-x[1] * T)
    return np.stack([e, -x[0] * T * e, np.ones_like(T)], axis=1)


def decay_tensors(x):
    return x[0] * tf.exp(-x[1] * T) + x[2] - Y


def wave(x, y=Y_WAVE):
    return x[0] * np.exp(-x[1] * T_WAVE) * np.cos(x[2] * T_WAVE) - y


def rosenbrock(x):
    return np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]])


def brown_dennis(x):
    t = np.arange(1.0, 21) / 5
    return (x[0] + t * x[1] - np.exp(t)) ** 2 + (x[2] + x[3] * np.sin(t) - np.cos(t)) ** 2


PROBLEMS = {
    "decay": (decay, [2.0, 0.2, 0.0]),
    "wave": (wave, [1.0, 0.2, 1.9]),
    "rosenbrock": (rosenbrock, [-1.2, 1.0]),
    "brown-dennis": (brown_dennis, [25.0, 5.0, -5.0, -1.0]),
}


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("jac", ["2-point", "3-point", "cs"])
def test_as_scipy_to_eight_digits(name, jac):
    function, start = PROBLEMS[name]
    expected = least_squares(function, start, jac="cs", **TIGHT)
    result = lmrun.least_squares(function, start, jac)
    # Parameters are as exact as the root of epsilon where the loss alone ends SciPy's steps, and with large
    # residuals less.
    tolerance = 2e-5 if name == "brown-dennis" else 2e-6 if jac == "2-point" else 1e-7
    np.testing.assert_allclose(result.x, expected.x, rtol=tolerance)
    assert result.cost == pytest.approx(expected.cost, rel=1e-8, abs=1e-20)
    assert result.success


def test_the_solution_has_more_digits_than_the_loss():
    result = lmrun.least_squares(decay, [2.0, 0.2, 0.0], decay_jacobian)
    expected = result.x
    for _ in range(30):
        expected = expected - np.linalg.lstsq(decay_jacobian(expected), decay(expected))[0]
    np.testing.assert_allclose(result.x, expected, rtol=1e-12)
    assert result.status is Status.CONVERGED_DIGITS


@pytest.mark.parametrize("loss", ["huber", "soft_l1", "cauchy", "arctan"])
def test_robust_losses_as_scipy(loss):
    start, options = [1.0, 0.2, 1.9], {"loss": loss, "f_scale": 0.1, "args": (Y_OUTLIERS,)}
    expected = least_squares(wave, start, jac="cs", **options, **TIGHT)
    result = lmrun.least_squares(wave, start, **options)
    np.testing.assert_allclose(result.x, expected.x, rtol=1e-6)
    assert result.cost == pytest.approx(expected.cost, rel=1e-10)
    assert result.optimality <= max(expected.optimality, 1e-9)
    assert lmrun.least_squares(
        wave, start, loss={"name": loss, "delta" if loss == "huber" else "scale": 0.1}, args=(Y_OUTLIERS,)
    ).x == pytest.approx(result.x)


def test_a_loss_of_ones_own():
    def cauchy(z):
        return np.stack([np.log1p(z), 1 / (1 + z), -1 / (1 + z) ** 2])

    start, options = [1.0, 0.2, 1.9], {"f_scale": 0.1, "args": (Y_OUTLIERS,)}
    expected = lmrun.least_squares(wave, start, loss="cauchy", **options)
    np.testing.assert_allclose(lmrun.least_squares(wave, start, loss=cauchy, **options).x, expected.x)
    with pytest.raises(DataError, match=r"array \[3, 60\], not \[2, 60\]"):
        lmrun.least_squares(wave, start, loss=lambda z: cauchy(z)[:2], **options)


def test_bounds_as_scipy():
    start, low, high = [2.0, 1.5, 0.0], [-np.inf, 0.9, -np.inf], np.inf
    expected = least_squares(decay, start, jac="cs", bounds=(low, high), **TIGHT)
    for bounds in ((low, high), Bounds(low, high)):
        result = lmrun.least_squares(decay, start, bounds=bounds)
        np.testing.assert_allclose(result.x, expected.x, rtol=1e-8)
        assert result.x[1] == 0.9
        np.testing.assert_array_equal(result.active_mask, expected.active_mask)
        assert result.optimality < 1e-9 < np.max(np.abs(result.grad))


def test_bounds_in_the_structure_of_the_parameters():
    low, start = {"rate": 0.9, "height": 0.0, "floor": -1.0}, {"rate": 1.5, "height": 2.0, "floor": 0.0}
    result = lmrun.least_squares(
        lambda p: decay([p["height"], p["rate"], p["floor"]]), start, bounds=(low, np.inf)
    )
    assert result.params["rate"] == 0.9


def test_differences_stay_within_the_bounds():
    seen = []

    def root(x):
        seen.append(x.copy())
        return np.array([np.sqrt(x[0] - 1), np.sqrt(3 - x[1]), x[0] * x[1] - 3.3])

    result = lmrun.least_squares(root, [1.5, 3.0 - 1e-9], bounds=([1, -9], [9, 3]))
    points = np.array(seen)
    assert np.all(points >= [1, -9])
    assert np.all(points <= [9, 3])
    assert result.cost < 0.1


def test_what_the_result_says():
    rows = []
    result = lmrun.least_squares(decay, np.array([2.0, 0.2, 0.0]), decay_jacobian, callback=rows.append)
    r, J = decay(result.x), decay_jacobian(result.x)
    np.testing.assert_array_equal(result.params, result.x)
    np.testing.assert_allclose(result.fun, r, rtol=1e-14)
    np.testing.assert_allclose(result.jac, J, rtol=1e-14)
    np.testing.assert_allclose(result.grad, J.T @ r, atol=1e-15)
    assert result.cost == pytest.approx(0.5 * r @ r)
    assert result.loss == pytest.approx(r @ r / 9)
    assert [row["step"] for row in rows] == list(result.history["step"][1:])
    assert result.history["loss"][-1] == pytest.approx(result.loss)
    _, covariance = curve_fit(
        lambda t, a, b, c: a * np.exp(-b * t) + c, T, Y, [2.0, 0.2, 0.0], ftol=1e-14, xtol=1e-14
    )
    np.testing.assert_allclose(result.covariance, covariance, rtol=1e-5)
    np.testing.assert_allclose(result.standard_errors, np.sqrt(np.diag(covariance)), rtol=1e-5)
    assert result.answers().estimates[0].name == "params[0]"


def test_a_robust_loss_has_no_standard_errors():
    result = lmrun.least_squares(decay, [2.0, 0.2, 0.0], loss="huber")
    with pytest.raises(DataError, match="the loss is huber"):
        result.answers()


def test_limits():
    start = [-1.2, 1.0]
    few = lmrun.least_squares(rosenbrock, start, max_steps=2)
    assert (few.status, few.steps, few.success) == (Status.MAX_STEPS, 2, False)
    assert "training." not in few.message
    near = lmrun.least_squares(decay, [2.0, 0.2, 0.0], target_loss=1e-3)
    assert near.status is Status.TARGET_REACHED
    assert 1e-4 < near.loss <= 1e-3

    def stop(row):
        if row["step"] == 3:
            raise StopIteration

    assert lmrun.least_squares(rosenbrock, start, callback=stop).steps == 3
    solved = lmrun.least_squares(rosenbrock, [1.0, 1.0])
    assert (solved.steps, solved.status) == (0, Status.CONVERGED_GRADIENT)


def test_optimizers_and_their_options():
    expected = least_squares(decay, [0.9, 0.7, 0.3], **TIGHT).x
    for options in (
        {"optimizer": "gauss-newton", "step_tolerance": 1e-12},
        {"damping": {"update": "nielsen", "initial": np.float32(1e-3)}, "solver": "cholesky"},
        {"optimizer": {"name": "lm", "damping": {"update": "factor"}, "polishing": "none"}},
    ):
        result = lmrun.least_squares(decay, [0.9, 0.7, 0.3], **options)
        np.testing.assert_allclose(result.x, expected, rtol=1e-5)


@given(
    st.lists(st.floats(-3, 3), min_size=12, max_size=12),
    st.lists(st.floats(-5, 5), min_size=4, max_size=4),
    st.lists(st.floats(-2, 2), min_size=3, max_size=3),
)
def test_linear_residuals_are_solved_as_by_lstsq(matrix, right, start):
    A, b = np.reshape(matrix, (4, 3)) + np.eye(4, 3), np.array(right)
    least = np.linalg.lstsq(A, b)[0]
    result = lmrun.least_squares(lambda x: A @ x - b, start, lambda x: A)
    shortest = np.linalg.norm(A @ least - b)
    assert np.linalg.norm(result.fun) <= shortest * (1 + 1e-9) + 1e-9
    assert np.max(np.abs(result.grad)) <= 1e-7


# Tensors


def slope_along(tensors, direction, point):
    return tensors.jacobian(point) @ direction


def pulled(tensors, weights, point):
    return weights @ tensors.jacobian(point)


def test_derivatives_of_tensor_functions(central_differences):
    """Of a list of residuals that have a derivative by an input in them, by both modes."""
    x = tf.constant(np.linspace(-1, 1, 5))

    def residuals(p):
        with tf.GradientTape() as tape:
            tape.watch(x)
            u = p["a"] * tf.tanh(p["w"][0] * x + p["w"][1]) ** 3
        return [tape.gradient(u, x) - 1, p["a"] ** 2]

    for function, forward in ((residuals, True), (lambda p: residuals(p)[1], False)):
        params = params_of({"w": np.array([0.7, -0.2]), "a": 1.3})
        tensors, first = TensorFunction.begin(function, params)
        assert tensors.rows == len(first) == (6 if forward else 1)
        assert params.names == ("a", "w[0]", "w[1]")
        start, direction = params.start, np.array([0.3, -1.0, 0.5])
        np.testing.assert_allclose(tensors.values(start), first, rtol=1e-12)
        jacobian = tensors.jacobian(start)
        np.testing.assert_allclose(jacobian, central_differences(tensors.values, start), atol=1e-8)
        bent = central_differences(partial(slope_along, tensors, direction), start)
        np.testing.assert_allclose(tensors.bent(start, direction), bent @ direction, atol=1e-7)
        weights = np.arange(1.0, tensors.rows + 1)
        curved = central_differences(partial(pulled, tensors, weights), start)
        np.testing.assert_allclose(tensors.curved(start, weights), curved, atol=1e-7)


def test_tensors_in_any_structure():
    expected = lmrun.least_squares(decay, [2.0, 0.2, 0.0], decay_jacobian).x

    def named(p):
        return p["height"] * tf.exp(-p["rate"] * T) + p["floor"] - Y

    start = {"height": 2.0, "rate": 0.2, "floor": 0.0}
    result = lmrun.least_squares(named, start)
    assert result.names == ("floor", "height", "rate")
    np.testing.assert_allclose([result.params[k] for k in ("height", "rate", "floor")], expected, rtol=1e-11)
    # Only tensors are taken by the tape, and the kind of the function is found nevertheless.

    def taped(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            made = decay_tensors(x)
        return made + 0 * tf.reduce_sum(tape.gradient(made, x))

    # Straight steps: a second derivative along the step is one more function to compile.
    straight = {"acceleration": "none"}
    variable = lmrun.least_squares(decay_tensors, tf.Variable([2.0, 0.2, 0.0], dtype=tf.float64), **straight)
    for result in (variable, lmrun.least_squares(taped, [2.0, 0.2, 0.0], **straight)):
        np.testing.assert_allclose(result.x, expected, rtol=1e-11)


def test_a_physics_informed_network():
    """u' = -u, u(0) = 1, with the network's derivative by its input; fewer residuals than parameters too."""
    t = tf.constant(np.linspace(0, 1, 20)[:, None])
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((1,), dtype="float64"),
            keras.layers.Dense(4, activation="tanh", dtype="float64"),
            keras.layers.Dense(1, dtype="float64"),
        ]
    )

    def residuals(model):
        with tf.GradientTape() as tape:
            tape.watch(t)
            u = model(t)
        return [tape.gradient(u, t) + u, model(t[:1]) - 1]

    result = lmrun.least_squares(residuals, model, max_steps=100, target_loss=1e-11)
    assert result.loss < 1e-11
    np.testing.assert_allclose(model(t), np.exp(-t), atol=1e-5)
    np.testing.assert_array_equal(result.params[0], model.trainable_variables[0].numpy())
    assert result.names[0].endswith("kernel[0, 0]")


def test_single_precision_ends_where_its_digits_do():
    start = tf.constant([2.0, 0.2, 0.0])
    t, y = T.astype("float32"), Y.astype("float32")
    result = lmrun.least_squares(lambda x: x[0] * tf.exp(-x[1] * t) + x[2] - y, start)
    np.testing.assert_allclose(result.x, lmrun.least_squares(decay, [2.0, 0.2, 0.0]).x, rtol=1e-2)
    assert result.steps < 100


def test_operations_that_xla_does_not_know():
    def residuals(x):
        return x[0] * T * tf.strings.to_number("1", tf.float64) - Y

    result = lmrun.least_squares(residuals, [1.0], acceleration="none")
    np.testing.assert_allclose(result.x, T @ Y / (T @ T))


# What is refused

START = [2.0, 0.2, 0.0]


def test_no_second_start_of_the_package_is_heavy():
    code = "import sys, lmrun; lmrun.__dir__(); print(*{'numpy', 'tensorflow', 'keras'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
    with pytest.raises(AttributeError, match="no attribute 'least_square'"):
        _ = lmrun.least_square


def growing():
    lengths = iter(range(9, 99))
    return lambda x: np.ones(next(lengths)) * x[0]


@pytest.mark.parametrize(
    ("function", "start", "options", "error", "words"),
    [
        (growing(), START, {"jac": "2-point"}, DataError, "9 residuals for params0 and 10 later on"),
        (lambda x: np.log(-x), START, {}, DataError, "3 of the 3 residuals of params0 are not finite"),
        (tf.sqrt, [1.0, 0.0], {}, DataError, r"residual 1 by params\[.\] is not finite"),
        (lambda x: x * 1j, START, {}, DataError, "there is complex numbers in"),
        (lambda x: None, START, {}, DataError, "there is NoneType in"),
        (lambda x: [], START, {}, DataError, "empty list"),
        (decay, START, {"jac": lambda x: decay_jacobian(x).T}, DataError, r"should be \[9, 3\].*transposed"),
        (decay, START, {"jac": "4-point"}, ConfigError, "jac: unknown name '4-point'. Did you mean"),
        (decay, START, {"bounds": (1, 2)}, DataError, r"params\[1\] starts at 0.2, outside of its bounds"),
        (decay, START, {"bounds": ([0, 0], 9)}, DataError, "one for each of 3 parameters"),
        (decay, START, {"bounds": (1, 2, 3)}, DataError, "a pair"),
        (decay, START, {"loss": "hubr"}, ConfigError, "loss: unknown name 'hubr'. Did you mean 'huber'"),
        (decay, START, {"loss": "categorical_crossentropy"}, ConfigError, "residuals have mse, huber"),
        (decay, START, {"f_scale": 0.1}, ConfigError, "f_scale"),
        (
            decay,
            START,
            {"f_scale": 2.0, "loss": {"name": "cauchy", "scale": 1.0}},
            ConfigError,
            "loss's scale are",
        ),
        (
            decay,
            START,
            {"solver": "qr", "optimizer": {"name": "lm", "solver": "cholesky"}},
            ConfigError,
            "solver: is given by itself and in the optimizer",
        ),
        (
            decay,
            START,
            {"ftol": 1e-8, "methd": "lm"},
            ConfigError,
            r"ftol: a loss that stands .*\n.*argument 'methd'",
        ),
        (decay, START, {"optimizer": "adam"}, ConfigError, "lmrun.least_squares has"),
        (decay, START, {"optimizer": "newton"}, ConfigError, "needs second derivatives"),
        (decay, START, {"acceleration": "geodesic"}, ConfigError, "needs second derivatives"),
        (decay, START, {"solver": "cg"}, ConfigError, "solver: cg needs"),
        (decay, START, {"damping": {"updat": "nielsen"}}, ConfigError, r"optimizer.damping.updat: unknown"),
        (decay, START, {"max_steps": 0}, ConfigError, "^max_steps: should be"),
        (decay, START, {"optimizer": {"name": "lm", "rows": 0.5}}, ConfigError, "optimizer.rows"),
        (decay, [2.0, np.nan, 0.0], {}, DataError, r"params\[1\] is nan"),
        (decay, ["a"], {}, DataError, r"should be real numbers"),
        (decay, [], {}, DataError, "no parameters"),
        (decay, tf.constant(START), {"jac": "2-point"}, ConfigError, "differentiated exactly"),
        (lambda x: T, tf.constant(START), {}, DataError, "for tensors the function returned none"),
        (lambda x: tf.constant(T), tf.constant(START), {}, DataError, "no residual depends on any"),
        (lambda x: x + tf.random.uniform([3], dtype=tf.float64), START, {}, DataError, "random numbers"),
    ],
)
def test_what_is_refused(function, start, options, error, words):
    with pytest.raises(error, match=words):
        lmrun.least_squares(function, start, **options)


def test_errors_of_the_users_function_stay_as_they_are():
    def broken(x):
        raise ValueError("my own")

    with pytest.raises(ValueError, match="my own"):
        lmrun.least_squares(broken, START)


def test_a_result_is_numbers_that_can_be_sent():
    result = lmrun.least_squares(decay, START)
    sent = pickle.loads(pickle.dumps(result))
    np.testing.assert_array_equal(sent.standard_errors, result.standard_errors)
    np.testing.assert_array_equal(copy.deepcopy(result).jac, result.jac)
    assert sent.status is result.status
