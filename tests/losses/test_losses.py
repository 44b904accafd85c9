"""Every loss against Keras, and its residual and factor against derivatives of its value."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lmrun.config.fields import members, names
from lmrun.config.losses import CurvatureConfig, LossConfig
from lmrun.losses.base import curve, slope
from lmrun.losses.registry import CURVATURES, LOSSES

ROWS, OUTPUTS = 7, 3
LOGITS = 2 * np.random.default_rng(5).normal(size=(ROWS, OUTPUTS))
KEY = tf.constant([3, 4])

CONFIGS = {
    "mse": {"name": "mse"},
    "mae": {"name": "mae"},
    "huber": {"name": "huber"},
    "huber-0.3": {"name": "huber", "delta": 0.3},
    "soft_l1": {"name": "soft_l1", "scale": 0.5},
    "cauchy": {"name": "cauchy", "scale": 2.0},
    "arctan": {"name": "arctan"},
    "binary": {"name": "binary_crossentropy"},
    "binary projected": {"name": "binary_crossentropy", "curvature": "projected"},
    "binary square-root": {"name": "binary_crossentropy", "curvature": "square-root"},
    "categorical": {"name": "categorical_crossentropy"},
    "categorical projected": {
        "name": "categorical_crossentropy",
        "curvature": {"name": "projected", "projections": 4},
    },
    "categorical square-root": {"name": "categorical_crossentropy", "curvature": "square-root"},
    "sparse": {"name": "sparse_categorical_crossentropy"},
    "sparse projected": {"name": "sparse_categorical_crossentropy", "curvature": "projected"},
    "sparse square-root": {"name": "sparse_categorical_crossentropy", "curvature": "square-root"},
}
KINDS = {"binary": "binary", "categorical": "one_hot", "sparse": "labels"}
KERAS = {
    # As SciPy defines them.
    "soft_l1": lambda t, z: tf.reduce_mean(0.5**2 * 2 * (tf.sqrt(1 + ((t - z) / 0.5) ** 2) - 1), axis=-1),
    "cauchy": lambda t, z: tf.reduce_mean(2**2 * tf.math.log(1 + ((t - z) / 2) ** 2), axis=-1),
    "arctan": lambda t, z: tf.reduce_mean(tf.atan((t - z) ** 2), axis=-1),
    "mse": keras.losses.mean_squared_error,
    "mae": keras.losses.mean_absolute_error,
    "huber": keras.losses.huber,
    "huber-0.3": lambda t, z: keras.losses.huber(t, z, delta=0.3),
    "binary": lambda t, z: keras.losses.binary_crossentropy(t, z, from_logits=True),
    "categorical": lambda t, z: keras.losses.categorical_crossentropy(t, z, from_logits=True),
    "sparse": lambda t, z: keras.losses.sparse_categorical_crossentropy(t, z, from_logits=True),
}
CONVEX = ("mse", "binary", "categorical", "sparse")
LEAST_SQUARES = ("mse", "binary square-root", "categorical square-root", "sparse square-root")
PROJECTED = [case for case in CONFIGS if case.endswith("projected")]
every_loss = pytest.mark.parametrize("case", CONFIGS)


@pytest.fixture
def loss(case, make_loss):
    return make_loss(CONFIGS[case])


@pytest.fixture
def targets(case, targets_for):
    return tf.constant(targets_for(KINDS.get(case.split()[0], "values")))


def factor_of(loss, outputs, targets):
    """F [rows, outputs, q]."""
    return np.stack([column.numpy() for column in loss.columns(tf.constant(outputs), targets, KEY)], axis=-1)


def half_gradient(loss, outputs, targets):
    """1/2 scale dl/dz [rows, outputs]: what F r has to be."""
    outputs = tf.constant(outputs)
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        values = loss.values(outputs, targets)
    return 0.5 * loss.scale(outputs.shape[1]) * tape.gradient(values, outputs).numpy()


def half_hessian(loss, outputs, targets):
    """1/2 scale d2l/dz2 [rows, outputs, outputs]: what F F^T has to be for a convex loss."""
    outputs = tf.constant(outputs)
    with tf.GradientTape(persistent=True) as outer:
        outer.watch(outputs)
        with tf.GradientTape() as inner:
            inner.watch(outputs)
            values = loss.values(outputs, targets)
        gradient = inner.gradient(values, outputs)
        columns = [gradient[:, column] for column in range(OUTPUTS)]
    rows = [outer.gradient(column, outputs).numpy() for column in columns]
    return 0.5 * loss.scale(OUTPUTS) * np.stack(rows, axis=1)


def times_residual(loss, outputs, targets):
    residual = loss.residual(tf.constant(outputs), targets).numpy()
    return np.einsum("roq,rq->ro", factor_of(loss, outputs, targets), residual)


def test_registries_and_schema_name_the_same():
    assert set(LOSSES) == set(names(LossConfig))
    assert {config["name"] for config in CONFIGS.values()} == set(LOSSES) - {"custom"}
    assert set(CURVATURES) == set(members(CurvatureConfig))


@every_loss
def test_the_name_is_that_of_the_config(case, loss):
    assert loss.name == CONFIGS[case]["name"]
    assert loss.random == (case in PROJECTED)


@every_loss
def test_values_are_those_of_keras(case, loss, targets):
    values = loss.values(tf.constant(LOGITS), targets).numpy()
    assert values.dtype == np.float64
    np.testing.assert_allclose(values, KERAS[case.split()[0]](targets, tf.constant(LOGITS)), rtol=1e-14)


def test_huber_reads_its_delta(make_loss):
    errors = tf.constant([[0.2, -0.3, 2.0]], tf.float64)
    expected = (0.02 + 0.045 + 0.3 * (2 - 0.15)) / 3
    values = make_loss(CONFIGS["huber-0.3"]).values(errors, tf.zeros((1, 3), tf.float64))
    np.testing.assert_allclose(values, [expected], rtol=1e-15)


COMPONENTS = {
    "binary projected": 1,
    "categorical": OUTPUTS - 1,
    "categorical projected": 4,
    "categorical square-root": 1,
    "sparse": OUTPUTS - 1,
    "sparse projected": 1,
    "sparse square-root": 1,
}


@every_loss
def test_shapes(case, loss, targets):
    outputs, q = tf.constant(LOGITS), loss.components(OUTPUTS)
    assert q == COMPONENTS.get(case, OUTPUTS)
    assert loss.values(outputs, targets).shape == (ROWS,)
    assert factor_of(loss, LOGITS, targets).shape == (ROWS, OUTPUTS, q)
    assert loss.bent(outputs, targets, KEY, outputs, outputs).shape == (ROWS, q)
    residual = loss.residual(outputs, targets)
    assert residual is None if loss.random else residual.shape == (ROWS, q)


@pytest.mark.parametrize("case", [case for case in CONFIGS if case not in PROJECTED])
def test_factor_times_residual_is_the_gradient_of_the_cost(case, loss, targets):
    expected = half_gradient(loss, LOGITS, targets)
    np.testing.assert_allclose(times_residual(loss, LOGITS, targets), expected, rtol=1e-12, atol=1e-14)


@every_loss
def test_the_slope_is_the_gradient_of_the_cost(case, loss, targets):
    expected = half_gradient(loss, LOGITS, targets)
    np.testing.assert_allclose(slope(loss, tf.constant(LOGITS), targets), expected, rtol=1e-14)


@pytest.mark.parametrize("case", CONVEX)
def test_squared_factor_is_the_second_derivative_of_the_cost(case, loss, targets):
    factor = factor_of(loss, LOGITS, targets)
    expected = half_hessian(loss, LOGITS, targets)
    np.testing.assert_allclose(factor @ factor.transpose(0, 2, 1), expected, rtol=1e-12, atol=1e-14)


def test_the_curvature_of_the_softmax_by_its_formula(make_loss, targets_for):
    """(diag(p) - p p^T) / 2 in NumPy, of ten classes."""
    loss, logits = make_loss(CONFIGS["sparse"]), 3 * np.random.default_rng(1).normal(size=(5, 10))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = 0.5 * (np.einsum("rc,cd->rcd", p, np.eye(10)) - np.einsum("rc,rd->rcd", p, p))
    factor = factor_of(loss, logits, tf.constant(targets_for("labels", 5, 10)))
    assert factor.shape == (5, 10, 9)
    np.testing.assert_allclose(factor @ factor.transpose(0, 2, 1), expected, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize(
    ("case", "weight"),
    [
        ("mae", lambda error: 0.5 / np.abs(error)),
        ("huber", lambda error: 0.5 * np.minimum(1, 1 / np.abs(error))),
        ("huber-0.3", lambda error: 0.5 * np.minimum(1, 0.3 / np.abs(error))),
        ("soft_l1", lambda error: 1 / np.sqrt(1 + (error / 0.5) ** 2)),
        ("cauchy", lambda error: 1 / (1 + (error / 2) ** 2)),
        ("arctan", lambda error: 1 / (1 + error**4)),
    ],
)
def test_squared_factor_is_the_reweighted_least_squares_weight(case, weight, loss, targets):
    factor = factor_of(loss, LOGITS, targets)
    expected = np.einsum("ro,op->rop", weight(LOGITS - targets.numpy()), np.eye(OUTPUTS))
    np.testing.assert_allclose(factor @ factor.transpose(0, 2, 1), expected, rtol=1e-13)


@every_loss
def test_products_with_the_curvature(case, loss, targets):
    vector = np.random.default_rng(7).normal(size=(ROWS, OUTPUTS))
    factor = factor_of(loss, LOGITS, targets)
    expected = np.einsum("roq,rpq,rp->ro", factor, factor, vector)
    columns = loss.columns(tf.constant(LOGITS), targets, KEY)
    np.testing.assert_allclose(curve(columns, tf.constant(vector)), expected, rtol=1e-12, atol=1e-14)


@every_loss
def test_bent_residuals(case, loss, targets):
    """Least squares: central differences of r along z + t a + t^2/2 b. Any other factor: F^T b."""
    first, second = np.random.default_rng(8).normal(size=(2, ROWS, OUTPUTS))
    bent = loss.bent(tf.constant(LOGITS), targets, KEY, tf.constant(first), tf.constant(second))
    if case in LEAST_SQUARES:
        h = 1e-4
        ends = (LOGITS + t * first + t * t / 2 * second for t in (h, 0, -h))
        ahead, here, behind = (loss.residual(tf.constant(z), targets).numpy() for z in ends)
        np.testing.assert_allclose(bent, (ahead - 2 * here + behind) / h**2, rtol=1e-5, atol=1e-6)
    else:
        expected = np.einsum("roq,ro->rq", factor_of(loss, LOGITS, targets), second)
        np.testing.assert_allclose(bent, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@every_loss
def test_extreme_outputs_stay_finite(case, dtype, loss, targets):
    outputs = np.array([[1000, -1000, 0], [-1000, 1000, 1000], [-1000, -1000, 1000]], dtype)
    targets = targets[:3] if case.split()[0] != "categorical" else tf.eye(3)
    if targets.dtype.is_floating:
        targets = tf.cast(targets, dtype)
    assert np.all(np.isfinite(loss.values(tf.constant(outputs), targets)))
    assert np.all(np.isfinite(factor_of(loss, outputs, targets)))
    expected = half_gradient(loss, outputs, targets)
    accuracy = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(slope(loss, tf.constant(outputs), targets), expected, rtol=accuracy)
    if not loss.random:
        actual = times_residual(loss, outputs, targets)
        np.testing.assert_allclose(actual, expected, rtol=accuracy, atol=accuracy)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", ["mse", "mae", "huber", "huber-0.3"])
def test_an_exact_fit_has_no_residual(case, dtype, loss, targets):
    outputs = tf.cast(targets, dtype)
    np.testing.assert_array_equal(loss.values(outputs, outputs), np.zeros(ROWS))
    np.testing.assert_array_equal(loss.residual(outputs, outputs), np.zeros((ROWS, OUTPUTS)))
    assert np.all(np.isfinite(factor_of(loss, outputs, outputs)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", ["sparse square-root", "binary square-root"])
def test_the_square_root_of_a_loss_that_vanishes(case, dtype, loss):
    """As l -> 0 the factor does too, like sqrt(l) / 2; nothing divides by the root of 0."""
    sizes = np.array([10, 20, 40, 80, 500], dtype)
    right = np.stack([sizes, -sizes, -sizes], axis=1)
    targets = tf.zeros(5, tf.int64) if "sparse" in case else tf.constant([[1, 0, 0]] * 5, dtype)
    factor = factor_of(loss, right, targets)
    assert np.all(np.isfinite(factor))
    bound = np.sqrt(np.exp(-sizes)) + np.finfo(dtype).eps ** 0.5
    assert np.all(np.abs(factor).max(axis=(1, 2)) <= bound)
    expected = half_gradient(loss, right, targets)
    np.testing.assert_allclose(times_residual(loss, right, targets), expected, rtol=1e-5, atol=1e-30)
