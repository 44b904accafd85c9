"""Rows in chunks of equal size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmrun.curvature.batch import CHUNK_BYTES, FEWEST_ROWS, chunk_rows, for_kernels, make_batch, make_rows
from lmrun.datasets.base import Split
from lmrun.linalg.host import WORKERS

ROWS = 7
SPLIT = Split(np.arange(14.0).reshape(ROWS, 2), np.arange(ROWS, dtype=np.int64), np.linspace(1, 2, ROWS))


def batch_of(split, indices, chunk, dtype="float64"):
    return make_batch(make_rows(split, dtype), indices, chunk)


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
def test_the_last_chunk_is_filled_up_with_rows_of_no_weight(chunk, chunks, filling):
    batch = batch_of(SPLIT, None, chunk)
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


def test_the_split_stays_as_it_is():
    before = SPLIT.weights.copy()
    batch_of(SPLIT, None, 4)
    np.testing.assert_array_equal(SPLIT.weights, before)


def test_chosen_rows_come_in_their_order():
    batch = batch_of(SPLIT, np.array([5, 0, 3]), 2)
    assert (batch.samples, len(batch.chunks)) == (3, 2)
    assert batch.weight == pytest.approx(SPLIT.weights[[5, 0, 3]].sum(), rel=1e-15)
    np.testing.assert_array_equal(batch.chunks[0].inputs, SPLIT.inputs[[5, 0]].T)
    np.testing.assert_array_equal(batch.chunks[0].targets, [5, 0])
    np.testing.assert_array_equal(batch.chunks[1].targets, [3, 5])
    np.testing.assert_array_equal(batch.chunks[1].weights, [SPLIT.weights[3], 0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_equal_weights_have_the_type_of_the_data(dtype):
    split = Split(SPLIT.inputs.astype(dtype), SPLIT.targets)
    batch = batch_of(split, None, ROWS, dtype)
    assert batch.weight == ROWS
    assert batch.chunks[0].weights.dtype == dtype
    np.testing.assert_array_equal(batch.chunks[0].weights, np.ones(ROWS))


def test_kernels_see_images_with_channels_first_and_samples_last(rng):
    images = rng.normal(size=(ROWS, 4, 3, 2))
    rows = make_rows(Split(images, SPLIT.targets), "float64")
    np.testing.assert_array_equal(rows.inputs, images)
    laid_out = for_kernels(rows)
    np.testing.assert_array_equal(laid_out.inputs, images.transpose(3, 1, 2, 0))
    assert laid_out.targets is rows.targets
    (chunk,) = make_batch(rows, np.array([6, 2]), 2).chunks
    np.testing.assert_array_equal(chunk.inputs, images[[6, 2]].transpose(3, 1, 2, 0))
