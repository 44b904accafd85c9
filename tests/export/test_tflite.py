"""TFLite, read back by LiteRT. It has single precision only."""

import keras
import numpy as np
import pytest
from exported_models import formula
from runtimes import by_tflite

from lmrun.errors import UsageError
from lmrun.export.tflite import tflite_model
from lmrun.models.network import sequential


def test_where_functions_end(tmp_path):
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
    np.testing.assert_allclose(
        by_tflite(tmp_path, model, [inputs])[0], np.asarray(model(inputs)), rtol=1e-6, atol=1e-6
    )


def test_what_cannot_be_written_says_so():
    with pytest.raises(UsageError, match="A layer GroupNormalization cannot be written in this format"):
        tflite_model(sequential([keras.layers.GroupNormalization(1)], (2,), "float32"))
