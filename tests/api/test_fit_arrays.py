"""`lmrun.fit`: formulas beside SciPy, Keras models of every kind, run directories, and what is refused."""

import copy
import json
import pickle
from dataclasses import fields

import keras
import numpy as np
import pandas
import pytest
import tensorflow as tf
from scipy.optimize import curve_fit

import lmrun
from lmrun.config.load import load_config
from lmrun.errors import ConfigError, DataError, RunDirectoryError, UsageError
from lmrun.optimizers.damping.base import Damping
from lmrun.predict.predictor import load_predictor
from lmrun.predict.rows import predicted
from lmrun.runs.layout import RunDirectory
from lmrun.training.opening import prepare
from lmrun.training.progress import SilentProgress
from lmrun.training.session import execute

RISE = "y ~ b1*(1 - exp(-b2*x))"
STARTS = {"b1": 1.0, "b2": 0.1}


def rise(x, b1, b2):
    return b1 * (1 - np.exp(-b2 * x))


@pytest.fixture
def decay(rng):
    x = np.linspace(0.1, 6, 30)
    sigma = 0.01 * (1 + x)
    return x, rise(x, 3.0, 0.7) + sigma * rng.normal(size=30), sigma


class Halving:
    """A damping of the user's own, which counts how often it is asked."""

    def __init__(self):
        self.asked = 0

    def start(self, largest, scaled_norm):
        return Damping(1.0)

    def accepted(self, damping, gain_ratio, scalars):
        self.asked += 1
        return damping._replace(value=damping.value / 2)

    def rejected(self, damping, gain_ratio, scalars):
        self.asked += 1
        return damping._replace(value=damping.value * 2)


@pytest.mark.parametrize("absolute", [False, True])
def test_a_formula_is_fitted_as_by_scipy(decay, absolute):
    x, y, sigma = decay
    result = lmrun.fit(RISE, x, y, parameters=STARTS, sigma=sigma)
    expected, covariance = curve_fit(rise, x, y, [1, 0.1], sigma, absolute_sigma=absolute, xtol=1e-14)
    fit = result.answers(absolute_sigma=absolute)["estimates"]
    errors = [one["standard_error"] for one in fit.values()]
    np.testing.assert_allclose(list(result.params.values()), expected, rtol=1e-8)
    # SciPy's Jacobian is of finite differences.
    np.testing.assert_allclose(errors, np.sqrt(np.diag(covariance)), rtol=1e-5)
    np.testing.assert_allclose(result.predict([0.5, 2.0]), rise(np.array([0.5, 2.0]), *expected), rtol=1e-8)
    if not absolute:
        assert result.standard_errors == dict(zip(STARTS, errors, strict=True))
        low, high = result.intervals["b1"]
        assert low < expected[0] < high


def test_columns_are_found_by_their_names(decay):
    x, y, _ = decay
    by_position = lmrun.fit(RISE, x, y, parameters=STARTS)
    table = {"other": x + 1, "x": x, "y": y}
    for data in (table, pandas.DataFrame(table)):
        assert lmrun.fit(RISE, data, parameters=STARTS).params == by_position.params
    assert lmrun.fit("b1*(1 - exp(-b2*x))", x, y, parameters=STARTS).params == by_position.params


def test_several_targets_share_parameters(decay):
    x, _, _ = decay
    formulas = {"up": "a*x + b", "down": "b - a*x"}
    data = {"x": x, "down": 1 - 2 * x, "up": 2 * x + 1}
    result = lmrun.fit(formulas, data, parameters={"a": 1.0, "b": {"start": 0.0, "max": 5.0}})
    assert result.params == pytest.approx({"a": 2.0, "b": 1.0}, abs=1e-12)
    np.testing.assert_allclose(result.predict({"x": [3.0]}), [[7.0, -5.0]], rtol=1e-12)


def test_a_model_of_two_inputs_with_a_loss_and_a_damping_of_the_users_own(two_inputs):
    def log_cosh(y_true, y_pred):
        return tf.math.log(tf.cosh(y_pred - y_true))

    damping = Halving()
    result = lmrun.fit(
        two_inputs.model, two_inputs.x, two_inputs.y, loss=log_cosh, damping=damping, max_steps=60
    )
    predicted = np.asarray(two_inputs.model(two_inputs.x))
    assert result.loss == pytest.approx(np.mean(np.log(np.cosh(predicted - two_inputs.y))), rel=1e-12)
    assert result.loss < 1e-3 * result.initial_loss
    np.testing.assert_allclose(result.predict(two_inputs.x), predicted, rtol=1e-12)
    assert damping.asked >= result.steps == 60


def test_the_best_weights_are_in_the_model_and_the_result_keeps_its_own(small, wave):
    model = small()
    result = lmrun.fit(model, wave.x, wave.y, max_steps=5, validation_data=(wave.x + 1, np.sin(wave.x + 1)))
    validation = result.history["validation_loss"]
    assert result.best_step == np.argmin(validation)
    assert result.best_validation_loss == validation.min()
    predicted = np.asarray(model(wave.x))
    model.set_weights([np.zeros_like(weight) for weight in model.get_weights()])
    np.testing.assert_array_equal(result.predict(wave.x), predicted)


def test_a_float32_model_trained_in_float64(small, wave):
    rounded, exact = small("float32"), small("float64")
    exact.set_weights(rounded.get_weights())
    options = {"max_steps": 40}
    result = lmrun.fit(rounded, wave.x, wave.y, precision="float64", **options)
    assert result.loss == lmrun.fit(exact, wave.x, wave.y, **options).loss
    assert rounded.trainable_variables[0].dtype == "float32"
    np.testing.assert_allclose(np.asarray(rounded(wave.x)), result.predict(wave.x), atol=1e-5)


def test_a_model_of_a_class_of_its_own(wave, small):
    class Own(keras.Model):
        def __init__(self):
            super().__init__(dtype="float64")
            keras.utils.set_random_seed(3)
            self.first = keras.layers.Dense(5, activation="tanh", dtype="float64")
            self.second = keras.layers.Dense(1, dtype="float64")

        def call(self, inputs):
            return self.second(self.first(inputs))

    model, same = Own(), small()
    model(wave.x)
    same.set_weights(model.get_weights())
    found = lmrun.fit(model, wave.x, wave.y, max_steps=8)
    expected = lmrun.fit(same, wave.x, wave.y, max_steps=8)
    np.testing.assert_allclose(found.history["loss"], expected.history["loss"], rtol=1e-9)


def test_the_fields_are_those_of_a_run(decay, tmp_path):
    x, y, _ = decay
    run = lmrun.fit(RISE, x, y, parameters=STARTS, run_dir=tmp_path / "one")
    summary = json.loads((tmp_path / "one" / "summary.json").read_text())
    about_files = {"schema_version", "files", "checksum"}
    assert set(summary) - about_files <= {field.name for field in fields(lmrun.Result)}
    assert summary["params"] == run.params
    alone = lmrun.fit(RISE, x, y, parameters=STARTS)
    for column, values in run.history.items():
        if column != "seconds":
            np.testing.assert_array_equal(alone.history[column], values)
    with pytest.raises(RunDirectoryError, match="exists and is not overwritten"):
        lmrun.fit(RISE, x, y, parameters=STARTS, run_dir=tmp_path / "one")


def test_the_config_of_a_run_repeats_the_fit(decay, tmp_path):
    x, y, sigma = decay
    run = tmp_path / "one"
    rows = {"sigma": sigma, "validation_data": (x + 0.1, y, np.arange(30.0))}
    result = lmrun.fit(RISE, x, y, parameters=STARTS, run_dir=run, **rows)
    loaded = load_config(str(run / "config.yaml"), ["training.max_seconds=10"])
    experiment, again = prepare(loaded, tmp_path, "again", ["test"])
    summary = execute(experiment, again, SilentProgress())
    assert summary["params"] == result.params
    assert summary["validation_loss"] == result.validation_loss
    checksums = [
        json.loads((folder / "manifest.json").read_text())["data_checksum"] for folder in (run, again.path)
    ]
    assert checksums[0] == checksums[1]


def test_the_model_of_a_run_is_the_users(two_inputs, tmp_path):
    result = lmrun.fit(two_inputs.model, two_inputs.x, two_inputs.y, max_steps=3, run_dir=tmp_path / "two")
    loaded = keras.models.load_model(tmp_path / "two" / "model.keras")
    expected = result.predict(two_inputs.x)
    np.testing.assert_array_equal(np.asarray(loaded(two_inputs.x)), expected)
    # Beside each other as `lmrun predict` reads them.
    flat = {"picture": two_inputs.x["picture"].reshape(30, -1), "vector": two_inputs.x["vector"]}
    np.savez(tmp_path / "new.npz", **flat)
    predictor = load_predictor(RunDirectory(tmp_path / "two"))
    assert predictor.inputs == (*(f"picture{i}" for i in range(1, 7)), "vector1", "vector2")
    (part,) = predicted(predictor, str(tmp_path / "new.npz"))
    np.testing.assert_allclose(part["y"], expected[:, 0], rtol=1e-12)


def test_columns_of_any_name_and_a_table_that_validates(tmp_path):
    rows = {"file": np.arange(5.0), "y": 2 * np.arange(5.0)}
    options = {"parameters": {"a": 1.0}, "validation_data": rows, "run_dir": tmp_path / "file"}
    result = lmrun.fit("y ~ a*file", rows, **options)
    assert result.validation_loss == pytest.approx(0, abs=1e-20)
    np.testing.assert_array_equal(np.load(tmp_path / "file/data.npz")["file"], np.tile(rows["file"], 2))


def test_a_pickle_has_the_numbers(small, wave):
    result = lmrun.fit(small(), wave.x, wave.y, max_steps=2)
    assert copy.deepcopy(result) is copy.copy(result) is result
    sent = pickle.loads(pickle.dumps(result))
    assert repr(sent) == repr(result)
    np.testing.assert_array_equal(sent.history["loss"], result.history["loss"])
    np.testing.assert_array_equal(sent.weights, result.weights)
    with pytest.raises(UsageError, match="predict: this result comes from a pickle"):
        sent.predict(wave.x)
    with pytest.raises(UsageError, match="answers: this result comes from a pickle"):
        sent.answers()


def test_a_run_whose_model_ends_in_probabilities_predicts_them(wave, tmp_path):
    """No layer says so: the last operation is a function of `keras.ops`."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((1,), dtype="float64")
    scores = keras.layers.Dense(2, dtype="float64")(inputs)
    model = keras.Model(inputs, keras.ops.softmax(scores))
    labels = (wave.x[:, 0] > 0.3).astype(int)
    options = {"loss": "sparse_categorical_crossentropy", "max_steps": 2, "run_dir": tmp_path / "shares"}
    lmrun.fit(model, wave.x, labels, **options)
    np.savez(tmp_path / "new.npz", x=wave.x[:3])
    (part,) = predicted(load_predictor(RunDirectory(tmp_path / "shares")), str(tmp_path / "new.npz"))
    np.testing.assert_allclose(part["y_1_probability"], np.asarray(model(wave.x[:3]))[:, 1], rtol=1e-12)


def test_weights_count_as_repeated_rows(small, wave):
    counts = np.arange(len(wave.x)) % 3
    repeated = lmrun.fit(
        small(), np.repeat(wave.x, counts, axis=0), np.repeat(wave.y, counts, axis=0), max_steps=6
    )
    weighted = lmrun.fit(small(), wave.x, wave.y, sample_weight=counts, max_steps=6)
    np.testing.assert_allclose(weighted.history["loss"], repeated.history["loss"], rtol=1e-8)


def test_an_optimizer_of_keras(small, wave):
    rate = keras.optimizers.SGD(0.05, momentum=0.5)
    result = lmrun.fit(small(), wave.x, wave.y, optimizer=rate, max_steps=5)
    model = small()
    model.compile(rate, "mse")
    batches = tf.data.Dataset.from_tensor_slices((wave.x, wave.y)).batch(len(wave.x))
    losses = model.fit(batches, epochs=5, verbose=0).history["loss"]
    np.testing.assert_allclose(result.history["loss"][:5], losses, rtol=1e-6)


def test_all_mistakes_in_the_options_at_once(small, wave):
    with pytest.raises(ConfigError) as caught:
        lmrun.fit(
            small(),
            wave.x,
            wave.y,
            loss="hubber",
            optimizer={"name": "lm", "damping": {"update": "nilsen"}},
            max_step=3,
        )
    assert str(caught.value).splitlines() == [
        "lmrun.fit: loss.name: unknown name 'hubber'. Did you mean 'huber'?",
        "lmrun.fit: optimizer.damping.update: unknown name 'nilsen'. Did you mean 'nielsen'?",
        "lmrun.fit: training.max_step: unknown key. Did you mean 'max_steps'?",
    ]


def test_a_damping_that_lacks_a_method(small, wave):
    class Half:
        def start(self, largest, scaled_norm):
            return Damping(1.0)

    with pytest.raises(ConfigError, match=r"optimizer\.damping\.update: Half has no method accepted\("):
        lmrun.fit(small(), wave.x, wave.y, damping=Half())


REFUSED = {
    "rows": ({"y": np.zeros(3)}, DataError, "different numbers of rows: x 40, y 3"),
    "columns": ({"x": np.zeros((40, 2))}, DataError, r"x: its samples have the shape \(2,\), and the model"),
    "width": ({"y": np.zeros((40, 2))}, DataError, "y: has 2 values per row, and the model predicts 1"),
    "not finite": ({"y": np.full(40, np.nan)}, DataError, r"y: a value in row 0 \(counted from 0\)"),
    "text": ({"x": np.array(["a"] * 40)}, DataError, "x: holds <U1 values"),
    "no y": ({"y": None}, DataError, "y: the targets are missing"),
    "weights": ({"sample_weight": -np.ones(40)}, DataError, "sample_weight: weights are zero or more"),
    "both": ({"sample_weight": np.ones(40), "sigma": np.ones(40)}, DataError, "sigma: does not go with"),
    "model": ({"model": 3}, UsageError, "model: should be a Keras model or a formula, not int"),
    "labels": ({"loss": "sparse_categorical_crossentropy"}, DataError, "y: labels are integers from 0 to 0"),
    "split": ({"validation_split": 1.5}, DataError, "validation_split: 1.5 of 40 rows"),
    "tuple": ({"validation_data": np.zeros(3)}, DataError, "validation_data: should be"),
    "scalar": ({"loss": lambda t, p: tf.reduce_mean(t - p)}, ConfigError, "should return float64 .3., not"),
}


@pytest.mark.parametrize(("change", "kind", "words"), REFUSED.values(), ids=REFUSED)
def test_refused_in_words(small, wave, change, kind, words):
    arguments = {"model": small(), "x": wave.x, "y": wave.y, **change}
    with pytest.raises(kind, match=words):
        lmrun.fit(arguments.pop("model"), arguments.pop("x"), arguments.pop("y"), max_steps=1, **arguments)


FORMULAS = {
    "no parameters": (RISE, {}, "parameters: give each parameter of the formula a starting value"),
    "lost": ("y ~ b1*z", {"b1": 1}, "formula: 'z' is no column of x and has no starting value"),
    "grammar": ("y ~ b1**", {"b1": 1}, "formula: at character"),
    "sides": ("y ~ x ~ b1", {"b1": 1}, "formula: should be 'target ~ expression'"),
    "nothing to read": ("y ~ b1", {"b1": 1}, "formula: it reads no column"),
}


@pytest.mark.parametrize(("formula", "parameters", "words"), FORMULAS.values(), ids=FORMULAS)
def test_formulas_refused_in_words(formula, parameters, words):
    data = {"x": np.arange(4.0), "y": np.arange(4.0)}
    with pytest.raises(UsageError, match=words):
        lmrun.fit(formula, data, parameters=parameters)
