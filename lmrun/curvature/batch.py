"""The rows that a step works on, cut into chunks of equal size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeVar, overload

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lmrun.curvature.compiled import Compiled
from lmrun.curvature.layers.base import samples_last
from lmrun.datasets.base import Split
from lmrun.linalg.threads import WORKERS, each

Tensor = Any
Item = TypeVar("Item")

CHUNK_BYTES = 2**22
"""Bytes of a chunk of the Jacobian: about twice a core's own cache. On 2 cores chunks of 2 to 8 MiB were the
fastest (docs/benchmarks.md)."""


FEWEST_ROWS = 1024
"""Below this many rows per worker a thread of compiled functions costs more than it saves."""

HEAVY_BYTES = 2**18
"""From so many bytes per chunk on threads draw them: 6,000 images take 4 ms instead of 8."""

KEPT_BYTES = 2**25
"""Splits that hold more are cut into chunks again and again on a CPU: that takes some 3 % of a step
(docs/benchmarks.md), a copy would take as much memory as the data."""


class Rows(NamedTuple):
    """Some rows of a split, on the device.

    Attributes:
        inputs: [rows, ..., channels] for a whole split, samples last [channels, ..., rows] for what a kernel
            works on (`layers.base`): only rows that are contiguous can be drawn quickly.
        targets: [rows, ...].
        weights: [rows]; of formulas also [rows, targets].
    """

    inputs: Tensor
    targets: Tensor
    weights: Tensor


class OnDemand(Sequence[Item]):
    """Items that are made anew whenever they are asked for.

    Args:
        make: Makes the item of a number.
        numbers: Of the items.
    """

    def __init__(self, make: Callable[[int], Item], numbers: range) -> None:
        self.make = make
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, place: int) -> Item: ...
    @overload
    def __getitem__(self, place: slice) -> OnDemand[Item]: ...
    def __getitem__(self, place: int | slice) -> Item | OnDemand[Item]:
        if isinstance(place, slice):
            return OnDemand(self.make, self.numbers[place])
        return self.make(self.numbers[place])


Draw = Callable[[Rows, NDArray[np.integer], NDArray[np.floating]], tuple[Rows, float]]
"""From a whole split, places in it and factors of their weights, each [drawn], to the drawn rows for
kernels and the sum of their weights."""


@dataclass(frozen=True)
class Batch:
    """Chunks of equal size, the last filled up with rows of weight zero: one compiled function serves all.

    Attributes:
        chunks: The rows.
        weight: Sum of the weights of the samples, that of a sample being the mean over its targets
            where each has one.
        samples: Number of rows without the filling.
    """

    chunks: Sequence[Rows]
    weight: float
    samples: int


def chunk_rows(
    samples: int,
    row_bytes: int,
    fewest: int = FEWEST_ROWS,
    multiple: int = 1,
    chunk_bytes: int = CHUNK_BYTES,
) -> int:
    """Return the rows of a chunk: as many as fit into its memory, spread evenly over the chunks.

    From `fewest` per worker on, every worker has the same number of chunks.

    Args:
        samples: Rows in all.
        row_bytes: Of a row, whatever a chunk holds.
        fewest: Rows below which a thread costs more than it saves.
        multiple: What the rows of a chunk are a multiple of, unless they are few.
        chunk_bytes: Its memory.
    """
    most = max(1, chunk_bytes // row_bytes)
    chunks = -(-samples // most)
    if samples >= fewest * WORKERS:
        chunks = WORKERS * -(-chunks // WORKERS)
    rows = -(-samples // chunks)
    return rows if rows < 8 * multiple else multiple * -(-rows // multiple)


def host_rows(split: Split, dtype: str) -> Rows:
    """A split's own arrays; rows without weights weigh one each."""
    weights = np.ones(split.rows, dtype) if split.weights is None else split.weights
    return Rows(split.inputs, split.targets, weights)


def make_rows(split: Split, dtype: str) -> Rows:
    """Put a split on the device; rows without weights weigh one each."""
    return Rows(*map(tf.constant, host_rows(split, dtype)))


def for_kernels(rows: Rows) -> Rows:
    """Lay rows out with samples last."""
    return rows._replace(inputs=samples_last(rows.inputs))


def split_batch(split: Split, dtype: str, chunk: int, places: Sequence[str] = ()) -> Batch:
    """Take a whole split.

    Its chunks are kept where they are small or on a device; else the split's own arrays stay the only copy.

    Args:
        split: The rows.
        dtype: Of weights, where the split has none.
        chunk: Rows per chunk.
        places: Names of devices that the chunks are dealt out to, if not all are on the present one.
    """
    # Equal weights are the same tensor in all chunks but the last; and it is where the chunks shall be.
    equal = [tf.ones(chunk, dtype)]
    if places:
        equal = [_ones_on(place, chunk, dtype) for place in places]
    cut = OnDemand(partial(_cut, split, equal), range(-(-split.rows // chunk)))
    weight = float(split.rows)
    if split.weights is not None:
        padded = _padded(split.weights, -split.rows % chunk)
        weight = float(tf.reduce_sum(tf.constant(padded, tf.float64)))
        weight /= padded.size // len(padded)
    on_host = tf.DeviceSpec.from_string(equal[0].device).device_type == "CPU"
    keep = not on_host or split.inputs.nbytes + split.targets.nbytes <= KEPT_BYTES
    return Batch(tuple(cut) if keep else cut, weight, split.rows)


def _ones_on(place: str, chunk: int, dtype: str) -> Tensor:
    with tf.device(place):
        return tf.ones(chunk, dtype)


def _cut(split: Split, places: Sequence[Tensor], number: int) -> Rows:
    """Put one chunk on the device of one of `places` [chunk], each the weights of rows that have none."""
    equal = places[number % len(places)]
    chunk = int(equal.shape[0])
    rows = slice(number * chunk, (number + 1) * chunk)
    missing = max(0, rows.stop - split.rows)

    def filled(values: NDArray[Any]) -> NDArray[Any]:
        """Fill up with the first row again."""
        taken = values[rows]
        return np.concatenate([taken, *[values[:1]] * missing]) if missing else taken

    weights = equal
    # A worker's thread knows nothing of the device that the main thread has chosen.
    with tf.device(equal.device):
        if missing or split.weights is not None:
            own = np.ones(chunk - missing, equal.dtype.as_numpy_dtype)
            own = own if split.weights is None else split.weights[rows]
            weights = tf.constant(_padded(own, missing))
        # Copied with samples last by NumPy: ten times as fast as TensorFlow's transpose for a narrow chunk.
        inputs = tf.constant(np.swapaxes(filled(split.inputs), 0, -1))
        return Rows(inputs, tf.constant(filled(split.targets)), weights)


def _padded(weights: NDArray[Any], missing: int) -> NDArray[Any]:
    """Weights [rows, ...] with zeros for rows that are missing."""
    return np.pad(weights, ((0, missing), *((0, 0),) * (weights.ndim - 1)))


def make_batch(
    rows: Rows,
    indices: NDArray[np.integer],
    chunk: int,
    emphasis: float = 1.0,
    draw: Draw | None = None,
) -> Batch:
    """Draw some rows.

    Args:
        rows: Where from, a whole split.
        indices: Which.
        chunk: Rows per chunk.
        emphasis: Multiplies the weights.
        draw: See `Draw`; `draw_on_device` if not given.
    """
    draw = draw or draw_on_device
    samples, missing = len(indices), -len(indices) % chunk
    places, factors = indices.astype(np.int32, copy=False), np.full(samples + missing, emphasis)
    if missing:
        # Filled up with the first row again.
        places = np.concatenate([places, np.repeat(places[:1], missing)])
        factors[samples:] = 0
    pieces = [slice(start, start + chunk) for start in range(0, len(places), chunk)]

    def drawn(piece: slice) -> tuple[Rows, float]:
        return draw(rows, places[piece], factors[piece])

    heavy = isinstance(rows.inputs, np.ndarray) and chunk * rows.inputs[0].nbytes >= HEAVY_BYTES
    chunks, weights = zip(*(each(drawn, pieces) if heavy else map(drawn, pieces)), strict=True)
    return Batch(chunks, sum(weights), samples)


def _drawn(
    inputs: Tensor, targets: Tensor, weights: Tensor, places: Tensor, factors: Tensor
) -> tuple[Rows, Tensor]:
    """Gather rows [places], their weights times factors, for kernels; and the sum of these in float64."""
    own = factors * tf.gather(weights, places)
    rows = Rows(tf.gather(inputs, places), tf.gather(targets, places), own)
    return for_kernels(rows), tf.reduce_sum(tf.cast(own, tf.float64))


# One call instead of ten, which took longer than the step of a small network.
_draw = Compiled(_drawn, fuse=False)


def draw_on_device(
    rows: Rows, places: NDArray[np.integer], factors: NDArray[np.floating]
) -> tuple[Rows, float]:
    """See `Draw`; the rows are tensors."""
    drawn, weight = _draw(*rows, tf.constant(places), tf.constant(factors, rows.weights.dtype))
    return Rows(*drawn), float(weight)


def draw_on_host(
    rows: Rows, places: NDArray[np.integer], factors: NDArray[np.floating]
) -> tuple[Rows, float]:
    """See `Draw`; the rows are arrays."""
    drawn, weight = draw_as_they_are(rows, places, factors)
    return drawn._replace(inputs=np.ascontiguousarray(drawn.inputs)), weight


def draw_as_they_are(
    rows: Rows, places: NDArray[np.integer], factors: NDArray[np.floating]
) -> tuple[Rows, float]:
    """See `Draw`; in memory the numbers of a sample stay side by side."""
    weights = factors.astype(rows.weights.dtype) * rows.weights.take(places)
    inputs = np.swapaxes(rows.inputs.take(places, axis=0), 0, -1)
    weight = float(np.sum(weights, dtype=np.float64))
    return Rows(inputs, rows.targets.take(places, axis=0), weights), weight
