"""Every form of J^T J, on the host and on the device, against dense least squares in float64."""

import warnings
from itertools import product

import numpy as np
import pytest
import scipy.linalg
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from lmrun.linalg.algebra import INVALID, Damping

FORMS = ("gram", "dual", "qr", "cg")
PLACES = ("host", "device")
SHAPES = {"m > n": (14, 5), "m = n": (6, 6), "m < n": (4, 7)}
SCALINGS = ("identity", "marquardt", "wild")
RTOL = {"float32": 2e-3, "float64": 1e-9}

each_form = pytest.mark.parametrize("form", FORMS)
each_place = pytest.mark.parametrize("place", PLACES)


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def make(shape, seed=3):
    rng = np.random.default_rng(seed)
    m, n = SHAPES[shape]
    return rng.normal(size=(m, n)) * np.logspace(0, -1, n), rng.normal(size=m), rng.normal(size=m)


def scaling_of(name, J):
    n = J.shape[1]
    wild = 10.0 ** np.random.default_rng(8).uniform(-2, 2, n)
    return {"identity": np.ones(n), "marquardt": np.sum(J * J, axis=0), "wild": wild}[name]


def least_squares(J, r, damping, D):
    """argmin |J v + r|^2 + damping |D^(1/2) v|^2 by the SVD of the stacked matrix: J^T J is not formed."""
    stacked = np.vstack([J, np.diag(np.sqrt(damping * D))])
    return scipy.linalg.lstsq(stacked, -np.append(r, np.zeros(len(D))), lapack_driver="gelsd")[0]


def finite(vector):
    return vector is not None and bool(np.all(np.isfinite(np.asarray(vector))))


def assert_near(actual, expected, rtol):
    assert finite(actual)
    assert np.linalg.norm(np.asarray(actual) - expected) <= rtol * np.linalg.norm(expected)


# XLA compiles for every type and shape. As many rows as parameters are no case of their own in float32.
@pytest.mark.parametrize(
    ("place", "shape", "dtype"),
    [
        (place, shape, dtype)
        for place, shape, dtype in product(PLACES, SHAPES, RTOL)
        if (place, shape, dtype) != ("device", "m = n", "float32")
    ],
)
@pytest.mark.parametrize("scaling", SCALINGS)
@each_form
def test_damped_steps(*, place, form, shape, scaling, dtype, make_curvature):
    J, r, bent = make(shape)
    D, rtol = scaling_of(scaling, J), RTOL[dtype]
    made = make_curvature(place, form, J, r, dtype=dtype)
    assert_near(made.curvature.gradient, J.T @ r, rtol)
    assert_near(made.curvature.diagonal, np.sum(J * J, axis=0), rtol)
    for damping in (1e-2, 0.1, 1e4):
        value, step, system = made.curvature.damped(Damping(damping, made.take(D)))
        assert float(value) == pytest.approx(damping, rel=1e-7)
        assert_near(step, least_squares(J, r, damping, D), rtol)
        assert_near(system.turn(made.bent(J, bent)), least_squares(J, bent, damping, D), rtol)
        assert np.asarray(step).dtype == np.asarray(made.curvature.gradient).dtype == dtype


@given(
    rows=st.integers(1, 9),
    size=st.integers(1, 9),
    seed=st.integers(0, 1000),
    damping=st.floats(1e-3, 1e3),
    form=st.sampled_from(FORMS),
)
def test_any_shape_on_the_host(*, rows, size, seed, damping, form, make_curvature):
    rng = np.random.default_rng(seed)
    J, r, D = rng.normal(size=(rows, size)), rng.normal(size=rows), rng.uniform(0.1, 10, size)
    made = make_curvature("host", form, J, r)
    _, step, _ = made.curvature.damped(Damping(damping, D))
    np.testing.assert_allclose(step, least_squares(J, r, damping, D), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("shape", ["m > n", "m < n"])
@each_form
@each_place
def test_a_gradient_that_is_not_that_of_the_residuals(place, form, shape, make_curvature):
    """As for a loss whose rows are random projections: the matrix is theirs, the gradient is exact."""
    J, _, gradient = make(shape)
    gradient = np.resize(gradient, J.shape[1])
    D = scaling_of("wild", J)
    made = make_curvature(place, form, J, np.zeros(len(J)), gradient=gradient)
    assert_near(made.curvature.gradient, gradient, 1e-15)
    _, step, _ = made.curvature.damped(Damping(0.1, made.take(D)))
    assert_near(step, np.linalg.solve(J.T @ J + 0.1 * np.diag(D), -gradient), 1e-9)


@pytest.mark.parametrize(
    ("form", "shape"),
    [
        *((form, "m > n") for form in ("gram", "qr", "cg")),
        *((form, "m = n") for form in ("gram", "qr", "dual")),
        ("dual", "m < n"),
    ],
)
@each_place
def test_whole_steps(place, form, shape, make_curvature):
    """Without damping; with fewer rows than parameters the shortest of all solutions."""
    J, r, _ = make(shape)
    made = make_curvature(place, form, J, r)
    assert_near(made.curvature.whole(), scipy.linalg.lstsq(J, -r)[0], 1e-8)


@pytest.mark.parametrize(("form", "shape"), [("gram", "m < n"), ("qr", "m < n"), ("dual", "m > n")])
@each_place
def test_a_singular_matrix_has_no_whole_step(place, form, shape, make_curvature):
    J, r, _ = make(shape)
    assert not finite(make_curvature(place, form, J, r).curvature.whole())


@each_place
def test_conjugate_gradients_end_on_a_singular_matrix(place, make_curvature):
    """All steps that make the linear model zero are solutions."""
    J, r, _ = make("m < n")
    step = np.asarray(make_curvature(place, "cg", J, r).curvature.whole())
    np.testing.assert_allclose(J @ step, -r, rtol=1e-9)


@each_place
def test_rows_without_weight_do_not_make_the_dual_matrix_singular(place, make_curvature):
    J, r, _ = make("m < n")
    padded = make_curvature(place, "dual", np.vstack([J, 0 * J[:2]]), np.append(r, [0, 0]))
    assert_near(padded.curvature.whole(), scipy.linalg.lstsq(J, -r)[0], 1e-10)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9])
@pytest.mark.parametrize("guess", [0.0, 1e-3, 10.0])
@pytest.mark.parametrize(("form", "shape"), [*((form, "m > n") for form in FORMS), ("dual", "m < n")])
@each_place
def test_a_radius(*, place, form, shape, guess, share, make_curvature):
    J, r, _ = make(shape)
    D = scaling_of("wild", J)
    root = np.sqrt(D)
    whole = scipy.linalg.lstsq(J / root, -r)[0]
    radius = share * np.linalg.norm(whole)
    made = make_curvature(place, form, J, r)
    damping, step, system = made.curvature.damped(Damping(guess, made.take(D), radius))
    step = np.asarray(step)
    assert np.linalg.norm(root * step) == pytest.approx(radius, rel=0.1)
    # Step and factor belong to the damping.
    assert_near(step, least_squares(J, r, float(damping), D), 1e-9)
    assert_near(system.turn(made.bent(J, r)), step, 1e-9)


@pytest.mark.parametrize(
    ("form", "shape"), [("gram", "m > n"), ("qr", "m > n"), ("cg", "m > n"), ("dual", "m < n")]
)
@each_place
def test_a_wide_radius_needs_no_damping(place, form, shape, make_curvature):
    J, r, _ = make(shape)
    made = make_curvature(place, form, J, r)
    damping, step, _ = made.curvature.damped(Damping(0.0, made.take(np.ones(J.shape[1])), 1e6))
    assert float(damping) == 0
    assert_near(step, scipy.linalg.lstsq(J, -r)[0], 1e-8)


def conditioned(decades):
    """J, r and the step, known exactly: integers and a power of two, r = -J step without rounding."""
    rng = np.random.default_rng(12)
    columns = [rng.integers(-9, 10, 30).astype(float) for _ in range(4)]
    columns.append(columns[0] - columns[1] + 2.0 ** -round(decades / np.log10(2)) * columns[3])
    J, step = np.column_stack(columns[:3] + columns[4:]), np.array([3.0, -1.0, 2.0, 5.0])
    return J, -J @ step, step


@each_place
def test_qr_keeps_the_digits_that_a_squared_matrix_loses(place, make_curvature):
    J, r, step = conditioned(8)
    assert 1e7 < np.linalg.cond(J) < 1e9
    found = make_curvature(place, "qr", J, r).curvature
    assert_near(found.whole(), step, 1e-7)
    ones = make_curvature(place, "qr", J, r).take(np.ones(4))
    assert_near(found.damped(Damping(1e-30, ones)).step, step, 1e-7)
    squared = make_curvature(place, "gram", J, r).curvature.damped(Damping(1e-30, ones))
    lost = None if squared is None else np.asarray(squared.step)
    assert lost is None or not np.linalg.norm(lost - step) <= 1e-4 * np.linalg.norm(step)


BROKEN = {"zero": 0.0, "nan": np.nan, "infinite": np.inf}


@pytest.mark.parametrize(
    ("kind", "form", "radius"),
    [
        *((kind, form, radius) for kind in ("nan", "infinite") for form in FORMS for radius in (None, 1.0)),
        # With a radius a damping is found, and conjugate gradients factor nothing: a step without it.
        *(("zero", form, None) for form in ("gram", "dual", "qr")),
    ],
)
@each_place
def test_what_cannot_be_factored_is_an_invalid_trial(*, place, form, radius, kind, make_curvature, capfd):
    J, r, _ = make("m > n")
    J[slice(None) if kind == "zero" else 2, 1] = BROKEN[kind]
    made = make_curvature(place, form, J, r)
    params = tf.constant([1.0, 2.0, 3.0, 4.0, 5.0], tf.float64)

    def loss(point):
        return tf.reduce_sum(point)

    damping = Damping(0.0, made.take(np.ones(5)), radius)
    moved, value, scalars = made.algebra.damped_step(made.curvature, damping, params, loss)
    assert scalars == INVALID or not scalars.valid
    assert np.isnan(value)
    np.testing.assert_array_equal(np.asarray(moved), params.numpy())
    if kind != "zero" or form != "dual":
        moved, value, scalars = made.algebra.newton_step(made.curvature, params, loss)
        assert not scalars.valid
        assert np.isnan(value)
        np.testing.assert_array_equal(np.asarray(moved), params.numpy())
    # LAPACK reports wrong arguments on the terminal.
    assert capfd.readouterr() == ("", "")
