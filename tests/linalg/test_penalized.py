"""J^T J with a price for the parameters, against the rows that it stands for, in float64."""

import numpy as np
import pytest
import scipy.linalg

from lmrun.linalg.algebra import Damping

FORMS = ("gram", "qr")
PLACES = ("host", "device")
RTOL = {"float32": 2e-4, "float64": 1e-10}
RNG = np.random.default_rng(4)
J, R, PARAMS = RNG.normal(size=(6, 9)), RNG.normal(size=6), RNG.normal(size=9)
"""Fewer rows than parameters: only the price makes J^T J regular."""
STRENGTH = 0.3
STACKED = np.vstack([J, np.sqrt(STRENGTH) * np.eye(9)])
BELOW = np.append(R, np.sqrt(STRENGTH) * PARAMS)

each_form = pytest.mark.parametrize("form", FORMS)
each_place = pytest.mark.parametrize("place", PLACES)


def penalized(made, strength=STRENGTH):
    return made.algebra.penalized(made.curvature, strength, made.take(PARAMS))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@each_form
@each_place
def test_it_is_that_of_the_rows_with_those_of_the_price_below(place, form, dtype, make_curvature):
    made = make_curvature(place, form, J, R, dtype=dtype)
    curvature, rtol = penalized(made), RTOL[dtype]
    np.testing.assert_allclose(curvature.gradient, STACKED.T @ BELOW, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(curvature.diagonal, np.sum(STACKED**2, axis=0), rtol=rtol)
    whole = scipy.linalg.lstsq(STACKED, -BELOW)[0]
    np.testing.assert_allclose(curvature.whole(), whole, rtol=10 * rtol, atol=rtol)
    vector = np.linspace(-1, 1, 9)
    squared = float(curvature.squared(made.take(vector)))
    assert squared == pytest.approx(np.sum((STACKED @ vector) ** 2), rel=rtol)
    D = np.linspace(0.5, 2, 9)
    damped = np.vstack([STACKED, np.diag(np.sqrt(0.1 * D))])
    expected = scipy.linalg.lstsq(damped, -np.append(BELOW, np.zeros(9)))[0]
    step = curvature.damped(Damping(0.1, made.take(D))).step
    np.testing.assert_allclose(step, expected, rtol=10 * rtol, atol=rtol)
    assert np.asarray(step).dtype == dtype
    # What was given stays as it was.
    np.testing.assert_allclose(made.curvature.gradient, J.T @ R, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(made.curvature.diagonal, np.sum(J**2, axis=0), rtol=rtol)


@each_form
@each_place
def test_a_gradient_that_is_not_that_of_the_residuals(place, form, make_curvature):
    gradient = np.linspace(1, 2, 9)
    curvature = penalized(make_curvature(place, form, J, 0 * R, gradient=gradient))
    expected = gradient + STRENGTH * PARAMS
    np.testing.assert_allclose(curvature.gradient, expected, rtol=1e-13)
    step = np.linalg.solve(STACKED.T @ STACKED + 0.1 * np.eye(9), -expected)
    ones = make_curvature(place, form, J, R).take(np.ones(9))
    np.testing.assert_allclose(curvature.damped(Damping(0.1, ones)).step, step, rtol=1e-10)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@each_form
@each_place
def test_eigenvalues(place, form, dtype, make_curvature):
    made = make_curvature(place, form, J, R, dtype=dtype)
    found = made.algebra.eigenvalues(made.curvature)
    assert isinstance(found, np.ndarray)
    assert found.dtype == np.float64
    np.testing.assert_allclose(
        found, np.linalg.eigvalsh(J.T @ J), rtol=RTOL[dtype], atol=100 * RTOL[dtype] ** 1.2
    )


@each_form
@each_place
def test_eigenvalues_of_what_is_not_finite(place, form, make_curvature):
    broken = J.copy()
    broken[2, 1] = np.nan
    made = make_curvature(place, form, broken, R)
    assert np.isnan(made.algebra.eigenvalues(made.curvature)).all()


@each_place
def test_qr_knows_small_eigenvalues(place, make_curvature):
    singular = np.array([1.0, 1e-3, 1e-11])
    orthogonal = [np.linalg.qr(RNG.normal(size=shape))[0] for shape in ((6, 3), (3, 3))]
    made = make_curvature(place, "qr", orthogonal[0] * singular @ orthogonal[1].T, R)
    np.testing.assert_allclose(made.algebra.eigenvalues(made.curvature)[::-1], singular**2, rtol=1e-3)


@each_place
def test_squares_are_summed_in_float64(place, make_curvature):
    made = make_curvature(place, "gram", J, R, dtype="float32")
    vector = np.array([1e4] + [1.0] * 100, np.float32)
    assert float(made.algebra.square(made.take(vector))) == 1e8 + 100
