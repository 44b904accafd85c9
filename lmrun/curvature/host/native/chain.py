"""A chain of convolutions and dense layers in C: groups of samples go through all layers inside the cache.

Layer by layer, NumPy and even C carry every sample's numbers to the memory and back some ten times
(docs/benchmarks.md); here they are written once, before the loss, and read once, for the Jacobian.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmrun.curvature.host.chain import Chain
from lmrun.curvature.host.native.convolution import start_of, steps
from lmrun.curvature.host.propagation import Array, Line

FUNCTIONS = ("forward", "pull", "table", "gradient")
"""Of a layer, see convolution.c."""

Places = NDArray[np.int32]
Address = ctypes.c_void_p
Size = ctypes.c_ssize_t


class Structure(ctypes.Structure):
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
    layers: ctypes.Array[Structure]
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
