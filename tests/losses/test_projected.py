"""Random projections: the exact matrix on average, drawn from a key."""

import numpy as np
import pytest
import tensorflow as tf

DRAWS = 4000
LOGITS = np.array([1.5, -0.5, 0.3, -2.0])
CASES = ("binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy")


def targets_of(name, rows):
    if name == "sparse_categorical_crossentropy":
        return tf.zeros(rows, tf.int64)
    return tf.constant(np.tile(np.eye(4)[0], (rows, 1)))


def squares(loss, outputs, targets, key):
    """F E E^T F^T [rows, outputs, outputs]."""
    factor = np.stack([column.numpy() for column in loss.columns(outputs, targets, key)], axis=-1)
    return factor @ factor.transpose(0, 2, 1)


@pytest.mark.parametrize("projections", [1, 3])
@pytest.mark.parametrize("name", CASES)
def test_the_mean_is_the_exact_curvature(name, projections, make_loss):
    """One sample, copied: each copy is a draw of its own, and their mean is within 5 standard errors.

    For random signs e the element (a, b) of F e e^T F^T has the variance
    sum over i != j of F_ai^2 F_bj^2 + F_ai F_bi F_aj F_bj, divided by the number of projections.
    """
    outputs, targets = tf.constant(np.tile(LOGITS, (DRAWS, 1))), targets_of(name, DRAWS)
    exact = make_loss(name)
    F = np.stack([column[0].numpy() for column in exact.columns(outputs[:1], targets[:1], None)], axis=-1)
    product = F[:, None] * F[None]
    cross = np.einsum("ai,bj->abij", F**2, F**2) + np.einsum("abi,abj->abij", product, product)
    variance = (cross.sum(axis=(2, 3)) - np.einsum("abii->ab", cross)) / projections
    loss = make_loss({"name": name, "curvature": {"name": "projected", "projections": projections}})
    drawn = squares(loss, outputs, targets, tf.constant([7, 11]))
    error = np.abs(drawn.mean(axis=0) - F @ F.T)
    assert np.all(error <= 5 * np.sqrt(variance / DRAWS) + 1e-12)
    # The bound is no wider than the draws themselves, whose spread is the formula's, within 15 %.
    np.testing.assert_allclose(drawn.var(axis=0), variance, rtol=0.15, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_the_key_decides_the_draw(name, make_loss):
    loss = make_loss({"name": name, "curvature": "projected"})
    outputs, targets = tf.constant(np.tile(LOGITS, (20, 1))), targets_of(name, 20)
    first = squares(loss, outputs, targets, tf.constant([1, 2]))
    np.testing.assert_array_equal(squares(loss, outputs, targets, tf.constant([1, 2])), first)
    for other in ([1, 3], [2, 2]):
        assert np.abs(squares(loss, outputs, targets, tf.constant(other)) - first).max() > 0.01
    # Every sample has a draw of its own.
    assert np.abs(first[1:] - first[0]).max() > 0.01


def test_compiled_code_draws_the_same(make_loss):
    loss = make_loss({"name": CASES[2], "curvature": {"name": "projected", "projections": 2}})
    outputs, targets = tf.constant(np.tile(LOGITS, (5, 1))), targets_of(CASES[2], 5)
    draw = tf.function(lambda key: tf.stack(loss.columns(outputs, targets, key)), jit_compile=True)
    for key in (tf.constant([1, 2]), tf.constant([2**31 - 1, 0])):
        np.testing.assert_allclose(draw(key), loss.columns(outputs, targets, key), rtol=1e-13)
    assert draw.experimental_get_tracing_count() == 1


def test_one_projection_of_two_classes_is_exact(make_loss):
    """The factor has a single column, and a sign squared is 1."""
    outputs, targets = tf.constant([[0.3, -1.0], [2.0, 0.0]], tf.float64), tf.constant([1, 0])
    exact = make_loss(CASES[2])
    loss = make_loss({"name": CASES[2], "curvature": "projected"})
    expected = squares(exact, outputs, targets, None)
    np.testing.assert_allclose(squares(loss, outputs, targets, tf.constant([5, 6])), expected, rtol=1e-13)


def test_the_reflected_factor_varies_less_than_the_plain_one(make_loss):
    """Than sqrt(1/2) (diag(s) - p s^T), by a fifth for ten classes whose logits have a spread of 4.

    The mean of |F e e^T F^T - F F^T|^2 over random signs e is the sum over i != j of K_ii K_jj + K_ij^2 with
    K = F^T F.
    """

    def spread(F):
        K = F.T @ F
        own = np.diag(K)
        return np.sum(np.outer(own, own) + K**2) - 2 * np.sum(own**2)

    logits = 4 * np.random.default_rng(0).normal(size=(300, 10))
    columns = make_loss(CASES[2]).columns(tf.constant(logits), tf.zeros(300, tf.int64), None)
    reflected = np.stack([column.numpy() for column in columns], axis=-1)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    plain = 0.5**0.5 * (np.einsum("rc,cd->rcd", np.sqrt(p), np.eye(10)) - p[:, :, None] * np.sqrt(p)[:, None])
    one, other = (sum(map(spread, factors)) for factors in (reflected, plain))
    assert (one / other) ** 0.5 == pytest.approx(0.8, abs=0.03)
