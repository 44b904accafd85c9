"""How rows are cut for reproducible sums."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmrun.curvature.batch import split_batch
from lmrun.curvature.summation import MOST_BLOCKS, PLAIN, STACKED, Reproducible, block_rows
from lmrun.datasets.base import Split
from lmrun.distribution.reducer import Alone


@given(st.integers(1, 10**8))
def test_blocks_are_many_enough_to_be_shared_and_few_enough_to_be_cheap(rows):
    block = block_rows(rows)
    blocks = -(-rows // block)
    assert block % 16 == 0
    assert blocks <= MOST_BLOCKS
    # Rounding up takes no more than a sixteenth of them, where they have 256 rows or more.
    assert blocks >= 15 or block < 256


@given(rows=st.integers(1, 10**7), row_bytes=st.integers(1, 2**22))
def test_chunks_are_whole_parts_of_blocks_that_fit_into_memory(rows, row_bytes):
    unit, kernels = block_rows(rows), SimpleNamespace(chunk_bytes=2**22)
    chunk = Reproducible(unit).chunk_rows(rows, row_bytes, kernels)
    assert unit % chunk == 0
    assert chunk * row_bytes <= 2**22 or chunk % 2
    assert chunk == unit or 2 * chunk * row_bytes > 2**22


def test_few_rows_are_worth_one_thread(monkeypatch):
    monkeypatch.setattr("lmrun.curvature.summation.WORKERS", 2)
    kernels, algebra = SimpleNamespace(fewest_rows=50), SimpleNamespace(workers=2)
    for rows, threads in ((99, 1), (100, 2)):
        batch = SimpleNamespace(samples=rows, chunks=range(4))
        assert Reproducible(32).threads(batch, algebra, kernels) == threads
        assert PLAIN.threads(batch, algebra, kernels) == 2


@pytest.mark.parametrize("columns", [1, 2])
def test_weights_of_rows_are_added_block_by_block(rng, columns):
    weights = rng.uniform(size=(70, columns) if columns > 1 else 70)
    rows = Split(rng.normal(size=(70, 1)), rng.normal(size=(70, columns)), weights)
    batch = split_batch(rows, "float64", 16)
    found = Reproducible(16).weight(batch, Alone())
    assert found == pytest.approx(weights.sum() / columns, rel=1e-15)
    assert found == pytest.approx(PLAIN.weight(batch, Alone()), rel=1e-15)


class Pretended(Alone):
    """The second of two workers; the first has the same numbers, negative."""

    def __init__(self):
        super().__init__()
        self.index, self.workers, self.calls = 1, 2, 0

    def total(self, *values):
        self.calls += 1
        return [2 * value if np.all(value >= 0) else 0 * value for value in values]

    def stack(self, value):
        self.calls += 1
        return [-value, value]


@pytest.mark.parametrize(("size", "calls"), [(STACKED // 4, 1), (STACKED, 2)])
def test_large_sums_travel_after_their_bounds(rng, size, calls):
    parts, reducer = list(rng.normal(size=(3, size))), Pretended()
    # Parts that cancel over two workers leave nothing, and no rounding of what each had.
    assert not np.any(Reproducible(16).array(parts, reducer))
    assert reducer.calls == calls


def test_a_large_sum_that_is_not_finite_is_so_everywhere():
    parts, reducer = [np.full(STACKED, np.inf)], Pretended()
    assert np.isnan(Reproducible(16).array(parts, reducer)).all()
    assert reducer.calls == 1
