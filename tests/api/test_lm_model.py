"""`LMModel` beside Keras' own `fit`: callbacks, history, streams, weights, early stopping."""

import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf

from lmrun.errors import ConfigError, DataError, UsageError
from lmrun.keras import LMModel, Residuals

HOOKS = ("train_begin", "epoch_begin", "train_batch_begin", "train_batch_end", "epoch_end", "train_end")


class Spy(keras.callbacks.Callback):
    """Write down what is called, and with which logs."""

    def __init__(self):
        super().__init__()
        self.calls = []
        for hook in HOOKS:
            setattr(self, f"on_{hook}", self._noting(hook))

    def _noting(self, hook):
        numbered = hook not in {"train_begin", "train_end"}

        def note(*arguments, logs=None):
            self.calls.append((hook, arguments[0]) if numbered else (hook,))

        return note


@pytest.fixture
def trained(small, wave):
    """Return a function that trains a network on the wave."""

    def train(compiled=None, **options):
        model = LMModel(small())
        model.compile(**(compiled or {"loss": "mse"}))
        return model, model.fit(wave.x, wave.y, verbose=0, **options)

    return train


def test_callbacks_are_called_as_by_keras(small, wave):
    spies = Spy(), Spy()
    options = {"batch_size": 15, "epochs": 2, "verbose": 0, "validation_split": 0.1}
    theirs = small()
    theirs.compile("sgd", "mse")
    expected = theirs.fit(wave.x, wave.y, callbacks=[spies[0]], **options)
    ours = LMModel(small())
    ours.compile(loss="mse")
    history = ours.fit(wave.x, wave.y, callbacks=[spies[1]], **options)
    assert spies[1].calls == spies[0].calls
    assert len(spies[0].calls) == 2 + 2 * (2 + 2 * 3)
    assert set(history.history) == {*expected.history, "damping", "attempts"}
    assert history.epoch == expected.epoch


def test_the_history_is_of_the_weights_after_each_epoch(trained, wave):
    seen = []

    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            error = np.asarray(self.model(wave.x)) - wave.y
            seen.append((np.mean(error**2), np.mean(np.abs(error))))

    compiled = {"loss": "mean_squared_error", "metrics": ["mae"]}
    model, history = trained(compiled, epochs=4, callbacks=[Look()])
    losses, errors = zip(*seen, strict=True)
    np.testing.assert_allclose(history.history["loss"], losses, rtol=1e-10)
    # Keras adds metrics up in float32.
    np.testing.assert_allclose(history.history["mae"], errors, rtol=1e-5)
    assert model.evaluate(wave.x, wave.y, return_dict=True) == pytest.approx(
        {"loss": losses[-1], "mae": errors[-1]}, rel=1e-5
    )
    np.testing.assert_array_equal(model.predict(wave.x), np.asarray(model(wave.x)))
    assert model.result.steps == 4


def test_early_stopping_restores_the_best_weights(trained, wave):
    # Far outside of the training rows the fit gets worse again.
    outside = np.linspace(4, 6, 10)[:, None]
    stop = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    model, history = trained(epochs=60, validation_data=(outside, np.cos(outside)), callbacks=[stop])
    losses = history.history["val_loss"]
    best = int(np.argmin(losses))
    assert len(losses) == best + 3 < 60
    assert model.stop_training
    assert model.result.status == "interrupted"
    assert np.mean((model.predict(outside) - np.cos(outside)) ** 2) == pytest.approx(losses[best], rel=1e-10)


def test_checkpoints_are_models_of_keras(trained, wave, tmp_path):
    save = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras")
    model, _ = trained(epochs=3, callbacks=[save])
    saved = keras.models.load_model(tmp_path / "3.keras")
    np.testing.assert_array_equal(np.asarray(saved(wave.x)), model.predict(wave.x))
    first = keras.models.load_model(tmp_path / "1.keras")
    assert np.mean((np.asarray(first(wave.x)) - wave.y) ** 2) > model.evaluate(wave.x, wave.y)


@pytest.mark.parametrize(
    "loss",
    ["soft_l1", {"name": "huber", "delta": 0.3}, {"name": "custom", "residual": lambda z, t: z - t}],
    ids=["name", "mapping", "custom"],
)
def test_keras_evaluates_every_loss_of_lmrun(small, wave, loss):
    model = LMModel(small())
    model.compile(loss=loss)
    history = model.fit(wave.x, wave.y, epochs=2, verbose=0)
    assert model.evaluate(wave.x, wave.y) == pytest.approx(history.history["loss"][-1], rel=1e-6)


def test_a_model_with_a_loss_of_lmruns_is_saved_and_loaded(small, wave, tmp_path):
    model = LMModel(small())
    model.compile(loss={"name": "cauchy", "scale": 0.5})
    model.fit(wave.x, wave.y, verbose=0)
    model.save(tmp_path / "cauchy.keras")
    loaded = keras.models.load_model(tmp_path / "cauchy.keras")
    rows = tf.data.Dataset.from_tensor_slices((wave.x, wave.y)).batch(40)
    assert loaded.evaluate(rows, verbose=0) == model.evaluate(wave.x, wave.y)


def test_a_callback_ends_the_training_within_an_epoch(small, wave):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 1

    model = LMModel(small())
    model.compile()
    model.fit(wave.x, wave.y, batch_size=10, epochs=3, verbose=0, callbacks=[Stop()])
    assert model.result.steps == 2


def test_a_stream_is_read_as_arrays(small, wave, trained):
    weights = np.linspace(0.5, 1.5, len(wave.x))
    _, expected = trained(epochs=3, sample_weight=weights, batch_size=16)
    stream = tf.data.Dataset.from_tensor_slices((wave.x, wave.y, weights)).batch(16)
    model = LMModel(small())
    model.compile(loss="mse")
    assert model.fit(stream, epochs=3, verbose=0).history == expected.history
    rows = np.concatenate([np.asarray(x) for x, *_ in stream])
    np.testing.assert_array_equal(model.predict(stream), model.predict(rows))


def test_streams_refused_in_words(small, wave):
    rows = tf.data.Dataset.from_tensor_slices((wave.x, wave.y))
    model = LMModel(small())
    model.compile()
    with pytest.raises(DataError, match=r"repeats for ever; leave its repeat\(\) out"):
        model.fit(rows.batch(4).repeat())
    with pytest.raises(DataError, match="leave y and sample_weight out"):
        model.fit(rows.batch(4), wave.y)


def test_residuals_of_the_users_own_are_least_squares(trained):
    def twice(y_true, y_pred):
        return 2 * (y_pred - y_true)

    # Where nothing is said, only losses that lmrun knows are accelerated.
    straight = {"name": "lm", "acceleration": "none"}
    _, plain = trained({"loss": "mse", "optimizer": straight}, epochs=4)
    _, own = trained({"loss": Residuals(twice), "optimizer": straight}, epochs=4)
    np.testing.assert_allclose(own.history["loss"], 4 * np.array(plain.history["loss"]), rtol=1e-9)


def test_a_copy_begins_anew_with_the_weights(small, wave):
    model = LMModel(small())
    model.compile(loss="huber")
    model.fit(wave.x, wave.y, verbose=0)
    sent = pickle.loads(pickle.dumps(model))
    assert sent.evaluate(wave.x, wave.y) == pytest.approx(model.evaluate(wave.x, wave.y), rel=1e-6)
    assert sent.result.steps == 1
    sent.fit(wave.x, wave.y, verbose=0)
    assert not np.array_equal(sent.predict(wave.x), model.predict(wave.x))


def test_what_is_not_its_own_is_the_models(small):
    model = LMModel(small())
    assert model.count_params() == 16
    assert model.get_weights()[0].shape == (1, 5)
    with pytest.raises(AttributeError):
        model.nonsense  # noqa: B018 - asked for


def test_misuse_in_words(small, wave):
    with pytest.raises(UsageError, match="should be given a Keras model, not int"):
        LMModel(3)
    with pytest.raises(UsageError, match=r"call compile\(loss=...\) before fit"):
        LMModel(small()).fit(wave.x, wave.y)
    model = LMModel(small())
    model.compile(optimizer="ml")
    with pytest.raises(ConfigError, match=r"LMModel\.fit: optimizer\.name: unknown name 'ml'"):
        model.fit(wave.x, wave.y)
