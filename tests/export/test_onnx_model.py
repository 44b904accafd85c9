"""ONNX, read back by ONNX Runtime."""

import json

import keras
import numpy as np
import onnx
import pytest
from exported_models import PRECISIONS, formula, functional
from runtimes import by_onnx

from lmrun.errors import UsageError
from lmrun.export.onnx_model import onnx_model
from lmrun.models.network import sequential


@PRECISIONS
def test_where_functions_end(dtype, tmp_path):
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
    np.testing.assert_allclose(by_onnx(tmp_path, model, [inputs])[0], expected, rtol=1e-6, atol=1e-6)


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


def test_several_inputs_have_the_names_that_they_have_in_keras(rng):
    graph = onnx.load_from_string(onnx_model(functional("float32", rng), ["a1", "a2", "b"], ["y"], "")).graph
    assert [one.name for one in (*graph.input, *graph.output)] == ["a", "b", "y1", "y2"]


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (keras.layers.GroupNormalization(1), "A layer GroupNormalization cannot be written in this format"),
        (keras.layers.Dense(2, activation="mish"), "The activation mish cannot be written in this format"),
        (keras.layers.Conv2D(2, 2, dilation_rate=2), "has holes, groups or channels in front"),
    ],
)
def test_what_cannot_be_written_says_so(layer, words):
    shape = (5, 5, 2) if isinstance(layer, keras.layers.Conv2D) else (2,)
    with pytest.raises(UsageError, match=words):
        onnx_model(sequential([layer], shape, "float32"), ["x"], ["y"], "")
