"""Convolutions in C against those in NumPy."""

import shutil

import numpy as np
import pytest
from host_cases import TOLERANCE

from lmrun.curvature.host.activations import IDENTITY
from lmrun.curvature.host.layers.convolution import Convolution
from lmrun.curvature.host.layers.strips import Strips
from lmrun.curvature.host.layers.windows import Windows
from lmrun.curvature.host.native import convolution as module
from lmrun.curvature.host.native.convolution import native_convolution
from lmrun.curvature.host.scratch import Scratch

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")

CASES = {
    "strides": ((8, 7, 2), 5, ((4, 4), (2, 2), (1, 1)), "valid", True),
    "same": ((5, 6, 1), 9, ((2, 4), (2, 1), (1, 1)), "same", True),
    "gaps": ((9, 8, 11), 4, ((2, 2), (3, 3), (1, 1)), "valid", False),
    "dilation": ((9, 9, 3), 3, ((3, 5), (1, 1), (3, 2)), "valid", True),
    "line": ((9, 2), 17, ((3,), (2,), (1,)), "same", True),
}
ROWS = (1, 3, 16, 37)
"""Fewer than a vector, one, and vectors with some left."""


@pytest.fixture(scope="module", params=CASES, ids=str)
def layers(request):
    """The two layers by dtype."""
    image, filters, lengths, padding, bias = CASES[request.param]
    windows = Windows.over(image, *lengths, padding)
    place = (2, len(windows.elements) * windows.channels, filters)

    def both(dtype):
        native = native_convolution(place, IDENTITY, windows, lengths, dtype, bias=bias)
        assert native is not None
        return native, Convolution(*place, bias, IDENTITY, Strips.over(windows, *lengths))

    return {dtype: both(dtype) for dtype in TOLERANCE}


def numbers(shape, dtype, beside=0):
    """Random numbers; `beside` more samples stand beside them in memory."""
    rng = np.random.default_rng(sum(shape))
    return rng.normal(size=(*shape[:-1], shape[-1] + beside)).astype(dtype)[..., : shape[-1]]


def close(one, other):
    scale = max(float(np.abs(other).max()), 1.0)
    np.testing.assert_allclose(one, other, rtol=0, atol=TOLERANCE[one.dtype.name] * scale)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("beside", [0, 5])
def test_every_function(layers, dtype, rows, beside):
    native, plain = layers[dtype]
    scratch, params = Scratch(), numbers((native.end + 1,), dtype)
    inputs = numbers((native.windows.size, rows), dtype, beside)
    direction = numbers((native.windows.size, rows), dtype)
    cotangents = numbers((native.outputs, rows), dtype, beside)
    reads = [native.read(inputs, scratch), plain.read(np.ascontiguousarray(inputs), scratch)]
    made = [np.full((native.outputs, rows), np.nan, dtype) for _ in reads]
    wide = np.full((native.end - native.start, rows + beside), np.nan, dtype)
    tables = [wide[:, :rows], np.full((native.end - native.start, rows), np.nan, dtype)]
    sums = [np.full(native.end - native.start, np.nan, dtype) for _ in reads]
    for layer, read, out, table, total in zip((native, plain), reads, made, tables, sums, strict=True):
        layer.product(params, read, out)
        layer.table(read, cotangents, table)
        layer.gradient(read, np.ascontiguousarray(cotangents), total)
    assert np.isnan(wide[:, rows:]).all()
    close(*made)
    close(*tables)
    close(*sums)
    along = [
        layer.along(params, read, direction, scratch)
        for layer, read in zip((native, plain), reads, strict=True)
    ]
    close(*along)
    back = [
        layer.pull(params, read, np.ascontiguousarray(cotangents), scratch)
        for layer, read in zip((native, plain), reads, strict=True)
    ]
    close(*back)


def test_samples_that_do_not_lie_side_by_side_are_refused(layers):
    native, _ = layers["float64"]
    with pytest.raises(ValueError, match="16 bytes apart instead of 8"):
        native.table(np.zeros((native.windows.padded_size, 6))[:, ::2], *[np.zeros((native.outputs, 3))] * 2)


@pytest.mark.parametrize("what", ["axes", "weights", "dtype", "compiler"])
def test_what_stays_with_numpy(what, monkeypatch):
    if what == "compiler":
        monkeypatch.setattr(module, "library", lambda *_, **__: None)
    if what == "weights":
        monkeypatch.setattr(module, "LARGEST", 7)
    axes = 3 if what == "axes" else 2
    lengths = ((2,) * axes, (1,) * axes, (1,) * axes)
    windows = Windows.over((*(3,) * axes, 1), *lengths, "valid")
    dtype = "float16" if what == "dtype" else "float32"
    place = (0, 2**axes, 2)
    assert native_convolution(place, IDENTITY, windows, lengths, dtype, bias=True) is None
