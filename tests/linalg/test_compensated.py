"""Compensated sums against exact rational ones."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmrun.linalg.compensated import SLICE, CompensatedSum, Pair, number_of, sum_of

TERMS = st.lists(st.floats(-1e3, 1e3, allow_subnormal=False), min_size=1, max_size=40)
LIKE = st.lists(
    st.floats(0.5, 1e3).flatmap(lambda value: st.sampled_from([value, -value])), min_size=1, max_size=64
)


def exact(terms):
    return sum(map(Fraction, terms))


@given(LIKE, st.randoms(use_true_random=False))
def test_terms_of_like_size_lose_nothing_in_any_order(terms, random):
    expected, shuffled = float(exact(terms)), list(terms)
    random.shuffle(shuffled)
    for order in (terms, shuffled):
        pair = sum_of([np.array([term]) for term in order])
        assert Fraction(pair.high[0]) + Fraction(pair.low[0]) == exact(terms)
        assert pair.rounded()[0] == expected


@given(TERMS)
def test_numbers_are_rounded_once(terms):
    high, low = number_of(terms)
    assert high == float(exact(terms))
    assert low == float(exact([*terms, -high]))


@given(LIKE, st.integers(0, 64))
def test_parts_of_a_sum_are_taken_in(terms, first):
    parts = [CompensatedSum(1), CompensatedSum(1)]
    for number, term in enumerate(terms):
        parts[number >= first].add(np.array([term]))
    parts[0].take_in(parts[1])
    assert parts[0].pair.rounded()[0] == float(exact(terms))


def test_long_vectors_are_added_slice_by_slice(rng):
    rows = rng.normal(size=(5, 2 * SLICE + 3))
    total = CompensatedSum(rows.shape[1])
    for row in rows:
        total.add(row)
    pair = sum_of(list(rows))
    np.testing.assert_array_equal(total.pair.rounded(), pair.rounded())
    assert pair.rounded()[-1] == float(exact(rows[:, -1]))
    # A plain sum would not do.
    assert (rows.sum(axis=0) != pair.rounded()).any()


def test_low_parts_are_added_too():
    pair = sum_of(np.array([1.0, 1.0, 1.0]), np.array([2.0**-54, 2.0**-54, 2.0**-60]))
    assert pair.low == pytest.approx(2.0**-53 + 2.0**-60, rel=0)


@pytest.mark.parametrize("odd", [np.inf, -np.inf, np.nan])
def test_what_is_not_finite_stays_so(odd):
    found = [sum_of([np.array([1.0]), np.array([odd]), np.array([2.0])]).rounded()[0], number_of([1, odd])[0]]
    total = CompensatedSum(1)
    for value in (odd, 1.0):
        total.add(np.array([value]))
    for value in (*found, total.pair.rounded()[0]):
        assert value == odd or (np.isnan(odd) and np.isnan(value))


def test_only_what_is_not_finite_is_the_plain_sum():
    pair = Pair(np.array([1.0, np.inf]), np.array([2.0**-52, np.nan]))
    assert pair.rounded().tolist() == [1.0 + 2.0**-52, np.inf]
