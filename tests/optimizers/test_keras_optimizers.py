"""Any Keras optimizer as a pure rule: the same bits as Keras applied to the model itself."""

import inspect
from typing import get_args

import numpy as np
import pytest
import tensorflow as tf

from lmrun.config.optimizers import KERAS_OPTIMIZERS, KerasOptimizerConfig
from lmrun.optimizers.keras_optimizer import CLASSES, KerasRule

every_optimizer = pytest.mark.parametrize("name", CLASSES)
ARGUMENTS = {
    "adamw": {"weight_decay": 0.1, "amsgrad": True},
    "adafactor": {"clip_threshold": 0.5},
    "rmsprop": {"momentum": 0.5, "centered": True},
    "ftrl": {"l1_regularization_strength": 0.01},
    "muon": {"ns_steps": 3, "adam_weight_decay": 0.1},
}


def config_of(name):
    values = {"name": name, "learning_rate": 0.01, **ARGUMENTS.get(name, {})}
    return KerasOptimizerConfig.model_validate(values)


@pytest.fixture
def network(make_mlp):
    return make_mlp(2, [3])


@pytest.fixture
def gradients(network, rng):
    return [tf.constant(rng.normal(size=network.size)) for _ in range(3)]


def split(network, vector):
    return [tensor for part in network.layers for tensor in part.weights(vector)]


def test_config_and_registry_name_the_same_optimizers():
    assert set(CLASSES) == set(KERAS_OPTIMIZERS)
    assert set(get_args(KerasOptimizerConfig.model_fields["name"].annotation)) == set(CLASSES)


@every_optimizer
def test_the_config_knows_the_arguments_of_the_class(name):
    signature = inspect.signature(CLASSES[name]).parameters
    assert "learning_rate" in signature
    assert set(KERAS_OPTIMIZERS[name]) <= set(signature)


@every_optimizer
def test_three_steps_are_those_of_keras(name, network, gradients):
    config = config_of(name)
    rule, params = KerasRule(config, network), tf.constant(network.params())
    start, slots = network.params(), rule.slots(params)
    reference = CLASSES[name](learning_rate=0.01, **config.arguments)
    reference.build(network.model.trainable_variables)
    for gradient in gradients:
        params, slots = rule.apply(params, gradient, slots)
        reference.apply(split(network, gradient), network.model.trainable_variables)
        np.testing.assert_array_equal(params.numpy(), network.params())
    assert np.all(params.numpy() != start)


@every_optimizer
def test_rules_are_pure(name, network, gradients):
    rule, params = KerasRule(config_of(name), network), tf.constant(network.params())
    before = network.params()
    slots = rule.slots(params)
    once, between = rule.apply(params, gradients[0], slots)
    twice, _ = rule.apply(once, gradients[1], between)
    np.testing.assert_array_equal(rule.apply(once, gradients[1], between)[0], twice)
    np.testing.assert_array_equal(rule.apply(params, gradients[0], slots)[0], once)
    np.testing.assert_array_equal(network.params(), before)
    for key, value in rule.slots(params).items():
        np.testing.assert_array_equal(value, slots[key])


@every_optimizer
def test_a_rule_of_another_process_goes_on_with_the_same_bits(name, network, gradients):
    params = tf.constant(network.params())
    first = KerasRule(config_of(name), network)
    once, slots = first.apply(params, gradients[0], first.slots(params))
    expected, _ = first.apply(once, gradients[1], slots)
    stored = {key: tf.constant(value.numpy()) for key, value in slots.items()}
    again, _ = KerasRule(config_of(name), network).apply(once, gradients[1], stored)
    np.testing.assert_array_equal(again, expected)
