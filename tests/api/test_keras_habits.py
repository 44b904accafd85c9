"""The arguments of Keras' `fit`, `evaluate` and `predict`: each works, or is refused in words."""

import keras
import numpy as np
import pandas
import pytest
import tensorflow as tf

import lmrun
from lmrun.errors import ConfigError, DataError, UsageError
from lmrun.keras import LMModel


@pytest.fixture
def fitted(small, wave):
    """Return a function that fits a network to the wave."""

    def fit(compiled=None, x=None, y=None, **options):
        model = LMModel(small())
        model.compile(**(compiled or {"loss": "mse"}))
        x, y = (wave.x, wave.y) if x is None else (x, y)
        return model, model.fit(x, y, **{"verbose": 0, **options})

    return fit


def test_a_further_fit_goes_on(fitted, wave):
    _, whole = fitted(epochs=6)
    model, first = fitted(epochs=2)
    second = model.fit(wave.x, wave.y, epochs=6, initial_epoch=2, verbose=0)
    assert second.epoch == [2, 3, 4, 5]
    for name, values in whole.history.items():
        np.testing.assert_array_equal(first.history[name] + second.history[name], values)
    model.compile(loss="mse")
    again = model.fit(wave.x, wave.y, verbose=0)
    assert again.history["damping"] != second.history["damping"][-1:]


def test_adam_goes_on_with_its_moments(wave):
    """The second step of y = w x, begun in a further fit, is that of Kingma and Ba's algorithm 1."""
    line = keras.layers.Dense(1, use_bias=False, dtype="float64")
    model = LMModel(keras.Sequential([keras.Input((1,), dtype="float64"), line]))
    model.set_weights([np.full((1, 1), 2.0)])
    model.compile(optimizer="adam", loss="mse")
    weight, mean, square = 2.0, 0.0, 0.0
    for time in (1, 2):
        gradient = np.mean(2 * (weight * wave.x - wave.y) * wave.x)
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        weight -= 0.001 * np.sqrt(1 - 0.999**time) / (1 - 0.9**time) * mean / (np.sqrt(square) + 1e-7)
        model.fit(wave.x, wave.y, verbose=0)
    assert float(model.get_weights()[0][0, 0]) == pytest.approx(weight, rel=1e-13)


def test_steps_of_an_epoch(fitted):
    _, plain = fitted(epochs=2, batch_size=10, shuffle=False)
    model, history = fitted(epochs=4, batch_size=10, shuffle=False, steps_per_epoch=2)
    assert history.epoch == [0, 1, 2, 3]
    assert model.result.steps == 8
    # 2 epochs of 2 steps are one pass over the rows, whose loss is the mean over its batches.
    means = np.reshape(history.history["loss"], (2, 2)).mean(axis=1)
    np.testing.assert_allclose(means, plain.history["loss"], rtol=1e-12)


def test_validation_now_and_then(fitted, wave):
    seen = []

    class Look(keras.callbacks.Callback):
        def on_test_end(self, logs=None):
            seen.append(logs["loss"])

    outside = (wave.x + 1, np.sin(wave.x + 1))
    model, history = fitted(
        epochs=4, validation_data=outside, validation_freq=2, validation_steps=2, validation_batch_size=5,
        callbacks=Look(),
    )  # fmt: skip
    assert history.history["val_loss"] == seen
    assert len(seen) == 2
    error = np.mean((model.predict(outside[0][:10]) - outside[1][:10]) ** 2)
    assert seen[-1] == pytest.approx(error, rel=1e-9)


def test_weights_of_classes_are_weights_of_rows(small, wave):
    labels = (wave.x[:, 0] > 0.7).astype(int)
    losses = []
    for options in ({"class_weight": {1: 3.0}}, {"sample_weight": np.where(labels == 1, 3.0, 1.0)}):
        model = LMModel(small(outputs=2))
        model.compile(loss="sparse_categorical_crossentropy")
        losses.append(model.fit(wave.x, labels, epochs=3, verbose=0, **options).history["loss"])
    assert losses[0] == losses[1]
    with pytest.raises(DataError, match="class_weight: does not go with sample_weight"):
        model.fit(wave.x, labels, class_weight={1: 2}, sample_weight=np.ones(40))


def test_the_loss_of_weighted_rows_is_that_of_fit(fitted, wave):
    weights = np.linspace(1, 3, 40)[:, None]
    model, history = fitted(epochs=2, sample_weight=weights)
    loss = history.history["loss"][-1]
    assert model.evaluate(wave.x, wave.y, sample_weight=weights) == pytest.approx(loss, rel=1e-6)
    error = (model.predict(wave.x) - wave.y) ** 2
    assert loss == pytest.approx(np.average(error, weights=weights), rel=1e-10)


def test_evaluated_and_predicted_before_any_fit(small, wave):
    model = LMModel(small())
    with pytest.raises(UsageError, match="call compile"):
        model.evaluate(wave.x, wave.y)
    model.compile(loss="mae", weighted_metrics=["mse"])
    found = model.evaluate(wave.x, wave.y, return_dict=True)
    error = model.predict(wave.x, batch_size=7) - wave.y
    assert found == pytest.approx({"loss": np.mean(np.abs(error)), "mse": np.mean(error**2)}, rel=1e-5)
    rows = model.predict(wave.x, batch_size=8, steps=2, callbacks=[])
    np.testing.assert_allclose(rows, model.predict(wave.x[:16]), rtol=1e-12)


def batches(wave, count):
    for start in range(count):
        rows = slice(start % 4 * 10, start % 4 * 10 + 10)
        yield wave.x[rows], wave.y[rows]


class Sequence(keras.utils.PyDataset):
    def __init__(self, wave):
        super().__init__()
        self.parts = list(batches(wave, 4))

    def __len__(self):
        return 4

    def __getitem__(self, number):
        return self.parts[number]


def test_streams_of_every_kind(fitted, wave):
    repeating = tf.data.Dataset.from_tensor_slices((wave.x, wave.y)).batch(10).repeat()
    streams = {
        "generator": (batches(wave, 4), {}),
        "endless generator": (batches(wave, 10**9), {"steps_per_epoch": 4}),
        "dataset": (repeating, {"steps_per_epoch": 4}),
        "sequence": (Sequence(wave), {}),
    }
    _, expected = fitted(epochs=2, batch_size=10)
    for name, (stream, options) in streams.items():
        _, history = fitted(x=stream, epochs=2, **options)
        np.testing.assert_allclose(
            history.history["loss"], expected.history["loss"], rtol=1e-12, err_msg=name
        )
    result = lmrun.fit(fitted()[0].model, wave.x, wave.y, max_steps=1)
    np.testing.assert_array_equal(result.predict(Sequence(wave)), result.predict(wave.x))
    frame, column = pandas.DataFrame(wave.x), pandas.Series(wave.y[:, 0])
    assert fitted(x=frame, y=column, epochs=2)[1].history == fitted(epochs=2)[1].history


def test_attributes_are_the_models_when_set_too(small):
    model = LMModel(small())
    model.trainable = False
    assert not model.model.trainable
    model.seed = 3
    assert not hasattr(model.model, "seed")
    assert "summary" in dir(model)
    model.compile(optimizer="adam")
    assert model.optimizer == "adam"


def test_a_run_that_was_broken_off_goes_on(small, wave, tmp_path):
    class Break(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 3:
                raise RuntimeError

    def fit(*callbacks):
        model = LMModel(small())
        model.compile(loss="mse")
        return model.fit(wave.x, wave.y, epochs=5, verbose=0, callbacks=list(callbacks))

    backup = keras.callbacks.BackupAndRestore
    with pytest.raises(RuntimeError):
        fit(backup(tmp_path / "backup"), Break())
    history = fit(backup(tmp_path / "backup"))
    assert history.epoch == [3, 4]
    # From the weights of the third epoch, with a fresh damping.
    assert history.history["loss"][0] < fit().history["loss"][2]


class Sets(keras.callbacks.Callback):
    def __init__(self, change):
        super().__init__()
        self.change = change

    def on_epoch_end(self, epoch, logs=None):
        self.change(self.model)


def halve(model):
    model.optimizer.learning_rate = 0.5 * float(model.optimizer.learning_rate)


def zero(model):
    model.set_weights([0 * weight for weight in model.get_weights()])


CALLBACKS = {
    "schedule": (
        keras.callbacks.LearningRateScheduler(lambda epoch: 0.1),
        "LearningRateScheduler changes an",
    ),
    "plateau": (keras.callbacks.ReduceLROnPlateau(), "ReduceLROnPlateau changes an optimizer of Keras'"),
    "rate": (Sets(halve), "one sets the rate of model.optimizer"),
    "weights": (Sets(zero), "one sets the model's weights while lmrun trains"),
    "none": (3, "should be callbacks of Keras', not int"),
}


@pytest.mark.parametrize(("callback", "words"), CALLBACKS.values(), ids=CALLBACKS)
def test_callbacks_that_would_change_nothing_are_refused(fitted, callback, words):
    with pytest.raises(UsageError, match=words):
        fitted(epochs=4, callbacks=[callback])


def test_terminated_on_nan_and_lambdas(fitted, tmp_path):
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    seen = []
    note = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    _, history = fitted(epochs=3, callbacks=[keras.callbacks.TerminateOnNaN(), [log, note]])
    assert seen == history.epoch == [0, 1, 2]
    table = pandas.read_csv(tmp_path / "log.csv")
    np.testing.assert_allclose(table["loss"], history.history["loss"])


REFUSED = {
    "epochs": ({"epochs": 0}, UsageError, "epochs: should be a whole number of at least 1, not 0"),
    "first": (
        {"epochs": 2, "initial_epoch": 2},
        UsageError,
        "epochs: should be a whole number of at least 3",
    ),
    "twice": ({"max_epochs": 3}, UsageError, "max_epochs: is what epochs says"),
    "freq": ({"validation_freq": [1, 3]}, UsageError, "validation_freq: should be a whole number"),
    "verbose": ({"verbose": 3}, UsageError, "verbose: should be 0, 1, 2 or 'auto', not 3"),
    "workers": ({"workers": 2}, ConfigError, "training.workers: unknown key"),
    "events": (
        {"tensorboard": True},
        UsageError,
        "tensorboard: is about what is written into a run directory",
    ),
}


@pytest.mark.parametrize(("options", "kind", "words"), REFUSED.values(), ids=REFUSED)
def test_refused_in_words(fitted, options, kind, words):
    with pytest.raises(kind, match=words):
        fitted(**options)


def test_no_step_by_a_batch_and_no_unknown_metric(small, wave):
    model = LMModel(small())
    with pytest.raises(UsageError, match=r"there is no train_on_batch. fit\(x, y, epochs=1\)"):
        model.train_on_batch(wave.x, wave.y)
    with pytest.raises(UsageError, match="metrics: Keras has no metric 'mea'"):
        model.compile(loss="mse", metrics=["mea"])
