"""TFLite, read back by LiteRT. It has single precision only."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from exported_models import PRECISIONS, assert_near, cnn, every_function, formula, mlp

from lmrun.errors import UsageError
from lmrun.export.tflite import tflite_model
from lmrun.models.network import sequential


def run(model, inputs: np.ndarray) -> np.ndarray:
    interpreter = Interpreter(model_content=tflite_model(model))
    interpreter.resize_tensor_input(0, inputs.shape)
    made = interpreter.get_signature_runner()(x=inputs.astype(np.float32))["y"]
    assert made.dtype == np.float32
    return made


@PRECISIONS
def test_networks_agree_with_keras(dtype, rng):
    model = mlp(dtype, rng)
    inputs = rng.normal(size=(20, 3)).astype(np.float32)
    assert_near(run(model, inputs), model(inputs.astype(dtype)), "float32")


@PRECISIONS
def test_convolutions_agree_with_keras(dtype, rng):
    model = cnn(dtype, rng)
    inputs = rng.normal(size=(5, 9, 11, 2)).astype(np.float32)
    assert_near(run(model, inputs), model(inputs.astype(dtype)), "float32")


@PRECISIONS
def test_every_function_and_operator_agrees_with_tensorflow(dtype, rng):
    model = every_function(dtype)
    inputs = rng.uniform(0.1, 1, (30, 3)).astype(np.float32)
    assert_near(run(model, inputs), model(inputs.astype(dtype)), "float32")


def test_where_functions_end():
    texts = [
        "arctan2(x, t)",
        "arcsin(x)",
        "arccos(x)",
        "arctan(1/x)",
        "log1p(x)",
        "erf(1e3*x)",
        "sqrt(x - a)",
    ]
    model = formula(texts, ["x", "t"], "float32", parameters={"a": 1.0})
    inputs = np.array([[0, 0], [1, 0], [-1, 0], [0, -1], [0, 1]], np.float32)
    np.testing.assert_allclose(run(model, inputs), np.asarray(model(inputs)), rtol=1e-6, atol=1e-6)


def test_what_cannot_be_written_says_so():
    with pytest.raises(UsageError, match="A layer Dropout cannot be written in this format"):
        tflite_model(sequential([keras.layers.Dropout(0.5)], (2,), "float32"))
