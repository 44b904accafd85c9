"""Routines that are called by address: what they compute, and what they refuse before memory is read."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmrun.linalg.blas import add_product
from lmrun.linalg.lapack import append_rows, is_singular, solve_triangle

RTOL = {"float32": 1e-4, "float64": 1e-13}
dtypes = st.sampled_from(sorted(RTOL))
seeds = st.integers(0, 2**32 - 1)


@given(count=st.integers(0, 12), size=st.integers(1, 8), seed=seeds, dtype=dtypes)
def test_add_product_adds_to_the_lower_triangle(count, size, seed, dtype):
    rng = np.random.default_rng(seed)
    A, before = rng.normal(size=(size, count)), rng.normal(size=(size, size))
    total = np.array(before, dtype, order="F")
    add_product(total, np.array(A, dtype))
    np.testing.assert_allclose(np.tril(total), np.tril(before + A @ A.T), rtol=RTOL[dtype], atol=RTOL[dtype])
    np.testing.assert_array_equal(np.triu(total, 1), np.triu(before.astype(dtype), 1))


def fortran(*shape, dtype="float64"):
    return np.zeros(shape, dtype, order="F")


READ_ONLY = fortran(3, 3)
READ_ONLY.flags.writeable = False


@pytest.mark.parametrize(
    ("total", "rows"),
    [
        (fortran(3, 4), np.zeros((3, 5))),
        (fortran(4, 4), np.zeros((3, 5))),
        (fortran(3, 3), np.zeros((3, 5), "float32")),
        (fortran(3, 3, dtype="int64"), np.zeros((3, 5), "int64")),
        (np.zeros((3, 3)), np.zeros((3, 5))),
        (fortran(3, 3), np.asfortranarray(np.zeros((3, 5)))),
        (fortran(3, 3), np.zeros((3, 10))[:, ::2]),
        (READ_ONLY, np.zeros((3, 5))),
    ],
    ids=["not square", "size", "types", "integers", "order", "rows' order", "strides", "read-only"],
)
def test_add_product_refuses(total, rows):
    with pytest.raises(ValueError, match=r"cannot hold|is to be"):
        add_product(total, rows)


def triangle_of(matrix):
    """The triangle of a QR factorization with a positive diagonal, which is unique."""
    R = np.linalg.qr(matrix, mode="r")
    return R * np.where(np.diagonal(R) < 0, -1, 1)[:, None]


@given(
    counts=st.lists(st.integers(0, 7), min_size=1, max_size=4),
    size=st.integers(1, 6),
    seed=seeds,
    dtype=dtypes,
)
def test_append_rows_makes_the_triangle_of_all_rows(counts, size, seed, dtype):
    rng = np.random.default_rng(seed)
    blocks = [rng.normal(size=(count, size)) for count in [*counts, size]]
    triangle = fortran(size, size, dtype=dtype)
    for block in blocks:
        append_rows(triangle, np.array(block, dtype, order="F"))
    signs = np.where(np.diagonal(triangle) < 0, -1, 1)[:, None]
    np.testing.assert_array_equal(np.tril(triangle, -1), 0)
    np.testing.assert_allclose(
        np.abs(np.diagonal(triangle)), np.diagonal(triangle_of(np.vstack(blocks))), rtol=100 * RTOL[dtype]
    )
    np.testing.assert_allclose(
        triangle * signs, triangle_of(np.vstack(blocks)), rtol=1000 * RTOL[dtype], atol=100 * RTOL[dtype]
    )


@given(count=st.integers(1, 6), extra=st.integers(0, 3), seed=seeds)
def test_append_rows_knows_the_zeros_of_a_trapezoid(count, extra, seed):
    rng = np.random.default_rng(seed)
    size = count + extra
    rows, start = np.triu(rng.normal(size=(count, size))), np.triu(rng.normal(size=(size, size)))
    one, other = start.copy(order="F"), start.copy(order="F")
    append_rows(one, rows.copy(order="F"))
    append_rows(other, rows.copy(order="F"), trapezoid=count)
    np.testing.assert_allclose(other.T @ other, one.T @ one, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(one.T @ one, start.T @ start + rows.T @ rows, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("triangle", "rows", "trapezoid"),
    [
        (fortran(4, 4), fortran(5, 3), 0),
        (fortran(3, 3, dtype="float32"), fortran(5, 3), 0),
        (fortran(3, 3, dtype="int64"), fortran(5, 3, dtype="int64"), 0),
        (np.zeros((3, 3)), fortran(5, 3), 0),
        (fortran(3, 3), np.zeros((5, 3)), 0),
        (READ_ONLY, fortran(5, 3), 0),
        (fortran(3, 3), fortran(5, 3), 4),
        (fortran(3, 3), fortran(2, 3), 3),
        (fortran(3, 3), fortran(2, 3), -1),
    ],
)
def test_append_rows_refuses(triangle, rows, trapezoid):
    with pytest.raises(ValueError, match=r"cannot take in|cannot be a trapezoid|are to be"):
        append_rows(triangle, rows, trapezoid)


def test_triangular_solves():
    R, b = np.asfortranarray([[2.0, 1.0], [np.nan, 4.0]]), np.array([4.0, 8.0])
    np.testing.assert_array_equal(solve_triangle(R, b), [1.0, 2.0])
    np.testing.assert_array_equal(solve_triangle(R, b, transposed=True), [2.0, 1.5])
    assert solve_triangle(np.asfortranarray([[2.0, 1.0], [0.0, 0.0]]), b) is None
    assert solve_triangle(np.asfortranarray([[2.0, 1.0], [0.0, 1e-300]]), 1e300 * b) is None


def test_singular_is_decided_at_the_rounding():
    assert not is_singular(np.asfortranarray(np.diag([1.0, 1e-14])))
    assert is_singular(np.asfortranarray(np.diag([1.0, 1e-16])))
    assert is_singular(np.asfortranarray(np.diag([1.0, np.nan])))
    assert is_singular(fortran(2, 2))
    assert not is_singular(np.asfortranarray(1e-30 * np.eye(3)))


def test_threads_add_side_by_side():
    """The routines run outside the lock, each on its own memory."""
    rng = np.random.default_rng(2)
    tables = [rng.normal(size=(40, 500)) for _ in range(4)]
    totals, triangles = [fortran(40, 40) for _ in tables], [fortran(40, 40) for _ in tables]

    def work(number):
        for _ in range(20):
            add_product(totals[number], tables[number])
            append_rows(triangles[number], tables[number].copy().T)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for table, total, triangle in zip(tables, totals, triangles, strict=True):
        expected = 20 * table @ table.T
        np.testing.assert_allclose(np.tril(total), np.tril(expected), rtol=1e-11, atol=1e-10)
        np.testing.assert_allclose(triangle.T @ triangle, expected, rtol=1e-11, atol=1e-9)
