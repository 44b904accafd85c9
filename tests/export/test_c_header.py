"""The header, compiled without a warning and run beside Keras."""

import keras
import numpy as np
import pytest
from exported_models import assert_near
from runtimes import by_c

from lmrun.errors import UsageError
from lmrun.export.c_header import KNOWN, identifier
from lmrun.export.stages import stages_of
from lmrun.models.network import sequential


def test_a_wide_layer_adds_in_blocks(rng, tmp_path):
    model = sequential([keras.layers.Dense(10, dtype="float32")], (4000,), "float32")
    model.set_weights([rng.normal(size=one.shape) / 64 for one in model.get_weights()])
    inputs = rng.normal(size=(20, 4000)).astype(np.float32)
    exact = inputs.astype(float) @ np.asarray(model.layers[0].kernel).astype(float)
    (made,) = by_c(tmp_path, model, [inputs])
    assert_near(made, exact + np.asarray(model.layers[0].bias), "float32")


def test_an_image_is_read_pixel_by_pixel(rng, tmp_path):
    model = sequential([keras.layers.Flatten(), keras.layers.Dense(2)], (3, 2, 1), "float32")
    inputs = rng.normal(size=(4, 3, 2, 1)).astype(np.float32)
    assert_near(by_c(tmp_path, model, [inputs])[0], model(inputs))


def gelu(x):
    """A function that is called like one of Keras'."""
    return 0.5 * x


@pytest.mark.parametrize(
    ("layers", "shape", "words"),
    [
        ([keras.layers.Dense(2, activation=gelu)], (2,), "The activation gelu of your own cannot be written"),
        ([keras.layers.Conv2D(2, 2)], (5, 5, 1), "A layer Conv2D cannot be written"),
        ([keras.layers.Dense(2)], (5, 5), "A layer Dense of values of the shape"),
        ([keras.layers.Dense(2, activation="mish")], (2,), "The activation mish cannot be written"),
        ([keras.layers.ELU(0.5)], (2,), "ELU with such arguments cannot be written"),
    ],
)
def test_what_cannot_be_written_says_so(layers, shape, words):
    with pytest.raises(UsageError, match=words):
        stages_of(sequential(layers, shape, "float32"), KNOWN)


@pytest.mark.parametrize(
    ("name", "made"), [("model", "model"), ("2026-lm", "model_2026_lm"), ("Ä b.c", "b_c"), ("", "model_")]
)
def test_identifiers(name, made):
    assert identifier(name) == made
