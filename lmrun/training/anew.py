"""What a run lets go of that the run before it, in the same process, has left."""

from __future__ import annotations

import weakref

import keras

from lmrun.datasets import Dataset

_data: list[weakref.ref[Dataset]] = []
"""Of the last run that was prepared here."""
LARGE_BYTES = 2**25
"""Of data that are worth the 0.1 s that the collector takes."""


def begin_anew() -> None:
    """Let go of what the run before has left in this process.

    Keras numbers its layers, and TensorFlow keeps something for every name of a variable: 0.2 MiB per run. So
    each run has the names that it would have in a process of its own. Experiments refer to themselves in
    circles, which Python's collector finds at some time; the data of the last one are not to wait for that.
    """
    left = [data for reference in _data if (data := reference()) is not None]
    large = any(
        split.inputs.nbytes > LARGE_BYTES for data in left for split in (data.train, data.test) if split
    )
    del left
    _data.clear()
    keras.backend.clear_session(free_memory=large)


def leave_behind(dataset: Dataset) -> None:
    """Note what the next run is to let go of."""
    _data.append(weakref.ref(dataset))
