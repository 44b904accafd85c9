"""Independent random streams from one seed.

The seed of a config decides data, split, initial weights and the order of the batches separately: a change of
the split's size, say, leaves the initial weights as they were.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What a random stream is for; the numbers are part of the reproducibility and never change."""

    DATA = 0
    SPLIT = 1
    WEIGHTS = 2
    ORDER = 3
    PROJECTIONS = 4
    SAMPLE = 5
    SUBSET = 6
    STARTS = 7
    BOOTSTRAP = 8
    SWEEP = 9


def generator(seed: int, stream: Stream, *counters: int) -> np.random.Generator:
    """Return the generator of one stream; `counters`, such as an epoch, select an independent part of it.

    It is counter based: nothing has to be stored to continue a stopped run.
    Source: NumPy's `SeedSequence` (M. O'Neill's seed_seq design) over PCG64.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(int(stream), *counters)))
