"""Sums of integers over workers against exact rational ones."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmrun.linalg import fixed_point
from lmrun.linalg.compensated import Pair

PARTS = st.floats(-1.0, 1.0).filter(lambda value: value == 0 or abs(value) > 1e-6)


def by_workers(pairs, exponents):
    """Return the sum that workers with these parts would be given, and what each of them moved."""
    given = []

    class First:
        def total(self, vector):
            given.append(vector)
            return [vector]

    for pair in pairs:
        fixed_point.total(pair, exponents, First(), len(pairs))

    class All:
        def total(self, vector):
            return [np.sum(given, axis=0)]

    return fixed_point.total(pairs[0], exponents, All(), len(pairs)), [vector.size for vector in given]


@given(st.lists(st.tuples(PARTS, PARTS), min_size=1, max_size=9), st.integers(-300, 300))
def test_the_sum_is_rounded_once(parts, scale):
    highs = [np.ldexp([one, other, -one], scale) for one, other in parts]
    lows = [np.ldexp(high, -57) for high in highs]
    bounds = np.sum(np.abs(highs), axis=0)
    pairs = [Pair(high, low) for high, low in zip(highs, lows, strict=True)]
    found, moved = by_workers(pairs, fixed_point.exponents_of(bounds))
    for place in range(3):
        terms = [*(high[place] for high in highs), *(low[place] for low in lows)]
        expected, quantum = sum(map(Fraction, terms)), Fraction(float(bounds[place])) * Fraction(2) ** -82
        # Nothing is lost but what is below the second quantum.
        assert abs(Fraction(float(found[place])) - expected) <= quantum + abs(expected) * Fraction(2) ** -53
    # Three entries of 12 bytes, by an even number of halves.
    assert set(moved) == {3 + 2}


@given(st.lists(st.integers(-(2**60), 2**60), min_size=1, max_size=4), st.integers(-(2**9), 2**9))
def test_both_integers_make_one_rounding(first, second):
    left = second * 2.0**-5
    found = fixed_point._rounded(np.array(first, np.int64), np.full(len(first), left))
    assert found.tolist() == [float(Fraction(each) + Fraction(left)) for each in first]


@given(st.lists(st.integers(-(2**30), 2**30), min_size=0, max_size=7))
def test_pairs_of_integers_come_apart(numbers):
    pairs = fixed_point._paired(np.array(numbers, np.int64))
    assert len(pairs) == (len(numbers) + 1) // 2
    assert fixed_point._apart(pairs, len(numbers)).tolist() == numbers


def test_entries_of_a_gram_matrix_are_bounded_by_its_diagonal(rng):
    rows = rng.normal(size=(4, 6)) * 10.0 ** rng.integers(-150, 150, size=(4, 1))
    rows[2] = 0
    gram = rows @ rows.T
    below = np.tril_indices(4)
    packed = np.concatenate([gram[column:, column] for column in range(4)])
    assert len(packed) == len(below[0])
    places = fixed_point.diagonal_places(4)
    np.testing.assert_array_equal(packed[places], np.diagonal(gram))
    exponents = fixed_point.packed_exponents(packed[places])
    assert np.all(np.abs(packed) <= np.ldexp(1.0, exponents))
    # And not by much more: no digits are given away.
    assert np.all(np.ldexp(1.0, exponents[places]) <= 16 * packed[places] + 1e-320)


@pytest.mark.parametrize("workers", [1, 2, 3, 1000])
def test_equal_parts_fill_the_bound(workers):
    pair = Pair(np.array([1.0]), np.array([0.0]))
    found, _ = by_workers([pair] * workers, fixed_point.exponents_of(np.array([float(workers)])))
    assert found[0] == workers
