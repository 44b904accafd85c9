"""The way back from windows to the image is the transpose of the way there."""

import numpy as np
import pytest
import tensorflow as tf

from lmrun.curvature.layers.patches import folded, patches

CASES = {
    "1-D": ((7,), (3,), (1,)),
    "1-D, gaps": ((9,), (2,), (4,)),
    "2-D": ((5, 6), (2, 3), (1, 1)),
    "2-D, strides": ((9, 8), (4, 3), (2, 2)),
    "2-D, one stride beyond the window": ((8, 9), (2, 4), (3, 2)),
    "3-D": ((4, 5, 4), (2, 2, 3), (1, 2, 1)),
}


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("name", CASES)
def test_the_gradient_is_the_transpose(name, padding, rng):
    """<patches(x), y> = <x, patches'(y)> for all x and y."""
    spatial, size, strides = CASES[name]
    x = tf.constant(rng.normal(size=(2, *spatial, 3)))
    with tf.GradientTape() as tape:
        tape.watch(x)
        seen = patches(x, size, strides, [1] * len(size), padding)
    y = tf.constant(rng.normal(size=seen.shape))
    back = tape.gradient(seen, x, output_gradients=y)
    assert back.shape == x.shape
    np.testing.assert_allclose(np.sum(seen * y), np.sum(x * back), rtol=1e-12)
    # One element of one window comes back to the one place that it was cut out of.
    other = tf.constant(rng.normal(size=x.shape))
    again = patches(other, size, strides, [1] * len(size), padding)
    np.testing.assert_allclose(np.sum(again * y), np.sum(other * back), rtol=1e-12)


def test_ones_count_the_windows_that_see_an_element():
    counts = folded(tf.ones([2, 2, 1], tf.float64), [5], [2], [2])
    np.testing.assert_array_equal(counts[0, :, 0], [1, 1, 1, 1, 0])
    counts = folded(tf.ones([2, 4, 1], tf.float64), [5], [2], [1])
    np.testing.assert_array_equal(counts[0, :, 0], [1, 2, 2, 2, 1])
