"""Every loss against Keras, and its residual and factor against derivatives of its value."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from pydantic import TypeAdapter

from lmrun.config.fields import names
from lmrun.config.models import LossConfig
from lmrun.losses.registry import LOSSES, build_loss

ROWS, OUTPUTS = 7, 3
RNG = np.random.default_rng(3)
LOGITS = 2 * RNG.normal(size=(ROWS, OUTPUTS))
VALUES = 2 * RNG.normal(size=(ROWS, OUTPUTS))
YES_NO = RNG.integers(0, 2, size=(ROWS, OUTPUTS)).astype(np.float64)
LABELS = RNG.integers(0, OUTPUTS, size=ROWS)
ONE_HOT = np.eye(OUTPUTS)[LABELS]

CONFIGS = {
    "mse": {"name": "mse"},
    "mae": {"name": "mae"},
    "huber": {"name": "huber"},
    "huber-0.3": {"name": "huber", "delta": 0.3},
    "binary_crossentropy": {"name": "binary_crossentropy"},
    "categorical_crossentropy": {"name": "categorical_crossentropy"},
    "sparse_categorical_crossentropy": {"name": "sparse_categorical_crossentropy"},
}
TARGETS = {
    **dict.fromkeys(("mse", "mae", "huber", "huber-0.3"), VALUES),
    "binary_crossentropy": YES_NO,
    "categorical_crossentropy": ONE_HOT,
    "sparse_categorical_crossentropy": LABELS,
}
KERAS = {
    "mse": keras.losses.mean_squared_error,
    "mae": keras.losses.mean_absolute_error,
    "huber": keras.losses.huber,
    "huber-0.3": lambda t, z: keras.losses.huber(t, z, delta=0.3),
    "binary_crossentropy": lambda t, z: keras.losses.binary_crossentropy(t, z, from_logits=True),
    "categorical_crossentropy": lambda t, z: keras.losses.categorical_crossentropy(t, z, from_logits=True),
    "sparse_categorical_crossentropy": (
        lambda t, z: keras.losses.sparse_categorical_crossentropy(t, z, from_logits=True)
    ),
}
CONVEX = ("mse", "binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy")
every_loss = pytest.mark.parametrize("case", CONFIGS)


def loss_of(case):
    return build_loss(TypeAdapter(LossConfig).validate_python(CONFIGS[case]))


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
    outputs, targets = tf.constant(outputs), tf.constant(targets)
    factor, residual = loss.factor(outputs, targets).numpy(), loss.residual(outputs, targets).numpy()
    return np.einsum("roq,rq->ro", factor, residual)


def test_registry_and_schema_name_the_same_losses():
    assert set(LOSSES) == set(names(LossConfig))
    assert {config["name"] for config in CONFIGS.values()} == set(LOSSES)
    for case in CONFIGS:
        assert loss_of(case).name == CONFIGS[case]["name"]


@every_loss
def test_values_are_those_of_keras(case):
    values = loss_of(case).values(tf.constant(LOGITS), tf.constant(TARGETS[case])).numpy()
    expected = KERAS[case](tf.constant(TARGETS[case]), tf.constant(LOGITS)).numpy()
    assert values.dtype == np.float64
    np.testing.assert_allclose(values, expected, rtol=1e-14)


def test_huber_reads_its_delta():
    errors = tf.constant([[0.2, -0.3, 2.0]], tf.float64)
    expected = (0.02 + 0.045 + 0.3 * (2 - 0.15)) / 3
    values = loss_of("huber-0.3").values(errors, tf.zeros((1, 3), tf.float64))
    np.testing.assert_allclose(values, [expected], rtol=1e-15)


@every_loss
def test_shapes(case):
    loss, outputs, targets = loss_of(case), tf.constant(LOGITS), tf.constant(TARGETS[case])
    q = loss.components(OUTPUTS)
    assert loss.values(outputs, targets).shape == (ROWS,)
    assert loss.residual(outputs, targets).shape == (ROWS, q)
    assert loss.factor(outputs, targets).shape == (ROWS, OUTPUTS, q)


@every_loss
def test_factor_times_residual_is_the_gradient_of_the_cost(case):
    loss, targets = loss_of(case), TARGETS[case]
    expected = half_gradient(loss, LOGITS, targets)
    np.testing.assert_allclose(times_residual(loss, LOGITS, targets), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("case", CONVEX)
def test_squared_factor_is_the_second_derivative_of_the_cost(case):
    loss, targets = loss_of(case), TARGETS[case]
    factor = loss.factor(tf.constant(LOGITS), tf.constant(targets)).numpy()
    expected = half_hessian(loss, LOGITS, targets)
    np.testing.assert_allclose(factor @ factor.transpose(0, 2, 1), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("case", "weight"),
    [
        ("mae", lambda error: 0.5 / np.abs(error)),
        ("huber", lambda error: 0.5 * np.minimum(1, 1 / np.abs(error))),
        ("huber-0.3", lambda error: 0.5 * np.minimum(1, 0.3 / np.abs(error))),
    ],
)
def test_squared_factor_is_the_reweighted_least_squares_weight(case, weight):
    factor = loss_of(case).factor(tf.constant(LOGITS), tf.constant(VALUES)).numpy()
    expected = np.einsum("ro,op->rop", weight(LOGITS - VALUES), np.eye(OUTPUTS))
    np.testing.assert_allclose(factor @ factor.transpose(0, 2, 1), expected, rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@every_loss
def test_extreme_outputs_stay_finite(case, dtype):
    loss = loss_of(case)
    outputs = np.array([[1000, -1000, 0], [-1000, 1000, 1000], [-1000, -1000, 1000]], dtype)
    targets = TARGETS[case][:3]
    if case == "categorical_crossentropy":
        targets = np.eye(3)
    if targets.dtype == np.float64:
        targets = targets.astype(dtype)
    parts = (loss.values, loss.residual, loss.factor)
    assert all(np.all(np.isfinite(part(tf.constant(outputs), tf.constant(targets)))) for part in parts)
    expected = half_gradient(loss, outputs, targets)
    accuracy = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(times_residual(loss, outputs, targets), expected, rtol=accuracy, atol=accuracy)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", ["mse", "mae", "huber", "huber-0.3"])
def test_an_exact_fit_has_no_residual(case, dtype):
    loss, outputs = loss_of(case), tf.constant(VALUES, dtype)
    np.testing.assert_array_equal(loss.values(outputs, outputs), np.zeros(ROWS))
    np.testing.assert_array_equal(loss.residual(outputs, outputs), np.zeros((ROWS, OUTPUTS)))
    assert np.all(np.isfinite(loss.factor(outputs, outputs)))
