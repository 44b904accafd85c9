"""Sums over the workers of a fit: all that a step has to ask the others for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

from lmrun.errors import LmrunError, PeerError

Value = Any
"""A number, a NumPy array or a tensor."""

WORDS, FAILURE = b"+", b"!"
"""The first byte of a message: what it is."""


class Said(NamedTuple):
    """What a worker says along with every sum, so that all decide alike on what only one knows.

    Attributes:
        asked: Whether a user asked to stop; of all workers, whether one of them did.
        seconds: Time of training; of all workers, that of the first.
        point: A number below 2^32 that stands for the present parameters; they are the same everywhere.
    """

    asked: bool = False
    seconds: float = 0.0
    point: int = 0


Say = Callable[[], Said]


class Reducer(Protocol):
    """Sums over workers. All make the same calls in the same order, and all are given the same bits.

    Attributes:
        index: Which worker this is; the one of index 0 leaves the run directory.
        workers: Their number.
        numbers: How many numbers this worker has given to sums so far.
    """

    index: int
    workers: int
    numbers: int

    def total(self, *values: Value) -> list[Value]:
        """Return the sums of several values, each of the kind, shape and dtype of the value.

        Raises:
            WorkerLostError: Another worker is gone.
        """
        ...

    def stack(self, value: Value) -> Sequence[Value]:
        """Return every worker's value, of one shape, in the order of their indices.

        Raises:
            WorkerLostError: Another worker is gone.
        """
        ...

    def gather(self, message: bytes) -> list[bytes]:
        """Return every worker's message, in the order of their indices.

        Raises:
            WorkerLostError: Another worker is gone.
            PeerError: Another worker has failed, and says why.
        """
        ...

    def fail(self, words: str) -> None:
        """Let the others, who wait for a message, know why there is none."""
        ...

    def listen(self, say: Say) -> None:
        """Call `say` for what goes along with every sum from now on."""
        ...

    @property
    def heard(self) -> Said:
        """What went along with the latest sum."""
        ...


class Alone:
    """The only worker: every sum is its own."""

    def __init__(self) -> None:
        self.index, self.workers, self.numbers = 0, 1, 0
        self._say: Say = Said

    def total(self, *values: Value) -> list[Value]:
        """As they are."""
        return list(values)

    def stack(self, value: Value) -> Sequence[Value]:
        """The one there is."""
        return (value,)

    def gather(self, message: bytes) -> list[bytes]:
        """The one there is."""
        return [message]

    def fail(self, words: str) -> None:
        """Nobody waits."""

    def listen(self, say: Say) -> None:
        """Kept for `heard`."""
        self._say = say

    @property
    def heard(self) -> Said:
        """At this moment."""
        return self._say()


@contextmanager
def together(reducer: Reducer) -> Iterator[None]:
    """Do something that ends well on all workers or on none; inside, workers exchange messages only.

    Raises:
        PeerError: It failed on another worker.
    """
    try:
        yield
    except PeerError:
        # All workers know of it already.
        raise
    except LmrunError as error:
        reducer.fail(str(error))
        raise
    reducer.gather(b"")
