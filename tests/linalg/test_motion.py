"""Learning rate, drift and kept matrices in every form, against dense NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from lmrun.linalg.algebra import MOST_BENT, WHOLE, Damping, Motion

FORMS = ("gram", "dual", "qr", "cg")
RNG = np.random.default_rng(11)
J, r, bent = RNG.normal(size=(14, 5)), RNG.normal(size=14), RNG.normal(size=14)
D, params, drift = RNG.uniform(0.5, 2, 5), RNG.normal(size=5), RNG.normal(size=5)
GRADIENT = J.T @ r
STRAIGHT = np.linalg.solve(J.T @ J + 0.3 * np.diag(D), -GRADIENT)
TURN = np.linalg.solve(J.T @ J + 0.3 * np.diag(D), -J.T @ bent)

everywhere = [pytest.mark.parametrize("form", FORMS), pytest.mark.parametrize("place", ["host", "device"])]


def in_every_form(test):
    for mark in everywhere:
        test = mark(test)
    return test


def trial(made, motion, *, size=None):
    """Params + move, and what was predicted; bent by `size` times the turn where that is given."""
    point = tf.constant(params)

    def bend(step):
        np.testing.assert_allclose(step, STRAIGHT, rtol=1e-9)
        return made.bent(J, size * bent)

    damping = Damping(0.3, made.take(D))
    moved, loss, scalars = made.algebra.damped_step(
        made.curvature, damping, point, tf.reduce_sum, None if size is None else bend, motion
    )
    assert loss == pytest.approx(np.sum(np.asarray(moved)), rel=1e-12)
    return np.asarray(moved), scalars


def predicted(move):
    return -(GRADIENT @ move) - 0.5 * move @ J.T @ J @ move


@in_every_form
def test_the_square_of_a_vector(place, form, make_curvature):
    made = make_curvature(place, form, J, r)
    found = made.curvature.squared(made.take(drift))
    assert float(found) == pytest.approx(np.sum((J @ drift) ** 2), rel=1e-12)


@pytest.mark.parametrize("rate", [1.0, 0.3, 1.7])
@in_every_form
def test_a_learning_rate(place, form, rate, make_curvature):
    moved, scalars = trial(make_curvature(place, form, J, r), Motion(rate))
    np.testing.assert_allclose(moved, params + rate * STRAIGHT, rtol=1e-9)
    assert scalars.predicted_reduction == pytest.approx(predicted(rate * STRAIGHT), rel=1e-8)
    assert scalars.step_norm == pytest.approx(rate * np.linalg.norm(STRAIGHT), rel=1e-9)
    assert scalars.scaled_step_norm == pytest.approx(np.sqrt(STRAIGHT @ (D * STRAIGHT)), rel=1e-9)


@in_every_form
def test_a_drift(place, form, make_curvature):
    made = make_curvature(place, form, J, r)
    moved, scalars = trial(made, Motion(0.4, made.take(drift)))
    move = 0.4 * STRAIGHT + drift
    np.testing.assert_allclose(moved, params + move, rtol=1e-9)
    assert scalars.predicted_reduction == pytest.approx(predicted(move), rel=1e-8)
    assert scalars.step_norm == pytest.approx(np.linalg.norm(move), rel=1e-9)


@in_every_form
def test_a_shorter_step_bends_less(place, form, make_curvature):
    """The geodesic at the rate t is t v + t^2 a / 2; the turn counts as too large by its share of t v."""
    made = make_curvature(place, form, J, r)
    fitting = 0.99 * MOST_BENT * np.linalg.norm(STRAIGHT) / np.linalg.norm(TURN)
    # At the rate of 1/2 a turn of 2 |a| / |v| = 2 * 0.99 * MOST_BENT is small enough, at 1 half of that is.
    moved, _ = trial(made, Motion(0.5), size=fitting)
    np.testing.assert_allclose(moved, params + 0.5 * STRAIGHT + 0.125 * fitting * TURN, rtol=1e-9)
    moved, _ = trial(made, Motion(0.5), size=1.1 * fitting)
    np.testing.assert_allclose(moved, params + 0.5 * STRAIGHT, rtol=1e-9)
    moved, _ = trial(made, WHOLE, size=fitting)
    np.testing.assert_allclose(moved, params + STRAIGHT, rtol=1e-9)
    moved, scalars = trial(made, WHOLE, size=0.5 * fitting)
    np.testing.assert_allclose(moved, params + STRAIGHT + 0.25 * fitting * TURN, rtol=1e-9)
    assert scalars.predicted_reduction == pytest.approx(predicted(STRAIGHT), rel=1e-8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("place", ["host", "device"])
def test_a_kept_matrix_is_mixed_in(place, dtype, make_curvature):
    other = RNG.normal(size=(9, 5))
    made, before = (make_curvature(place, "gram", rows, r[: len(rows)], dtype=dtype) for rows in (J, other))
    algebra = made.algebra
    kept = algebra.kept(before.curvature)
    bits = np.asarray(kept).tobytes()
    mixed = algebra.blend(made.curvature, kept, 0.75, 3.0)
    expected = 0.25 * J.T @ J + 0.75 * 3 * other.T @ other
    rtol = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(np.tril(algebra.kept(mixed)), np.tril(expected), rtol=rtol, atol=rtol)
    np.testing.assert_array_equal(mixed.gradient, made.curvature.gradient)
    _, step, _ = mixed.damped(Damping(0.3, made.take(D)))
    solution = np.linalg.solve(expected + 0.3 * np.diag(D), -GRADIENT)
    np.testing.assert_allclose(step, solution, rtol=100 * rtol)
    # What was kept stays as it was, and from a checkpoint it comes back in C order.
    assert np.asarray(kept).tobytes() == bits
    restored = algebra.adopt(tf.constant(np.ascontiguousarray(kept)))
    again = algebra.kept(algebra.blend(made.curvature, restored, 0.75, 3.0))
    np.testing.assert_array_equal(np.tril(again), np.tril(algebra.kept(mixed)))
