"""Formulas against NumPy: every function and operator, their derivatives, and how they are saved."""

import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from lmrun.config.expression import ARITY, FUNCTIONS, parse_expression
from lmrun.models.formula import CALLS, Formula, evaluate

ANYWHERE = np.array([-2.5, -1.0, -0.3, 0.2, 1.0, 3.7])
POSITIVE = np.array([1e-8, 0.2, 1.0, 3.7, 1e5])
INSIDE = np.array([-0.99, -0.3, 0.0, 1e-9, 0.7])
ORACLES = {
    **{
        name: (getattr(np, name), ANYWHERE) for name in ("exp", "expm1", "abs", "sin", "cos", "tan", "arctan")
    },
    **{name: (getattr(np, name), ANYWHERE) for name in ("sinh", "cosh", "tanh", "arcsinh")},
    **{name: (getattr(np, name), POSITIVE) for name in ("log", "log1p", "log2", "log10", "sqrt")},
    **{name: (getattr(np, name), INSIDE) for name in ("arcsin", "arccos", "arctanh")},
    "arccosh": (np.arccosh, 1 + POSITIVE),
    "erf": (scipy.special.erf, ANYWHERE),
}
EXPRESSIONS = {
    "x + a": lambda x, a: x + a,
    "x - a - 1": lambda x, a: x - a - 1,
    "2*x/a": lambda x, a: 2 * x / a,
    "-x**2": lambda x, a: -(x**2),
    "(-x)**2": lambda x, a: x**2,
    "+x": lambda x, a: x,
    "2**x": lambda x, a: 2**x,
    "a**-2 * x": lambda x, a: a**-2 * x,
    "x**0": lambda x, a: np.ones_like(x),
    "x**1": lambda x, a: x,
    "x**3": lambda x, a: x**3,
    "x**4": lambda x, a: x**4,
    "x**5": lambda x, a: x**5,
    "abs(x)**a": lambda x, a: np.abs(x) ** a,
    "x**2**0.5": lambda x, a: np.abs(x) ** np.sqrt(2) * np.where(x < 0, np.nan, 1),
    "pi*x": lambda x, a: np.pi * x,
    "7": lambda x, a: np.full_like(x, 7),
    "a": np.full_like,
    "arctan2(x, a)": np.arctan2,
    "exp(-a*x)*cos(2*pi*x) + 1e-3": lambda x, a: np.exp(-a * x) * np.cos(2 * np.pi * x) + 1e-3,
    "1/0 + x": lambda x, a: np.full_like(x, np.inf),
    "(-8)**(1/3) + x": lambda x, a: np.full_like(x, np.nan),
    "10**400 - x": lambda x, a: np.full_like(x, np.inf),
    "0**-1 + x": lambda x, a: np.full_like(x, np.inf),
}


def value(expression, x, **parameters):
    tree = parse_expression(expression)
    named = {"x": tf.constant(x), **{name: tf.constant(v, tf.float64) for name, v in parameters.items()}}
    result = tf.convert_to_tensor(evaluate(tree, named, "float64"), tf.float64)
    return np.broadcast_to(result.numpy(), x.shape)


def test_every_function_of_the_grammar_is_there():
    assert set(CALLS) == set(FUNCTIONS.values()) == set(ARITY)
    assert set(ORACLES) == {name for name, arity in ARITY.items() if arity == 1}


@pytest.mark.parametrize("spelling", [name for name in FUNCTIONS if name not in ("arctan2", "atan2")])
def test_functions(spelling):
    oracle, x = ORACLES[FUNCTIONS[spelling]]
    np.testing.assert_allclose(value(f"{spelling}(x)", x), oracle(x), rtol=1e-14, atol=1e-300)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_operators(expression):
    expected = EXPRESSIONS[expression](ANYWHERE, 1.7)
    np.testing.assert_allclose(value(expression, ANYWHERE, a=1.7), expected, rtol=1e-14)


def test_compiled_functions_are_the_same(make_formula):
    """XLA has its own approximations; one formula holds all functions that are defined between 0 and 1."""
    names = [name for name in ORACLES if name != "arccosh"]
    x = np.array([0.05, 0.2, 0.5, 0.9])
    trees = [parse_expression(f"{name}(x)") for name in names]
    trees += [parse_expression(text) for text in ("(-x)**5", "x**a", "arccosh(1 + x)", "arctan2(x, -a)")]

    @tf.function(jit_compile=True, autograph=False)
    def all_values(x, a):
        return tf.stack([evaluate(tree, {"x": x, "a": a}, "float64") for tree in trees])

    expected = [ORACLES[name][0](x) for name in names]
    expected += [-(x**5), x**1.7, np.arccosh(1 + x), np.arctan2(x, -1.7)]
    values = all_values(tf.constant(x), tf.constant(1.7, tf.float64)).numpy()
    np.testing.assert_allclose(values, expected, rtol=1e-13)


def derivatives(expression, x, **parameters):
    """First derivatives to x and every parameter [rows, 1 + parameters], and the second derivative to x."""
    x = tf.constant(x, tf.float64)
    rows = {name: tf.fill(x.shape, tf.constant(v, tf.float64)) for name, v in parameters.items()}
    named = {"x": x, **rows}
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(list(named.values()))
            values = evaluate(parse_expression(expression), named, "float64")
            values = tf.broadcast_to(tf.convert_to_tensor(values, tf.float64), x.shape)
        first = inner.gradient(values, list(named.values()), unconnected_gradients="zero")
    second = outer.gradient(first[0], x, unconnected_gradients="zero")
    return np.stack([part.numpy() for part in first], axis=1), second.numpy()


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 4, 5, 7])
def test_whole_powers_have_finite_derivatives_at_zero_and_below(exponent):
    x = np.array([-2.0, 0.0, 1.5])
    first, second = derivatives(f"x**{exponent}", x)
    slope = exponent * x ** (exponent - 1) if exponent else 0 * x
    bend = exponent * (exponent - 1) * x ** (exponent - 2) if exponent > 1 else 0 * x
    np.testing.assert_allclose(first[:, 0], slope, rtol=1e-14)
    np.testing.assert_allclose(second, bend, rtol=1e-14)


def test_powers_of_a_parameter_have_finite_derivatives():
    x, b = np.array([-2.0, 0.0, 1.5]), 2.0
    first, _ = derivatives("x**b", x, b=b)
    # The derivative to the exponent exists for a positive base only; elsewhere it counts as zero.
    np.testing.assert_allclose(first[:, 0], b * x, rtol=1e-14)
    np.testing.assert_allclose(first[:, 1], [0, 0, 1.5**b * np.log(1.5)], rtol=1e-14)
    first, _ = derivatives("b**x", np.array([0.0, 2.0]), b=0.0)
    assert np.all(np.isfinite(first[:, 0]))


@pytest.mark.parametrize("name", ORACLES)
def test_derivatives_of_functions(name):
    oracle, _ = ORACLES[name]
    x = np.array([0.3, 0.6]) + (1 if name == "arccosh" else 0)
    first, _ = derivatives(f"{name}(x)", x)
    np.testing.assert_allclose(first[:, 0], (oracle(x + 1e-6) - oracle(x - 1e-6)) / 2e-6, rtol=1e-8)


@given(a=st.floats(-3, 3), b=st.floats(-3, 3))
def test_the_layer_evaluates_the_columns_and_parameters_by_name(a, b, make_formula):
    network = make_formula("b*y - a*x + a", columns=("y", "x"), a=a, b=b)
    columns = np.array([[1.0, 2.0], [-0.5, 4.0]])
    y, x = columns.T
    outputs = network.outputs(tf.constant(network.params()), tf.constant(columns)).numpy()
    np.testing.assert_allclose(outputs, (b * y - a * x + a)[:, None], rtol=1e-14, atol=1e-14)
    np.testing.assert_array_equal(network.params(), [a, b])


def test_a_constant_formula_predicts_every_row(make_formula):
    network = make_formula("a", a=2.5)
    outputs = network.outputs(tf.constant([4.0], tf.float64), tf.zeros((3, 2), tf.float64))
    np.testing.assert_array_equal(outputs.numpy(), np.full((3, 1), 4.0))


def test_float32_stays_float32():
    layer = Formula("a*x + 2*pi**2 + exp(1)", ["x"], {"a": 1.0}, dtype="float32")
    outputs = layer(tf.ones((2, 1), tf.float32))
    assert outputs.dtype == tf.float32
    assert layer.scalars[0].dtype == "float32"


def test_a_saved_formula_is_the_same_formula(make_formula, tmp_path, rng):
    network = make_formula("a*exp(-b*x) + y", a=1.5, b=0.25)
    network.assign(np.array([2.0, 0.125]))
    path = tmp_path / "formula.keras"
    network.model.save(path)
    loaded = keras.models.load_model(path)
    (layer,) = loaded.layers
    assert isinstance(layer, Formula)
    assert (layer.expression, layer.columns) == ("a*exp(-b*x) + y", ["x", "y"])
    assert layer.starts == {"a": 1.5, "b": 0.25}
    inputs = tf.constant(rng.normal(size=(5, 2)))
    np.testing.assert_array_equal(loaded(inputs).numpy(), network.model(inputs).numpy())
    assert loaded(inputs).dtype == tf.float64


def test_another_formula_has_the_same_names(make_formula):
    """TensorFlow keeps something for every name of a model: a program that fits often would grow."""
    names = [
        [model.name, model.inputs[0].name, *(variable.path for variable in model.variables)]
        for model in (make_formula("a*x", a=1).model for _ in range(2))
    ]
    assert names[0] == names[1]
