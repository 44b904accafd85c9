"""The random streams: which numbers a seed gives is part of every published result."""

import numpy as np
import pytest

from lmrun.seeding import Stream, generator


def test_numbers_of_the_streams_never_change():
    assert {stream.name: int(stream) for stream in Stream} == {
        "DATA": 0,
        "SPLIT": 1,
        "WEIGHTS": 2,
        "ORDER": 3,
        "PROJECTIONS": 4,
        "SAMPLE": 5,
        "SUBSET": 6,
        "STARTS": 7,
        "BOOTSTRAP": 8,
        "SWEEP": 9,
    }


@pytest.mark.parametrize(
    ("stream", "counters", "first"),
    [
        (Stream.DATA, (), [0.9888176022809427, 0.3425549638421377]),
        (Stream.SPLIT, (), [0.02566592822100211, 0.37812360408824164]),
        (Stream.WEIGHTS, (), [0.3954324038164594, 0.8179538049390541]),
        (Stream.ORDER, (), [0.5070685721066027, 0.38235190926124596]),
        (Stream.ORDER, (0,), [0.29211919755831284, 0.9759202461398602]),
        (Stream.ORDER, (5,), [0.32056307653746496, 0.4725366034273619]),
    ],
)
def test_first_numbers_never_change(stream, counters, first):
    np.testing.assert_array_equal(generator(10, stream, *counters).random(2), first)


def test_the_same_arguments_give_the_same_numbers():
    first, second = generator(3, Stream.ORDER, 7), generator(3, Stream.ORDER, 7)
    np.testing.assert_array_equal(first.permutation(100), second.permutation(100))


def test_streams_counters_and_seeds_are_independent():
    keys = [
        (seed, stream, *counters) for seed in (0, 1, 10) for stream in Stream for counters in ((), (0,), (1,))
    ]
    draws = np.array([generator(*key).normal(size=400) for key in keys])
    correlation = np.corrcoef(draws) - np.eye(len(keys))
    # 630 pairs of 400 numbers: beyond 4.5 / sqrt(400) chance does not go.
    assert np.abs(correlation).max() < 4.5 / np.sqrt(400)
