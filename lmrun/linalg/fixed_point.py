"""Sums over workers of numbers with twice the digits, by one ordinary sum of integers.

Integers add up exactly, in any order. So once all workers know a bound of every entry, each takes its part of
the entry as a multiple of a common quantum, 2^-61 of the bound, and what is left of that as a multiple of a
second one, as much finer as leaves room for the sum over the workers in 31 bits. The second integers of two
entries travel as one number: an entry takes 12 bytes.
Source: the pre-rounding of Demmel and Nguyen 2013, Fast reproducible floating-point summation, with integers
in the place of floating-point numbers that have a common exponent.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lmrun.linalg.compensated import Float64, Pair
from lmrun.linalg.sharing import Sums

Integers = NDArray[np.integer]

FIRST, SECOND = 61, 30
"""Bits of the two integers, without their signs and one to spare."""
LEAST_EXPONENT = -536
"""Of the length of a column whose square is zero in float64: its numbers are below 2^-537."""
WORD = 2**32


def exponents_of(bounds: Float64) -> Integers:
    """Return exponents e with 2^e above bounds [k] that rounding may have left a little too low."""
    exponents: Integers = np.frexp(bounds)[1] + 1
    return exponents


def packed_exponents(diagonal: Float64) -> Integers:
    """Return the exponents of the entries of a Gram matrix from its diagonal [n], [n (n + 1) / 2].

    |A_ij| <= sqrt(A_ii A_jj) (Cauchy and Schwarz), for the part of each worker as for the sum. The order is
    LAPACK's of a packed lower triangle.
    """
    lengths = np.frexp(np.sqrt(diagonal))[1]
    lengths[diagonal == 0] = LEAST_EXPONENT
    size = len(diagonal)
    rows = np.concatenate([lengths[column:] for column in range(size)])
    exponents: Integers = rows + np.repeat(lengths, np.arange(size, 0, -1)) + 1
    return exponents


def diagonal_places(size: int) -> Integers:
    """Return where the diagonal stands in a packed lower triangle of a matrix [size, size]."""
    columns = np.arange(size)
    return columns * size - columns * (columns - 1) // 2


def total(pair: Pair, exponents: Integers, sums: Sums, workers: int) -> Float64:
    """Return the sum over all workers, rounded once [k].

    Args:
        pair: This worker's part [k].
        exponents: Of 2 for a bound of every part and of their sum [k]; the same on all workers.
        sums: Over the workers; it moves 3 k / 2 numbers.
        workers: Their number.
    """
    finer = SECOND - (workers - 1).bit_length()
    first, second = _integers(pair, FIRST - exponents, finer)
    (summed,) = sums.total(np.concatenate([first, _paired(second)]))
    first, second = summed[: len(exponents)], _apart(summed[len(exponents) :], len(exponents))
    return np.ldexp(_rounded(first, np.ldexp(second.astype(np.float64), -finer)), exponents - FIRST)


def _integers(pair: Pair, shift: Integers, finer: int) -> tuple[Integers, Integers]:
    """Both parts in units of the quantum: whole numbers, and what is left of them 2^finer times."""
    high, low = np.ldexp(pair.high, shift), np.ldexp(pair.low, shift)
    whole, more = np.rint(high), np.rint(low)
    left = np.rint(np.ldexp((high - whole) + (low - more), finer))
    return whole.astype(np.int64) + more.astype(np.int64), left.astype(np.int64)


def _paired(numbers: Integers) -> Integers:
    """Two numbers of 32 bits in each of 64; sums of these are pairs of sums."""
    even = np.append(numbers, 0) if len(numbers) % 2 else numbers
    pairs: Integers = even[0::2] * WORD + even[1::2]
    return pairs


def _apart(pairs: Integers, count: int) -> Integers:
    """What `_paired` put together."""
    second = (pairs + WORD // 2) % WORD - WORD // 2
    both: Integers = np.stack([(pairs - second) // WORD, second], axis=1).ravel()
    return both[:count]


def _rounded(first: Integers, left: Float64) -> Float64:
    """Add both, rounded once: the sum of the halves of `first` has an error that fits beside `left`."""
    upper = (first // WORD).astype(np.float64) * WORD
    lower = (first % WORD).astype(np.float64)
    total = upper + lower
    rounded: Float64 = total + ((lower - (total - upper)) + left)
    return rounded
