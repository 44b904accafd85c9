"""From the layers of a network to a chain of them in C: what is compiled, and where all numbers stand."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np

from lmrun.c_compiler import library
from lmrun.curvature.host.activations import IDENTITY
from lmrun.curvature.host.chain import Chain
from lmrun.curvature.host.layers.base import Layer
from lmrun.curvature.host.layers.dense import Dense
from lmrun.curvature.host.layers.shapes import Flatten
from lmrun.curvature.host.layers.windows import Windows
from lmrun.curvature.host.native.chain import FUNCTIONS, Address, NativeChain, Places, Size, Structure
from lmrun.curvature.host.native.convolution import LARGEST, REALS, NativeConvolution, native_convolution
from lmrun.linalg.threads import each

SOURCE = Path(__file__).with_name("chain.c")
WHOLES = {"float32": "uint32_t", "float64": "uint64_t"}
ONE_PLACE = ((1, 1),) * 3
OUTSIDE = -1
"""Where a padded image has nothing of the layer before."""


def native_chain(chain: Chain, shape: tuple[int, ...]) -> NativeChain | None:
    """Return a chain in C; None unless it has convolutions in C, and nothing that is not there.

    Args:
        chain: The layers.
        shape: Of a sample, its channels first.
    """
    dtype = next((layer.dtype for layer in chain.layers if isinstance(layer, NativeConvolution)), None)
    if dtype is None or not all(map(_known, chain.layers)):
        return None
    natives = each(lambda layer: _native(layer, dtype), chain.layers)
    compiled = library(SOURCE, REAL=REALS[dtype], WHOLE=WHOLES[dtype])
    if compiled is None:
        return None
    structures: list[Structure] = []
    kept: list[Any] = []
    # Where the values before stand, where the next ones can, and the order of those before in the image.
    before, held, order = 0, chain.inputs, np.arange(chain.inputs, dtype=np.int32)
    for layer, native in zip(chain.layers, natives, strict=True):
        if isinstance(layer, Flatten):
            order = order.reshape(layer.shape[-1], -1).T.ravel()
            continue
        if native is None:
            return None
        places = _places(native.windows, order)
        image = before if places is None else held
        values = held if places is None else held + len(places)
        structures.append(_structure(native, compiled, places, (before, image, values)))
        kept.append((native, places))
        before, held, order = values, values + native.outputs, np.arange(native.outputs, dtype=np.int32)
    compiled.lanes.restype = Size
    return NativeChain(
        plain=chain,
        compiled=compiled,
        layers=(Structure * len(structures))(*structures),
        lanes=compiled.lanes(),
        held=held,
        widest=max(max(layer.read, layer.made) for layer in structures),
        order=np.moveaxis(np.arange(chain.inputs, dtype=np.int32).reshape(shape), 0, -1).ravel(),
        kept=kept,
    )


def _known(layer: Layer) -> bool:
    """Whether a layer is there in C, so that none is compiled for nothing."""
    if isinstance(layer, Flatten):
        return layer.activation is IDENTITY
    small = isinstance(layer, Dense) and layer.inputs * layer.units <= LARGEST
    known = layer.activation is IDENTITY or layer.activation.native is not None
    return known and (small or isinstance(layer, NativeConvolution))


def _native(layer: Layer, dtype: str) -> NativeConvolution | None:
    """A layer in C; a dense one is a convolution over an image of one place."""
    if not isinstance(layer, Dense):
        return layer if isinstance(layer, NativeConvolution) else None
    windows = Windows.over((1, 1, layer.inputs), *ONE_PLACE, "valid")
    place = (layer.start, layer.inputs, layer.units)
    return native_convolution(place, layer.activation, windows, ONE_PLACE, dtype, bias=layer.bias)


def _places(windows: Windows, numbers: Places) -> Places | None:
    image = np.full((windows.channels, *windows.padded), OUTSIDE, np.int32)
    image[windows.inside] = numbers.reshape(windows.channels, *windows.spatial)
    flat = image.ravel()
    return None if np.array_equal(flat, np.arange(len(flat))) else flat


def _structure(
    layer: NativeConvolution, compiled: ctypes.CDLL, places: Places | None, stands: tuple[int, int, int]
) -> Structure:
    functions = {name: _function(layer.compiled, f"group_{name}") for name in FUNCTIONS}
    if layer.activation is not IDENTITY:
        for name in ("apply", "slope"):
            functions[name] = _function(compiled, f"{name}_{layer.activation.native}")
    return Structure(
        **functions,
        **dict(zip(("before", "image", "values"), stands, strict=True)),
        places=None if places is None else places.ctypes.data,
        read=layer.windows.padded_size,
        made=layer.outputs,
        start=layer.start,
        weights=layer.inputs * layer.units,
        biases=layer.units if layer.bias else 0,
    )


def _function(compiled: ctypes.CDLL, name: str) -> int | None:
    return ctypes.cast(getattr(compiled, name), Address).value
