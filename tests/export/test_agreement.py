"""Each format in its own runtime beside Keras."""

from pathlib import Path

import numpy as np
import pytest
from exported_models import assert_near, cnn, draw, every_function, functional, mlp, outputs_of
from runtimes import RUNTIMES

MODELS = {
    "mlp": mlp,
    "cnn": cnn,
    "functional": functional,
    "formula": lambda dtype, rng: every_function(dtype),
}
KNOWN = {
    "onnx": ["mlp", "cnn", "functional", "formula"],
    "tflite": ["mlp", "cnn", "functional", "formula"],
    "c": ["mlp", "functional", "formula"],
    "npz": ["functional"],
}
"""Which models each format is tried with; the reader of NPZ files in these tests is a short one."""
CASES = [(kind, name, dtype) for kind in KNOWN for name in KNOWN[kind] for dtype in ("float64", "float32")]


@pytest.mark.parametrize(("kind", "name", "dtype"), CASES)
def test_agrees_with_keras(
    kind: str, name: str, dtype: str, rng: np.random.Generator, tmp_path: Path
) -> None:
    model = MODELS[name](dtype, rng)
    inputs = draw(model, rng)
    made = RUNTIMES[kind](tmp_path, model, inputs)
    expected = outputs_of(model, inputs)
    assert len(made) == len(expected)
    for one, other in zip(made, expected, strict=True):
        assert_near(one, other, "float32" if kind == "tflite" else dtype)
