"""Formulas in NumPy: derivatives against complex steps and TensorFlow, residuals in extended precision."""

import math

import numpy as np
import pytest
import tensorflow as tf

from lmrun.config.expression import parse_expression
from lmrun.curvature.batch import for_kernels, make_rows
from lmrun.curvature.host.formula import EXTENDED_ROWS, FormulaKernels, formula_kernels
from lmrun.curvature.host.jets import SIMPLE, Jet, along, call, variables
from lmrun.curvature.kernels import Kernels
from lmrun.datasets.base import Split
from lmrun.losses.crossentropy import BinaryCrossentropy
from lmrun.losses.elementwise import Huber, MeanSquaredError
from lmrun.models.interpret import interpret

X = np.array([0.05, 0.2, 0.5, 0.9])
A, B = 0.7, 1.3
ARGUMENTS = dict.fromkeys(SIMPLE, "a*x") | {"arccosh": "1 + a*x"}
EXPRESSIONS = [
    *(f"{name}({argument})" for name, argument in ARGUMENTS.items()),
    *("a + b*x", "a - b*x", "x - a*b", "2*a/b", "x/(a*b)", "(a*x)**b", "x**(a*b)", "a**3*b**4", "(a*x)**-2"),
    *("2**(a*x)", "(a*b)**2.5", "-a*b**x", "arctan2(a*x, b)", "arctan2(x, a*b)", "arctan2(a, x)"),
    "b*exp(-a*x)*cos(2*pi*b*x) + a/(1 + exp(b - x*a))",
]


def value(expression, x, a, b):
    values = interpret(parse_expression(expression), {"x": x, "a": a, "b": b}, call)
    return np.broadcast_to(values, x.shape)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_jets_hold_the_derivatives(expression):
    """First ones against central differences, the second along (1, -2) against those of the first."""
    tree = parse_expression(expression)

    def jet(made):
        found = interpret(tree, {"x": X, "a": made[0], "b": made[1]}, call)
        assert isinstance(found, Jet)
        return found

    def gradient(a, b):
        first = jet(variables(np.array([a, b]))).first
        return np.stack([np.broadcast_to(first.get(key, 0.0), X.shape) for key in (0, 1)])

    h = 1e-6
    found = np.broadcast_to(jet(variables(np.array([A, B]))).value, X.shape)
    np.testing.assert_allclose(found, value(expression, X, A, B), rtol=1e-15)
    differences = [
        (value(expression, X, A + h, B) - value(expression, X, A - h, B)) / (2 * h),
        (value(expression, X, A, B + h) - value(expression, X, A, B - h)) / (2 * h),
    ]
    np.testing.assert_allclose(gradient(A, B), differences, rtol=2e-8, atol=1e-9)
    turned = jet(along(np.array([A, B]), np.array([1.0, -2.0])))
    slope = np.array([1.0, -2.0]) @ gradient(A, B)
    bend = np.array([1.0, -2.0]) @ (gradient(A + h, B - 2 * h) - gradient(A - h, B + 2 * h)) / (2 * h)
    np.testing.assert_allclose(np.broadcast_to(turned.first[0], X.shape), slope, rtol=1e-13)
    np.testing.assert_allclose(np.broadcast_to(turned.second, X.shape), bend, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("constant", [1e-200, 1e200, 0.0])
def test_quotients_by_a_constant(constant):
    """Its square may under- or overflow; by 0 they are infinite, as those of arrays, and no error."""
    a, b = along(np.array([2.0, 3.0]), np.array([1.0, -2.0]))
    with np.errstate(all="ignore"):
        quotient = a * b * X / constant
        inverse = np.divide(1.0, constant)
    np.testing.assert_allclose(quotient.value, 6 * X * inverse, rtol=1e-15)
    np.testing.assert_allclose(quotient.first[0], (3 - 4) * X * inverse, rtol=1e-15)
    np.testing.assert_allclose(quotient.second, -4 * X * inverse, rtol=1e-15)


def test_powers_of_a_base_that_is_not_positive():
    """As in TensorFlow: the derivative by the exponent counts as zero there."""
    (a,) = variables(np.array([2.0]))
    made = np.array([-2.0, 0.0, 1.5]) ** a
    np.testing.assert_allclose(made.value, [4, 0, 2.25])
    np.testing.assert_allclose(made.first[0], [0, 0, 1.5**2 * np.log(1.5)], rtol=1e-14)


@pytest.fixture(scope="module", params=[MeanSquaredError(), Huber(delta=0.5)], ids=lambda loss: loss.name)
def pair(request, make_formula):
    """The kernels in NumPy, those of TensorFlow, and rows of unequal weights."""
    network = make_formula("b*exp(-a*x) + y*a", a=A, b=B)
    rng = np.random.default_rng(3)
    split = Split(rng.uniform(size=(7, 2)), rng.normal(size=(7, 1)), rng.uniform(size=7))
    kernels = formula_kernels(network, request.param)
    assert isinstance(kernels, FormulaKernels)
    return kernels, Kernels(network, request.param), for_kernels(make_rows(split, "float64"))


def test_kernels_are_those_of_tensorflow(pair):
    kernels, reference, rows = pair
    params, direction = tf.constant([A, B], tf.float64), tf.constant([0.3, -0.4], tf.float64)
    for made, expected in (
        (kernels.value(params, *rows), reference.plain_value(params, *rows)),
        (kernels.value_and_gradient(params, *rows)[1], reference.plain_value_and_gradient(params, *rows)[1]),
        (
            kernels.jacobian_and_residual(params, *rows)[0],
            reference.plain_jacobian_and_residual(params, *rows)[0],
        ),
        (
            kernels.gradient_and_hessian(params, *rows)[0],
            reference.plain_gradient_and_hessian(params, *rows)[0],
        ),
        (
            kernels.gradient_and_hessian(params, *rows)[1],
            reference.plain_gradient_and_hessian(params, *rows)[1],
        ),
        (kernels.outputs(params, rows.inputs), reference.plain_outputs(params, rows.inputs)),
        (kernels.bend(params, direction, *rows), reference.plain_bend(params, direction, *rows)),
        (
            kernels.bent_residual(params, direction, *rows),
            reference.plain_bent_residual(params, direction, *rows),
        ),
    ):
        np.testing.assert_allclose(made, expected, rtol=1e-12, atol=1e-13)


def test_float32_stays_float32(make_formula):
    from lmrun.config.models import FormulaConfig
    from lmrun.models.formula import build_formula

    config = FormulaConfig.model_validate({"name": "formula", "expression": "a*x", "parameters": {"a": 2.0}})
    kernels = formula_kernels(build_formula(config, ("x",), dtype="float32"), MeanSquaredError())
    ones = np.ones((1, 3), np.float32)
    linear = kernels.jacobian_and_residual(np.array([2], np.float32), ones, ones.T, ones[0])
    assert linear.rows.dtype == np.float32
    np.testing.assert_array_equal(linear.rows, [[1, 1, 1], [1, 1, 1]])


def test_other_losses_and_models_are_compiled(make_formula, make_mlp):
    assert formula_kernels(make_formula("a*x + y", a=1.0), BinaryCrossentropy()) is None
    assert formula_kernels(make_mlp(2, [3]), MeanSquaredError()) is None


@pytest.mark.skipif(np.finfo(np.longdouble).nmant <= 52, reason="float64 is all that the processor has")
@pytest.mark.parametrize("rows", [3, EXTENDED_ROWS + 1])
def test_residuals_are_rounded_once(rows, make_formula):
    """exp(x) less its float64 neighbour: what is left is known to 50 bits, or to none beyond the limit."""
    kernels = formula_kernels(make_formula("a*exp(x)", columns=("x",), a=1.0), MeanSquaredError())
    inputs = np.full((1, rows), 1.0)
    errors = kernels.errors(np.array([1.0]), inputs, np.full((rows, 1), math.e))
    # e = 2.718281828459045 09079559...  is this much above its float64.
    expected = 1.4456468917292502e-16 if rows <= EXTENDED_ROWS else 0.0
    np.testing.assert_allclose(errors, expected, rtol=2e-3, atol=0)
