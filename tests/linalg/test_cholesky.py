"""Blocks of columns give the factor that LAPACK gives at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmrun.linalg.cholesky import FEWEST, factorize_in_blocks
from lmrun.linalg.host.gram import factorize

TOLERANCE = {"float32": 1e-5, "float64": 1e-14}


def positive(size, dtype, seed=0):
    rows = np.random.default_rng(seed).normal(size=(size, size + 3))
    return np.array(rows @ rows.T + np.eye(size), dtype, order="F")


@given(
    size=st.integers(1, 30),
    block=st.integers(1, 31),
    dtype=st.sampled_from(sorted(TOLERANCE)),
    seed=st.integers(0, 2**32 - 1),
)
def test_blocks_of_any_size(size, block, dtype, seed):
    matrix = positive(size, dtype, seed)
    factor = matrix.copy(order="F")
    assert factorize_in_blocks(factor, block)
    exact = np.linalg.cholesky(matrix.astype(np.float64))
    np.testing.assert_allclose(
        np.tril(factor), exact, rtol=0, atol=10 * TOLERANCE[dtype] * np.abs(exact).max()
    )
    np.testing.assert_array_equal(np.triu(factor, 1), np.triu(matrix, 1))


@pytest.mark.parametrize("dtype", sorted(TOLERANCE))
def test_a_large_matrix_is_factored_in_blocks(dtype):
    matrix = positive(FEWEST + 7, dtype)
    product = np.tril(factorize(matrix.copy(order="F")).astype(np.float64))
    np.testing.assert_allclose(
        product @ product.T, matrix, rtol=0, atol=10 * TOLERANCE[dtype] * np.abs(matrix).max()
    )


@pytest.mark.parametrize("value", [-1.0, 0.0])
@pytest.mark.parametrize("place", [0, 5, 11])
def test_what_has_no_factor(value, place):
    matrix = np.asfortranarray(np.eye(12))
    matrix[place, place] = value
    assert not factorize_in_blocks(matrix, 4)


@pytest.mark.parametrize(
    "matrix",
    [
        np.zeros((3, 4), order="F"),
        np.zeros((3, 3)),
        np.zeros((3, 3), int, order="F"),
        np.broadcast_to(np.zeros(()), (3, 3)),
    ],
)
def test_what_blas_would_read_beyond_is_refused(matrix):
    with pytest.raises(ValueError, match="matrix"):
        factorize_in_blocks(matrix)
