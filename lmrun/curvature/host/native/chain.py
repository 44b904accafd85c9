"""A chain of convolutions and dense layers in C: groups of samples go through all layers inside the cache.

Layer by layer, NumPy and even C carry every sample's numbers to the memory and back some ten times
(docs/benchmarks.md); here they are written once, before the loss, and read once, for the Jacobian.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmrun.c_compiler import library
from lmrun.curvature.host.activations import IDENTITY
from lmrun.curvature.host.chain import Chain
from lmrun.curvature.host.layers.base import Layer
from lmrun.curvature.host.layers.dense import Dense
from lmrun.curvature.host.layers.shapes import Flatten
from lmrun.curvature.host.layers.windows import Windows
from lmrun.curvature.host.native.convolution import (
    LARGEST,
    REALS,
    NativeConvolution,
    native_convolution,
    start_of,
    steps,
)
from lmrun.curvature.host.propagation import Array, Line
from lmrun.linalg.threads import each

SOURCE = Path(__file__).with_name("chain.c")
WHOLES = {"float32": "uint32_t", "float64": "uint64_t"}
FUNCTIONS = ("forward", "pull", "table", "gradient")
"""Of a layer, see convolution.c."""
ONE_PLACE = ((1, 1),) * 3
OUTSIDE = -1
"""Where a padded image has nothing of the layer before."""

Places = NDArray[np.int32]
Address = ctypes.c_void_p
Size = ctypes.c_ssize_t


class _Layer(ctypes.Structure):
    """See `layer` in chain.c."""

    _fields_ = (
        *((name, Address) for name in (*FUNCTIONS, "apply", "slope", "places")),
        *(
            (name, Size)
            for name in ("read", "made", "before", "image", "values", "start", "weights", "biases")
        ),
    )


class NativePoint(NamedTuple):
    """A forward pass.

    Attributes:
        memory: All numbers, [groups, numbers, lanes].
        inputs: [..., rows].
        outputs: [width, rows].
    """

    memory: Array
    inputs: Array
    outputs: Array


class Seed(NamedTuple):
    """What is to be pulled back: nothing is until its table or gradient is asked for.

    Attributes:
        params: [n].
        cotangents: Of the outputs [width, rows].
    """

    params: Array
    cotangents: Array


@dataclass(frozen=True)
class NativeChain:
    """See `host.propagation.Propagation`.

    Attributes:
        plain: The same in NumPy, for derivatives along a line.
        compiled: The functions of `chain.c`.
        layers: The layers with parameters, in C.
        lanes: Samples of a group.
        held: Numbers of a sample: inputs, images and values.
        widest: Most of what a layer reads or makes.
        order: Where each number of a sample stands here, with channels first [inputs].
        kept: What C reads and Python must not forget.
    """

    any_order = True
    band_bytes = 2**22
    """A step on 6,000 images takes 61 ms with bands of 336 or 512 rows, 63 with 256 or 1,000, 65 with
    192."""

    plain: Chain
    compiled: ctypes.CDLL
    layers: ctypes.Array[_Layer]
    lanes: int
    held: int
    widest: int
    order: Places
    kept: Any

    @property
    def size(self) -> int:
        """Parameters n."""
        return self.plain.size

    @property
    def scratch(self) -> Any:
        """The memory that calls share."""
        return self.plain.scratch

    @property
    def width(self) -> int:
        """Outputs."""
        return int(self.layers[-1].made)

    @property
    def numbers(self) -> int:
        """What is held, and some outputs for the loss."""
        return self.held + 3 * self.width

    def outputs(self, params: Array, inputs: Array) -> Array:
        """See `Propagation`."""
        return self.at(params, inputs).outputs

    def last(self, params: Array, inputs: Array) -> tuple[Array, Array]:
        """See `Propagation`."""
        return self.plain.last(params, inputs)

    def at(self, params: Array, inputs: Array) -> NativePoint:
        """See `Propagation`."""
        count = inputs.shape[-1]
        (rows, order), beside = self._rows(inputs), np.ascontiguousarray(params)
        memory = self.scratch.take(-(-count // self.lanes), self.held * self.lanes, rows.dtype)
        outputs = self.scratch.take(self.width, count, rows.dtype)
        self.compiled.forward(
            self.layers,
            len(self.layers),
            start_of(beside),
            *steps(rows),
            start_of(order),
            Size(self.plain.inputs),
            Size(count),
            start_of(memory),
            Size(self.held),
            *steps(outputs),
        )
        return NativePoint(memory, inputs, outputs)

    def _rows(self, inputs: Array) -> tuple[Array, Places | None]:
        """Samples side by side, number by number; or with an order one after the other."""
        count = inputs.shape[-1]
        if count == 1 or inputs.strides[-1] == inputs.itemsize:
            return inputs.reshape(-1, count), None
        samples = inputs.swapaxes(0, -1)
        if samples[0].flags.c_contiguous:
            return samples.reshape(count, -1), self.order
        return np.ascontiguousarray(inputs).reshape(-1, count), None

    def cotangents(self, params: Array, point: NativePoint, seed: Array) -> Seed:
        """See `Propagation`."""
        return Seed(np.ascontiguousarray(params), seed)

    def table(self, point: NativePoint, pulled: Seed, piece: slice, out: Array) -> None:
        """See `Propagation`."""
        self._backward(point, pulled, (piece.start, piece.stop), (*steps(out), Address(None)))

    def gradient(self, point: NativePoint, pulled: Seed) -> Array:
        """See `Propagation`."""
        total = np.zeros(self.size)
        out = (Address(None), Size(0), start_of(total))
        self._backward(point, pulled, (0, pulled.cotangents.shape[1]), out)
        return total.astype(pulled.cotangents.dtype)

    def _backward(
        self, point: NativePoint, pulled: Seed, rows: tuple[int, int], out: tuple[Any, Any, Any]
    ) -> None:
        used = self.scratch.used
        room = self.scratch.take(2 * self.widest + self.size, self.lanes, pulled.cotangents.dtype)
        self.compiled.backward(
            self.layers,
            len(self.layers),
            start_of(pulled.params),
            start_of(point.memory),
            Size(self.held),
            *steps(pulled.cotangents),
            *map(Size, rows),
            *out,
            start_of(room),
            Size(self.widest),
        )
        self.scratch.release(used)

    def along(self, params: Array, direction: Array, point: NativePoint) -> Line:
        """See `Propagation`."""
        return self.plain.along(params, direction, self.plain.at(params, point.inputs))


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
    structures: list[_Layer] = []
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
        layers=(_Layer * len(structures))(*structures),
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
) -> _Layer:
    functions = {name: _function(layer.compiled, f"group_{name}") for name in FUNCTIONS}
    if layer.activation is not IDENTITY:
        for name in ("apply", "slope"):
            functions[name] = _function(compiled, f"{name}_{layer.activation.native}")
    return _Layer(
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
