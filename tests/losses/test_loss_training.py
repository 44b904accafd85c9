"""Losses along Levenberg-Marquardt: custom ones as their built-in twins, projected ones reproducible."""

from textwrap import dedent

import numpy as np
import pytest
import tensorflow as tf

from lmrun.build import as_params, build
from lmrun.config.load import load_config
from lmrun.training.drivers import make_driver
from lmrun.training.schedule import Schedule

OWN = """
    import tensorflow as tf

    def residual(outputs, targets):
        return outputs - targets

    def huber(outputs, targets):
        size = tf.abs(outputs - targets)
        inside = tf.minimum(size, 0.05)
        return tf.reduce_mean(0.5 * inside**2 + 0.05 * (size - inside), axis=-1)

    def factor(outputs, targets):
        size = tf.abs(outputs - targets)
        return tf.linalg.diag(tf.sqrt(0.05 / tf.maximum(size, 0.05)))
"""
SINC = """
    dataset: {name: sinc, points: 40}
    model: {name: mlp, hidden: [4]}
    optimizer: {name: lm, acceleration: %s}
    loss: %s
"""
CLASSES = """
    dataset: {name: table, path: classes.csv, inputs: [x], targets: [c]}
    model: {name: mlp, hidden: [3]}
    loss: {name: sparse_categorical_crossentropy, curvature: projected}
    training: {batch_size: 12}
"""


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Return driver, parameters and the optimizer's state of a config that lies beside the user's code."""
    monkeypatch.chdir("/")
    (tmp_path / "own.py").write_text(dedent(OWN))
    rows = "".join(f"{x / 10},{x // 3 % 3}\n" for x in range(24))
    (tmp_path / "classes.csv").write_text(f"x,c\n{rows}")

    def make(text, *overrides):
        file = tmp_path / "config.yaml"
        file.write_text(dedent(text))
        experiment = build(load_config(str(file), overrides).config)
        training = experiment.config.training
        schedule = Schedule(
            experiment.dataset.train.rows, training.batch_size, training.shuffle, experiment.config.seed
        )
        driver, params = make_driver(experiment, schedule), as_params(experiment)
        return driver, params, driver.init(params)

    return make


def trajectory(driver, params, state, first, last):
    """The parameters after each step [steps, n], and the state."""
    path = []
    for step in range(first, last):
        params, state, info = driver.advance(params, state, step, 1)
        assert info.accepted
        path.append(np.asarray(params))
    return np.array(path), state


@pytest.mark.parametrize(
    ("custom", "twin", "acceleration"),
    [
        ("{name: custom, residual: 'own:residual'}", "mse", "geodesic"),
        ("{name: custom, value: 'own.py:huber', factor: 'own:factor'}", "{name: huber, delta: 0.05}", "none"),
    ],
)
def test_custom_losses_are_their_twins(custom, twin, acceleration, start):
    ours, theirs = (trajectory(*start(SINC % (acceleration, loss)), 0, 6)[0] for loss in (custom, twin))
    assert np.abs(np.diff(theirs, axis=0)).max(axis=1).min() > 1e-3
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def test_projected_runs_repeat_and_resume(start):
    """The same bits again, and from a driver of its own at a later step; another seed draws differently."""
    driver, params, state = start(CLASSES)
    path, _ = trajectory(driver, params, state, 0, 4)
    half, kept = trajectory(*start(CLASSES), 0, 2)
    np.testing.assert_array_equal(half, path[:2])
    resumed, _, _ = start(CLASSES)
    rest, _ = trajectory(resumed, tf.constant(half[-1]), kept, 2, 4)
    np.testing.assert_array_equal(rest, path[2:])
    driver.full.chunks.seed += 1
    models = [problem.linearize(params) for problem in (driver.full, resumed.full)]
    np.testing.assert_allclose(models[0].gradient, models[1].gradient, rtol=1e-12)
    assert not np.array_equal(models[0].curvature.diagonal, models[1].curvature.diagonal)
