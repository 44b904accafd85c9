"""Golden trajectories: our gradient descent and Adam against those of Keras, step by step in float64."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lmrun.optimizers.adam import Adam
from lmrun.optimizers.sgd import Sgd

RATE, EPSILON = 2.0**-6, 2.0**-10
"""Settings without a rounding: Keras keeps its own in float32, also where the weights are float64."""
PAIRS = {
    "sgd": (Sgd(RATE), keras.optimizers.SGD(RATE)),
    "momentum": (Sgd(RATE, 0.875), keras.optimizers.SGD(RATE, 0.875)),
    "nesterov": (Sgd(RATE, 0.75, True), keras.optimizers.SGD(RATE, 0.75, True)),
    "adam": (Adam(RATE, 0.875, 0.9375, EPSILON), keras.optimizers.Adam(RATE, 0.875, 0.9375, EPSILON)),
    "amsgrad": (
        Adam(RATE, 0.875, 0.75, EPSILON, True),
        keras.optimizers.Adam(RATE, 0.875, 0.75, EPSILON, True),
    ),
}


def gradients(rng, steps):
    """Gradients whose size falls, so that amsgrad's largest mean square is not the last."""
    return [rng.normal(size=4) * 0.8**step for step in range(steps)]


@pytest.mark.parametrize("name", PAIRS)
def test_steps_are_those_of_keras(name, rng):
    rule, reference = PAIRS[name]
    start = rng.normal(size=4)
    params, variable = tf.constant(start), keras.Variable(start, dtype="float64")
    slots = rule.slots(params)
    reference.build([variable])
    for gradient in gradients(rng, 25):
        params, slots = rule.apply(params, tf.constant(gradient), slots)
        reference.apply([tf.constant(gradient)], [variable])
        np.testing.assert_allclose(params.numpy(), variable.numpy(), rtol=1e-12, atol=1e-13)


def test_the_pairs_differ(rng):
    """Each setting shows in the trajectory, so that the comparison above holds all of them."""
    ends = []
    for rule, _ in PAIRS.values():
        params = tf.zeros(4, tf.float64)
        slots = rule.slots(params)
        for gradient in gradients(np.random.default_rng(1), 25):
            params, slots = rule.apply(params, tf.constant(gradient), slots)
        ends.append(params.numpy())
    for first in range(len(ends)):
        for second in range(first):
            assert np.abs(ends[first] - ends[second]).max() > 1e-4


def test_adams_first_step_by_hand():
    rule, params = Adam(0.1, epsilon=1e-8), tf.constant([1.0, -2.0], tf.float64)
    moved, _ = rule.apply(params, tf.constant([3.0, -1e-3], tf.float64), rule.slots(params))
    # m / (1 - beta_1) = g and v / (1 - beta_2) = g^2: the step is the learning rate, up to epsilon.
    root = np.sqrt(0.001)
    steps = 0.1 * root * np.array([3.0, -1e-3]) / (root * np.array([3.0, 1e-3]) + 1e-8)
    np.testing.assert_allclose(moved.numpy(), [1.0, -2.0] - steps, rtol=1e-14)


@pytest.mark.parametrize("name", PAIRS)
def test_rules_are_pure(name, rng):
    rule, _ = PAIRS[name]
    params, gradient = tf.constant(rng.normal(size=4)), tf.constant(rng.normal(size=4))
    slots = rule.slots(params)
    before = {key: value.numpy().copy() for key, value in slots.items()}
    first, moved = rule.apply(params, gradient, slots)
    second, _ = rule.apply(params, gradient, slots)
    np.testing.assert_array_equal(first.numpy(), second.numpy())
    assert set(moved) == set(slots)
    for key, value in before.items():
        np.testing.assert_array_equal(slots[key].numpy(), value)


def test_plain_gradient_descent_carries_nothing():
    assert Sgd(0.1).slots(tf.zeros(2)) == {}
    assert set(Sgd(0.1, 0.9).slots(tf.zeros(2))) == {"velocity"}
    assert set(Adam(0.1).slots(tf.zeros(2))) == {"time", "mean", "mean_square"}
