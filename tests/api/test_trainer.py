"""Trainings step by step."""

import numpy as np
import pytest

import lmrun
from lmrun.errors import UsageError

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


def test_an_unknown_column_and_a_step_too_many(trainer):
    training = trainer()
    step = next(iter(training))
    assert step["validation_loss"] is None
    with pytest.raises(KeyError, match=r"no column 'dampin'\. Did you mean 'damping'\?"):
        step["dampin"]
    training.result()
    with pytest.raises(UsageError, match="Trainer: the training has ended"):
        training.advance()


def test_a_loop_over_a_dataset():
    x = np.linspace(0, 5, 20)
    stream = ((x[start : start + 5], 2 * x[start : start + 5]) for start in range(0, 20, 5))
    training = lmrun.Trainer("a*x", stream, parameters={"a": 1.0}, max_epochs=2, shuffle=False)
    steps = [(step.step, step.epoch) for step in training]
    assert steps[:4] == [(1, 0), (2, 0), (3, 0), (4, 1)]
    assert training.result().params["a"] == pytest.approx(2.0, rel=1e-6)
