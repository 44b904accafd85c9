"""A chain of convolutions and dense layers in C: groups of samples go through all layers inside the cache.

Layer by layer, NumPy and even C carry every sample's numbers to the memory and back some ten times
(docs/benchmarks.md); here they are written once, before the loss, and read once, for the Jacobian.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmrun.c_compiler import library
from lmrun.curvature.host.activations import IDENTITY
from lmrun.curvature.host.chain import Array, Chain, Line
from lmrun.curvature.host.layers.base import Layer
from lmrun.curvature.host.layers.dense import Dense
from lmrun.curvature.host.layers.shapes import Flatten
from lmrun.curvature.host.layers.windows import Windows
from lmrun.curvature.host.native.convolution import REALS, NativeConvolution, native_convolution, steps
from lmrun.linalg.threads import each

SOURCE = Path(__file__).with_name("chain.c")
WHOLES = {"float32": "uint32_t", "float64": "uint64_t"}
FUNCTIONS = ("forward", "pull", "table", "gradient")
"""Of a layer, see convolution.c."""
OUTSIDE = -1
"""Where a padded image has nothing of the layer before."""

Places = NDArray[np.int32]
Address = ctypes.c_void_p
Size = ctypes.c_ssize_t


class _Layer(ctypes.Structure):
    """See `layer` in chain.c."""

    _fields_ = (
        *((name, Address) for name in (*FUNCTIONS, "apply", "slope", "places")),
        *((name, Size) for name in ("before", "read", "made", "start", "weights", "biases")),
    )


class NativePoint(NamedTuple):
    """A forward pass; arrays are [groups, numbers, lanes] but for the last two.

    Attributes:
        images: What every layer reads.
        values: What it makes.
        inputs: [..., rows].
        outputs: [width, rows].
    """

    images: list[Array]
    values: list[Array]
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
        layers: Those with parameters.
        places: For each, where the numbers of its image stand in the values of the one before, [numbers] or
            `OUTSIDE`; None for all of them as they are.
        compiled: The functions of `chain.c`.
        lanes: Samples of a group.
        structures: The layers in C.
    """

    plain: Chain
    layers: Sequence[NativeConvolution]
    places: Sequence[Places | None]
    compiled: ctypes.CDLL
    lanes: int
    structures: Any

    @property
    def size(self) -> int:
        """Parameters n."""
        return self.plain.size

    @property
    def scratch(self) -> Any:
        """The memory that calls share."""
        return self.plain.scratch

    @property
    def numbers(self) -> int:
        """What a sample holds: inputs, images, values, and some outputs for the loss."""
        images = [
            layer.windows.padded_size
            for layer, places in zip(self.layers, self.places, strict=True)
            if places is not None
        ]
        return self.plain.inputs + sum(images) + sum(layer.outputs for layer in self.layers) + 3 * self.layers[-1].outputs

    @property
    def _widest(self) -> int:
        return max(max(layer.outputs, layer.windows.padded_size) for layer in self.layers)

    def outputs(self, params: Array, inputs: Array) -> Array:
        """See `Propagation`."""
        return self.at(params, inputs).outputs

    def last(self, params: Array, inputs: Array) -> tuple[Array, Array]:
        """See `Propagation`."""
        return self.plain.last(params, inputs)

    def at(self, params: Array, inputs: Array) -> NativePoint:
        """See `Propagation`."""
        flat = inputs.reshape(-1, inputs.shape[-1])
        count, depth = flat.shape[1], len(self.layers)
        made = lanes = self._lanes(len(flat), flat)
        images: list[Array] = []
        values: list[Array] = []
        for place, layer in enumerate(self.layers):
            same = self.places[place] is None
            images.append(made if same else self._lanes(layer.windows.padded_size, flat))
            made = self._lanes(layer.outputs, flat)
            values.append(made)
        outputs = self.scratch.take(self.layers[-1].outputs, count, flat.dtype)
        self.compiled.forward(
            self.structures,
            ctypes.c_int(depth),
            _start(np.ascontiguousarray(params)),
            *steps(flat),
            Size(count),
            _start(lanes),
            _addresses(images),
            _addresses(values),
            *steps(outputs),
        )
        return NativePoint(images, values, inputs, outputs)

    def _lanes(self, numbers: int, rows: Array) -> Array:
        groups = -(-rows.shape[1] // self.lanes)
        return self.scratch.take(groups, numbers * self.lanes, rows.dtype)

    def cotangents(self, params: Array, point: NativePoint, seed: Array) -> Seed:
        """See `Propagation`."""
        return Seed(np.ascontiguousarray(params), seed)

    def table(self, point: NativePoint, pulled: Seed, piece: slice, out: Array) -> None:
        """See `Propagation`."""
        self._backward(point, pulled, (piece.start, piece.stop), (*steps(out), Address(None)))

    def gradient(self, point: NativePoint, pulled: Seed) -> Array:
        """See `Propagation`."""
        total = np.zeros(self.size)
        whole = (0, pulled.cotangents.shape[1])
        self._backward(point, pulled, whole, (Address(None), Size(0), _start(total)))
        return total.astype(pulled.cotangents.dtype)

    def _backward(
        self, point: NativePoint, pulled: Seed, rows: tuple[int, int], out: tuple[Any, Any, Any]
    ) -> None:
        used = self.scratch.used
        most = max(layer.end - layer.start for layer in self.layers)
        room = self.scratch.take(2 * self._widest + most, self.lanes, pulled.cotangents.dtype)
        self.compiled.backward(
            self.structures,
            ctypes.c_int(len(self.layers)),
            _start(pulled.params),
            _addresses(point.images),
            _addresses(point.values),
            *steps(pulled.cotangents),
            *map(Size, rows),
            *out,
            _start(room),
            Size(self._widest),
        )
        self.scratch.release(used)

    def along(self, params: Array, direction: Array, point: NativePoint) -> Line:
        """See `Propagation`."""
        return self.plain.along(params, direction, self.plain.at(params, point.inputs))


def native_chain(chain: Chain) -> NativeChain | None:
    """Return a chain in C; None unless it has convolutions in C, and nothing that is not there."""
    dtypes = [layer.dtype for layer in chain.layers if isinstance(layer, NativeConvolution)]
    if not dtypes:
        return None
    dtype = dtypes[0]
    natives = each(lambda layer: _native(layer, dtype), chain.layers)
    compiled = library(SOURCE, REAL=REALS[dtype], WHOLE=WHOLES[dtype])
    layers: list[NativeConvolution] = []
    places: list[Places | None] = []
    numbers = np.arange(chain.inputs, dtype=np.int32)
    for layer, native in zip(chain.layers, natives, strict=True):
        if isinstance(layer, Flatten) and layer.activation is IDENTITY:
            numbers = numbers.reshape(layer.shape[-1], -1).T.ravel()
            continue
        if native is None:
            return None
        layers.append(native)
        places.append(_places(native.windows, numbers))
        numbers = np.arange(native.outputs, dtype=np.int32)
    if compiled is None:
        return None
    compiled.lanes.restype = Size
    before = [chain.inputs, *(layer.outputs for layer in layers[:-1])]
    structures = [
        _structure(layer, place, count, compiled)
        for layer, place, count in zip(layers, places, before, strict=True)
    ]
    return NativeChain(chain, layers, places, compiled, compiled.lanes(), (_Layer * len(layers))(*structures))


def _native(layer: Layer, dtype: str) -> NativeConvolution | None:
    """A layer in C; a dense one is a convolution over an image of one place."""
    native = layer if isinstance(layer, NativeConvolution) else None
    if isinstance(layer, Dense):
        lengths = ((1, 1),) * 3
        windows = Windows.over((1, 1, layer.inputs), *lengths, "valid")
        place = (layer.start, layer.inputs, layer.units)
        native = native_convolution(place, layer.activation, windows, lengths, dtype, bias=layer.bias)
    known = layer.activation is IDENTITY or layer.activation.native is not None
    return native if known else None


def _places(windows: Windows, numbers: Places) -> Places | None:
    image = np.full((windows.channels, *windows.padded), OUTSIDE, np.int32)
    image[windows.inside] = numbers.reshape(windows.channels, *windows.spatial)
    flat = image.ravel()
    return None if np.array_equal(flat, np.arange(len(flat))) else flat


def _structure(layer: NativeConvolution, places: Places | None, before: int, compiled: ctypes.CDLL) -> _Layer:
    functions = {name: _function(layer.compiled, f"group_{name}") for name in FUNCTIONS}
    if layer.activation is not IDENTITY:
        for name in ("apply", "slope"):
            functions[name] = _function(compiled, f"{name}_{layer.activation.native}")
    return _Layer(
        **functions,
        places=None if places is None else places.ctypes.data,
        before=before,
        read=layer.windows.padded_size,
        made=layer.outputs,
        start=layer.start,
        weights=layer.inputs * layer.units,
        biases=layer.units if layer.bias else 0,
    )


def _function(compiled: ctypes.CDLL, name: str) -> int | None:
    return ctypes.cast(getattr(compiled, name), Address).value


def _start(array: Array) -> Address:
    return Address(array.ctypes.data)


def _addresses(arrays: Sequence[Array]) -> Any:
    return (Address * len(arrays))(*(array.ctypes.data for array in arrays))
