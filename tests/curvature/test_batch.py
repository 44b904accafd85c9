"""Rows in chunks of equal size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmrun.curvature import batch as batches
from lmrun.curvature.batch import (
    CHUNK_BYTES,
    FEWEST_ROWS,
    OnDemand,
    chunk_rows,
    for_kernels,
    make_batch,
    make_rows,
    split_batch,
)
from lmrun.datasets.base import Split
from lmrun.linalg.threads import WORKERS

ROWS = 7
SPLIT = Split(np.arange(14.0).reshape(ROWS, 2), np.arange(ROWS, dtype=np.int64), np.linspace(1, 2, ROWS))


@pytest.fixture(params=["kept", "cut anew"])
def all_rows(request, monkeypatch):
    """Return a function that makes the batch of a whole split, its chunks kept or not."""
    monkeypatch.setattr(batches, "KEPT_BYTES", 2**25 if request.param == "kept" else 0)

    def make(split, chunk, dtype="float64"):
        batch = split_batch(split, dtype, chunk)
        assert isinstance(batch.chunks, tuple) == (request.param == "kept")
        return batch

    return make


@given(samples=st.integers(1, 10**6), row_bytes=st.integers(1, 2 * CHUNK_BYTES))
def test_chunks_fit_and_are_even(samples, row_bytes):
    rows = chunk_rows(samples, row_bytes)
    chunks = -(-samples // rows)
    assert 1 <= rows <= max(1, CHUNK_BYTES // row_bytes)
    assert chunks * rows - samples < chunks


def test_chunks_are_no_smaller_than_they_must_be():
    assert chunk_rows(20, CHUNK_BYTES // 20) == 20
    assert chunk_rows(21, CHUNK_BYTES // 20) == 11
    assert chunk_rows(3, 10 * CHUNK_BYTES) == 1


def test_every_worker_has_the_same_number_of_chunks():
    rows = FEWEST_ROWS * WORKERS
    for samples in (rows, rows + 1, 7 * rows):
        assert -(-samples // chunk_rows(samples, CHUNK_BYTES // rows)) % WORKERS == 0
    assert chunk_rows(rows - 1, 8) == rows - 1


@pytest.mark.parametrize(("chunk", "chunks", "filling"), [(7, 1, 0), (4, 2, 1), (3, 3, 2), (1, 7, 0)])
def test_the_last_chunk_is_filled_up_with_rows_of_no_weight(chunk, chunks, filling, all_rows):
    batch = all_rows(SPLIT, chunk)
    assert len(batch.chunks) == chunks
    assert (batch.samples, batch.weight) == (ROWS, pytest.approx(10.5, rel=1e-15))
    inputs = np.concatenate([part.inputs.numpy().T for part in batch.chunks])
    targets, weights = (
        np.concatenate([getattr(part, name).numpy() for part in batch.chunks])
        for name in ("targets", "weights")
    )
    assert len(weights) == ROWS + filling
    np.testing.assert_array_equal(inputs[:ROWS], SPLIT.inputs)
    np.testing.assert_array_equal(targets[:ROWS], SPLIT.targets)
    np.testing.assert_array_equal(weights[:ROWS], SPLIT.weights)
    np.testing.assert_array_equal(weights[ROWS:], 0)
    np.testing.assert_array_equal(inputs[ROWS:], SPLIT.inputs[:1].repeat(filling, axis=0))
    assert targets.dtype == np.int64


def test_the_split_stays_as_it_is(all_rows):
    before = SPLIT.weights.copy()
    list(all_rows(SPLIT, 4).chunks)
    np.testing.assert_array_equal(SPLIT.weights, before)


def test_chosen_rows_come_in_their_order():
    batch = make_batch(make_rows(SPLIT, "float64"), np.array([5, 0, 3]), 2)
    assert (batch.samples, len(batch.chunks)) == (3, 2)
    assert batch.weight == pytest.approx(SPLIT.weights[[5, 0, 3]].sum(), rel=1e-15)
    np.testing.assert_array_equal(batch.chunks[0].inputs, SPLIT.inputs[[5, 0]].T)
    np.testing.assert_array_equal(batch.chunks[0].targets, [5, 0])
    np.testing.assert_array_equal(batch.chunks[1].targets, [3, 5])
    np.testing.assert_array_equal(batch.chunks[1].weights, [SPLIT.weights[3], 0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_equal_weights_have_the_type_of_the_data(dtype, all_rows):
    split = Split(SPLIT.inputs.astype(dtype), SPLIT.targets)
    batch = all_rows(split, 5, dtype)
    assert batch.weight == ROWS
    first, last = (chunk.weights for chunk in batch.chunks)
    assert first.dtype == last.dtype == dtype
    np.testing.assert_array_equal(first, np.ones(5))
    np.testing.assert_array_equal(last, [1, 1, 0, 0, 0])


def test_equal_weights_are_one_tensor(all_rows):
    first, second, _ = all_rows(Split(SPLIT.inputs, SPLIT.targets), 3).chunks
    assert first.weights is second.weights


def test_all_rows_are_the_drawn_ones(all_rows):
    """The two ways to the same chunks, to the last bit of the weight."""
    whole = all_rows(SPLIT, 3)
    drawn = make_batch(make_rows(SPLIT, "float64"), np.arange(ROWS), 3)
    assert (whole.weight, whole.samples) == (drawn.weight, drawn.samples)
    for one, other in zip(whole.chunks, drawn.chunks, strict=True):
        for mine, theirs in zip(one, other, strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_many_rows_are_not_copied(monkeypatch):
    """A chunk that is asked for again is read from the split again."""
    monkeypatch.setattr(batches, "KEPT_BYTES", SPLIT.inputs.nbytes)
    inputs = SPLIT.inputs.copy()
    chunks = split_batch(Split(inputs, SPLIT.targets), "float64", 3).chunks
    assert chunks[0].inputs[0, 0] == 0
    inputs[0, 0] = 5
    assert chunks[0].inputs[0, 0] == 5


def test_what_is_made_on_demand_is_a_sequence():
    made = []
    squares = OnDemand(lambda number: made.append(number) or number**2, range(2, 7))
    odd = squares[1::2]
    assert (len(squares), len(odd), made) == (5, 2, [])
    assert (list(odd), squares[-1], made) == ([9, 25], 36, [3, 5, 6])
    with pytest.raises(IndexError):
        squares[5]


def test_kernels_see_images_with_channels_first_and_samples_last(rng, all_rows):
    images = rng.normal(size=(ROWS, 4, 3, 2))
    rows = make_rows(Split(images, SPLIT.targets), "float64")
    np.testing.assert_array_equal(rows.inputs, images)
    laid_out = for_kernels(rows)
    np.testing.assert_array_equal(laid_out.inputs, images.transpose(3, 1, 2, 0))
    assert laid_out.targets is rows.targets
    (chunk,) = make_batch(rows, np.array([6, 2]), 2).chunks
    np.testing.assert_array_equal(chunk.inputs, images[[6, 2]].transpose(3, 1, 2, 0))
    for start, chunk in zip((0, 4), all_rows(Split(images, SPLIT.targets), 4).chunks, strict=True):
        rows = [*range(start, min(start + 4, ROWS)), 0][:4]
        np.testing.assert_array_equal(chunk.inputs, images[rows].transpose(3, 1, 2, 0))
