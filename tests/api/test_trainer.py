"""Trainings step by step."""

import numpy as np
import pytest

import lmrun

RISE = "b1*(1 - exp(-b2*x))"


@pytest.fixture
def trainer():
    x = np.linspace(0, 5, 20)
    y = 3 * (1 - np.exp(-0.7 * x))
    return lambda **options: lmrun.Trainer(RISE, x, y, parameters={"b1": 1.0, "b2": 0.1}, **options)


def test_the_steps_are_those_of_a_fit(trainer):
    training = trainer(max_steps=4)
    steps = list(training)
    result = training.result()
    assert [step.step for step in steps] == [1, 2, 3, 4]
    np.testing.assert_array_equal(result.history["loss"][1:], [step.loss for step in steps])
    assert result.history["damping"][-1] == steps[-1]["damping"]
    assert result.status == "max_steps"
    assert result is not training.result()
    assert list(training) == []


def test_a_loop_that_is_left_ends_the_training(trainer):
    training = trainer()
    for step in training:
        if step.loss < 0.1:
            break
    result = training.result()
    assert result.status == "interrupted"
    assert result.steps == step.step
    assert result.loss == step.loss
    assert list(training) == []


def test_stopped_from_inside(trainer):
    training = trainer()
    for _ in training:
        training.stop()
    assert training.result().steps == 1
