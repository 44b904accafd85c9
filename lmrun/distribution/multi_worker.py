"""Sums over processes, on one machine or many, by TensorFlow's own collective operations.

Values of a kind travel as one flat vector through one all-reduce. On the CPU TensorFlow passes it around a
ring of connections between the workers: each element is added up in one order and then copied, so that all
workers hold the same bits. A worker whose process ends breaks the ring at once; one that is not heard of for
ten seconds is taken for gone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lmrun.distribution.cluster import Cluster
from lmrun.distribution.reducer import FAILURE, WORDS, Said, Say
from lmrun.errors import PeerError, WorkerLostError
from lmrun.quiet import without_greetings

Tensor = Any
Value = Any

GONE = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
)
"""What TensorFlow raises when another worker does not answer."""
TASK = re.compile(r"/job:worker(?:/replica:0)?/task:(\d+)")
SIGNALS = 3
"""Numbers that go along with every sum: those of `Said`."""


class MultiWorker:
    """`Reducer` over the workers of a cluster.

    It must be made before TensorFlow has computed anything, and once per process.

    Args:
        cluster: With this process's index.
        gpu: Whether this process computes on a GPU.

    Raises:
        WorkerLostError: The workers did not find each other.
    """

    def __init__(self, cluster: Cluster, *, gpu: bool = False) -> None:
        assert cluster.index is not None, "the workers have met"
        self.cluster = cluster
        self.index, self.workers, self.numbers = cluster.index, len(cluster.addresses), 0
        self._say: Say = Said
        self._heard = Said()
        resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            tf.train.ClusterSpec({"worker": list(cluster.addresses)}),
            task_type="worker",
            task_id=self.index,
            num_accelerators={"GPU": int(gpu)},
            rpc_layer="grpc",
        )
        try:
            with without_greetings():
                self.strategy = tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
        except (*GONE, tf.errors.UnknownError) as error:
            raise self._lost(error) from None

        def reduced(vectors: Sequence[Tensor]) -> Any:
            # Inside the replica each vector has a device, which the collective needs to know.
            context, plus = tf.distribute.get_replica_context(), tf.distribute.ReduceOp.SUM
            # One by one: TensorFlow would put those of two dtypes into one.
            return [context.all_reduce(plus, tf.identity(vector)) for vector in vectors]

        self._sum = tf.function(lambda *vectors: self.strategy.run(reduced, args=(vectors,)), autograph=False)

    def total(self, *values: Value) -> list[Value]:
        """One vector per dtype; the numbers of `Said` go along with those of float64."""
        kinds = [_dtype(value) for value in values]
        signals = np.array(self._signals())
        vectors = {}
        for kind in dict.fromkeys((*kinds, np.dtype(np.float64))):
            own = [value for value, each in zip(values, kinds, strict=True) if each == kind]
            vectors[kind] = _joined([*own, signals] if kind == np.float64 else own, kind)
        self.numbers += sum(int(vector.shape[0]) for vector in vectors.values())
        sums = dict(zip(vectors, self._reduce(*vectors.values()), strict=True))
        found, starts = [], dict.fromkeys(sums, 0)
        for value, kind in zip(values, kinds, strict=True):
            start = starts[kind]
            starts[kind] += _size(value)
            found.append(_shaped(sums[kind][start : starts[kind]], value))
        self._hear(np.asarray(sums[np.dtype(np.float64)][-SIGNALS:]))
        return found

    def stack(self, value: Value) -> Sequence[Value]:
        """A sum in which every worker has a place of its own."""
        if tf.is_tensor(value):
            places = [value if index == self.index else tf.zeros_like(value) for index in range(self.workers)]
            (whole,) = self.total(tf.stack(places))
            return list(tf.unstack(whole))
        own = np.zeros((self.workers, *np.shape(value)), np.asarray(value).dtype)
        own[self.index] = value
        return list(self.total(own)[0])

    def gather(self, message: bytes) -> list[bytes]:
        """Their lengths first, then all of them one behind the other."""
        return self._gathered(WORDS + message)

    def fail(self, words: str) -> None:
        """Instead of the message that the others wait for."""
        try:
            self._gathered(FAILURE + words.encode())
        except (PeerError, WorkerLostError):
            # What comes first here is the error of this worker.
            return

    def listen(self, say: Say) -> None:
        """From the next sum on."""
        self._say = say

    @property
    def heard(self) -> Said:
        """The same on all workers."""
        return self._heard

    def _gathered(self, message: bytes) -> list[bytes]:
        sizes = [int(size) for size in self.stack(np.float64(len(message)))]
        words = [-(-size // 4) for size in sizes]
        ends = np.cumsum(words)
        whole = np.zeros(ends[-1])
        # Whole numbers of 32 bits are exact in float64, whatever the bytes.
        padded = message + bytes(-len(message) % 4)
        whole[ends[self.index] - words[self.index] : ends[self.index]] = np.frombuffer(padded, np.uint32)
        summed = self.total(whole)[0].astype(np.uint32)
        found = [
            summed[end - count : end].tobytes()[:size]
            for end, count, size in zip(ends, words, sizes, strict=True)
        ]
        for index, each in enumerate(found):
            if each[:1] == FAILURE and index != self.index:
                raise PeerError(f"{self.cluster.words(index).capitalize()} has failed: {each[1:].decode()}")
        return [each[1:] for each in found]

    def _signals(self) -> tuple[float, float, float]:
        said = self._say()
        return float(said.asked), said.seconds if self.index == 0 else 0.0, float(said.point)

    def _hear(self, signals: NDArray[np.float64]) -> None:
        own = self._say().point
        asked, seconds, points = (float(signal) for signal in signals)
        if points != own * self.workers:
            raise PeerError(
                "The workers' parameters are no longer the same bits, as happens between machines whose "
                "processors or versions of NumPy and TensorFlow differ. Use machines of one kind."
            )
        self._heard = Said(asked > 0, seconds, own)

    def _reduce(self, *vectors: Tensor) -> Sequence[Tensor]:
        try:
            sums = self._sum(*vectors)
            # On a device an error of the collective shows when its result is read.
            return [each if "GPU" in each.device else each.numpy() for each in sums]
        except GONE as error:
            raise self._lost(error) from None

    def _lost(self, error: tf.errors.OpError) -> WorkerLostError:
        named = {int(number) for number in TASK.findall(str(error))} - {self.index}
        others = sorted(index for index in named if index < self.workers)
        who = " and ".join(self.cluster.words(index) for index in others) or "another worker"
        return WorkerLostError(
            f"The connection to {who} is lost: its process has ended, or its machine is not reachable."
        )


def _dtype(value: Value) -> np.dtype[Any]:
    """The type that a value travels in: single whole numbers are exact in float64, arrays may be larger."""
    kind = np.dtype(value.dtype.as_numpy_dtype if tf.is_tensor(value) else np.asarray(value).dtype)
    large = isinstance(value, np.ndarray) and kind == np.int64
    return kind if kind.kind == "f" or large else np.dtype(np.float64)


def _size(value: Value) -> int:
    return int(np.prod(value.shape)) if tf.is_tensor(value) else int(np.size(value))


def _joined(values: Sequence[Value], kind: np.dtype[Any]) -> Tensor:
    """One flat tensor; arrays stay on the host until then."""
    if any(tf.is_tensor(value) for value in values):
        return tf.concat([tf.reshape(tf.cast(value, kind), [-1]) for value in values], axis=0)
    return tf.constant(np.concatenate([np.ravel(value).astype(kind, copy=False) for value in values]))


def _shaped(vector: Value, like: Value) -> Value:
    """A sum as the value that it is of: a tensor, an array, or a Python number."""
    if tf.is_tensor(like):
        return tf.reshape(vector, like.shape)
    array = np.asarray(vector).reshape(np.shape(like))
    return array if isinstance(like, np.ndarray) else type(like)(array.item())
