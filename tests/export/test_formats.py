"""`lmrun export`: each format read back by what reads it elsewhere."""

import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from typer.testing import CliRunner, Result

from lmrun.cli import app
from lmrun.errors import UsageError
from lmrun.export.formats import Exported, write
from lmrun.runs.layout import RunDirectory

X = np.linspace(-1, 1, 7)[:, None]


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a small network."""
    folder = tmp_path_factory.mktemp("export")
    options = ("--quiet", "--name", "a", "--runs-dir", str(folder / "runs"))
    changes = ("dataset.points=60", "model.hidden=[3]", "training={max_steps: 3}")
    assert invoke("train", "sinc", *changes, *options).exit_code == 0
    return folder


def export(kind: str, folder: Path, *more: str) -> Path:
    result = invoke("export", "a", "--format", kind, "--runs-dir", str(folder / "runs"), *more)
    assert result.exit_code == 0, result.output
    return Path(result.stdout.strip())


@pytest.fixture(scope="module")
def expected(there: Path) -> np.ndarray:
    return np.asarray(keras.models.load_model(there / "runs/a/model.keras")(X))


def test_keras(there: Path, expected: np.ndarray) -> None:
    path = export("keras", there, "-o", str(there / "b.keras"))
    assert np.array_equal(np.asarray(keras.models.load_model(path)(X)), expected)


def test_savedmodel(there: Path, expected: np.ndarray) -> None:
    path = export("savedmodel", there)
    assert path == there / "runs/a/savedmodel"
    # It has to outlive the call.
    loaded = tf.saved_model.load(str(path))
    np.testing.assert_allclose(loaded.serve(tf.constant(X)), expected, rtol=1e-12)


def test_npz(there: Path, expected: np.ndarray) -> None:
    arrays = np.load(export("npz", there))
    hidden = np.tanh(X @ arrays["1_kernel"] + arrays["1_bias"])
    assert (str(arrays["1_activation"]), arrays["targets"].tolist()) == ("tanh", ["y"])
    np.testing.assert_allclose(hidden @ arrays["2_kernel"] + arrays["2_bias"], expected, rtol=1e-12)


def test_onnx(there: Path, expected: np.ndarray) -> None:
    session = onnxruntime.InferenceSession(export("onnx", there))
    np.testing.assert_allclose(session.run(["y"], {"x": X})[0], expected, rtol=1e-12)


def test_tflite(there: Path, expected: np.ndarray) -> None:
    interpreter = Interpreter(str(export("tflite", there)))
    interpreter.resize_tensor_input(0, X.shape)
    made = interpreter.get_signature_runner()(x=X.astype(np.float32))["y"]
    np.testing.assert_allclose(made, expected, atol=1e-6 * np.abs(expected).max())


def test_onnx_without_its_package(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lmrun.export.onnx_model", "lmrun.export.onnx_layers", "lmrun.export.onnx_graph"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "onnx", None)
    result = invoke(
        "export", "a", "--format", "onnx", "--runs-dir", str(there / "runs"), "-o", str(there / "n.onnx")
    )
    assert result.exit_code == 2
    assert "pip install 'lmrun[onnx]'" in result.output
    assert not (there / "n.onnx").exists()


def test_c(there: Path) -> None:
    text = export("c", there).read_text()
    assert "static inline void model_predict(const double x[MODEL_INPUTS]" in text
    assert " * y from x: the run a, written by lmrun" in text


def test_what_a_format_does_not_know_names_those_that_do(there: Path, tmp_path: Path) -> None:
    layers = [keras.layers.Conv2D(1, 2), keras.layers.GlobalMaxPooling2D()]
    model = keras.Sequential([keras.Input((3, 3, 1)), *layers])
    exported = Exported(RunDirectory(there / "runs/a"), model, ("x",), ("y",), logits=False)
    with pytest.raises(
        UsageError, match=r"A layer GlobalMaxPooling2D .* as onnx. --format can be keras, sav"
    ):
        write("onnx", exported, tmp_path / "a.onnx")
    exported = replace(exported, model=keras.Sequential([keras.Input((3, 3, 1)), layers[0]]))
    with pytest.raises(UsageError, match=r"as c\. --format can be keras, savedmodel, onnx, tflite"):
        write("c", exported, tmp_path / "a.h")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a", "--format", "onx"], "There is no format 'onx'"),
        (["b", "--format", "c"], "There is no run 'b'"),
        (["a", "--format", "c", "-o", "none/a.h"], "There is no folder none"),
        (["a", "--format", "keras"], "is that model already"),
    ],
)
def test_wrong_words(arguments: list[str], words: str, there: Path) -> None:
    result = invoke("export", *arguments, "--runs-dir", str(there / "runs"))
    assert result.exit_code == 2
    assert words in result.output
