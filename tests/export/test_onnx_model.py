"""ONNX, read back by ONNX Runtime."""

import json

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from exported_models import PRECISIONS, assert_near, cnn, every_function, formula, mlp

from lmrun.errors import UsageError
from lmrun.export.onnx_model import onnx_model
from lmrun.models.network import sequential


def run(model, inputs: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(onnx_model(model, ["a"], ["b"], "words"))
    (made,) = session.run(["y"], {"x": inputs})
    assert made.dtype == inputs.dtype
    return made


@PRECISIONS
def test_networks_agree_with_keras(dtype, rng):
    model = mlp(dtype, rng)
    inputs = rng.normal(size=(20, 3)).astype(dtype)
    assert_near(run(model, inputs), model(inputs))


@PRECISIONS
def test_convolutions_agree_with_keras(dtype, rng):
    model = cnn(dtype, rng)
    inputs = rng.normal(size=(5, 9, 11, 2)).astype(dtype)
    assert_near(run(model, inputs), model(inputs))


@PRECISIONS
def test_every_function_and_operator_agrees_with_tensorflow(dtype, rng):
    model = every_function(dtype)
    inputs = rng.uniform(0.1, 1, (30, 3)).astype(dtype)
    assert_near(run(model, inputs), model(inputs))


@PRECISIONS
def test_where_functions_end(dtype):
    texts = [
        "arctan2(x, t)",
        "arcsin(x)",
        "arccos(x)",
        "arctan(1/x)",
        "log1p(x)",
        "erf(1e3*x)",
        "sqrt(x - a)",
    ]
    model = formula(texts, ["x", "t"], dtype, parameters={"a": 1.0})
    inputs = np.array([[0, 0], [1, 0], [-1, 0], [0, -1], [0, 1]], dtype)
    expected = np.asarray(model(inputs))
    np.testing.assert_allclose(run(model, inputs), expected, rtol=1e-6, atol=1e-6)


def test_the_file_says_what_it_reads():
    model = onnx.load_from_string(
        onnx_model(formula("a*x", ["x"], parameters={"a": 2.0}), ["x"], ["y"], "words")
    )
    properties = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    assert properties == {"inputs": ["x"], "targets": ["y"]}
    assert (model.doc_string, model.producer_name) == ("words", "lmrun")
    assert [size.dim_param or size.dim_value for size in model.graph.input[0].type.tensor_type.shape.dim] == [
        "rows",
        1,
    ]


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (keras.layers.Dropout(0.5), "A layer Dropout cannot be written in this format"),
        (keras.layers.Dense(2, activation="mish"), "The activation mish cannot be written in this format"),
        (keras.layers.Conv2D(2, 2, dilation_rate=2), "has holes, groups or channels in front"),
    ],
)
def test_what_cannot_be_written_says_so(layer, words):
    shape = (5, 5, 2) if isinstance(layer, keras.layers.Conv2D) else (2,)
    with pytest.raises(UsageError, match=words):
        onnx_model(sequential([layer], shape, "float32"), ["x"], ["y"], "")
