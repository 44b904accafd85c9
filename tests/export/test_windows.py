"""Windows, counted beside Keras."""

import keras
import pytest

from lmrun.export.windows import windows_of


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 4)])
@pytest.mark.parametrize("strides", [(1, 1), (2, 3), (4, 1)])
def test_their_number_is_that_of_keras(padding, size, strides):
    shape = (None, 7, 8, 2)
    layer = keras.layers.MaxPooling2D(size, strides=strides, padding=padding)
    windows = windows_of(layer, size, shape)
    assert windows.count == layer.compute_output_shape(shape)[1:3]
    for length, before, after, window, step, count in zip(
        shape[1:3], windows.before, windows.after, size, strides, windows.count, strict=True
    ):
        # The last window ends in the padded image, and nothing is padded in vain.
        assert (count - 1) * step + window <= length + before + after
        assert 0 <= after - before <= 1 or padding == "valid"


def test_tensorflow_pads_the_end_first():
    layer = keras.layers.MaxPooling2D(2, strides=1, padding="same")
    windows = windows_of(layer, (2, 2), (None, 3, 3, 1))
    assert (windows.before, windows.after) == ((0, 0), (1, 1))
