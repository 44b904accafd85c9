import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression

from lmrun.plotting.placing import mark_places, spread, thin


def test_thin_keeps_few_points_as_they_are() -> None:
    x, y = np.arange(40.0), np.arange(40.0)
    assert thin(x, y, log=False, bins=10) == (x, y)


def test_thin_keeps_ends_and_extremes_of_each_bin() -> None:
    x = np.arange(1000.0)
    y = np.zeros(1000)
    y[[123, 777]] = 5.0, -7.0
    kept, values = thin(x, y, log=False, bins=10)
    assert len(kept) <= 40
    assert {0.0, 123.0, 777.0, 999.0} <= set(kept)
    assert np.array_equal(values, y[kept.astype(int)])
    assert (np.diff(kept) > 0).all()


def test_thin_in_the_logarithm_keeps_the_beginning() -> None:
    x = np.arange(1.0, 100_001.0)
    kept, _ = thin(x, -x, log=True, bins=50)
    assert len(kept) <= 200
    assert kept[:4].tolist() == [1.0, 2.0, 3.0, 4.0]


def test_thin_keeps_gaps() -> None:
    x = np.arange(1000.0)
    y = np.where((x >= 300) & (x < 600), np.nan, 1.0)
    kept, values = thin(x, y, log=False, bins=10)
    inside = (kept >= 300) & (kept < 600)
    assert inside.any()
    assert np.isnan(values[inside]).all()
    assert not np.isnan(values[~inside]).any()


def test_marks_are_even_on_their_axis() -> None:
    assert mark_places(np.arange(801.0), 0.0, log=False) == [0, 100, 200, 300, 400, 500, 600, 700]
    assert mark_places(np.arange(801.0), 0.5, log=False) == [50, 150, 250, 350, 450, 550, 650, 750]
    assert mark_places(2.0 ** np.arange(9), 0.0, log=True) == list(range(8))
    assert mark_places(np.array([3.0]), 0.9, log=False) == [0]


def test_spread_leaves_what_does_not_collide() -> None:
    np.testing.assert_allclose(spread([0.9, 0.1, 0.5], 0.1), [0.9, 0.1, 0.5])


def test_spread_moves_a_pair_apart_evenly() -> None:
    np.testing.assert_allclose(spread([0.5, 0.52], 0.1), [0.46, 0.56])
    np.testing.assert_allclose(spread([0.52, 0.5], 0.1), [0.56, 0.46])


def test_spread_stays_inside() -> None:
    np.testing.assert_allclose(spread([0.0, 0.0, 0.0], 0.1), [0.0, 0.1, 0.2])
    np.testing.assert_allclose(spread([1.0, 1.0, 1.0], 0.1), [0.8, 0.9, 1.0])
    # Without room for all, the gap goes before the edge.
    np.testing.assert_allclose(np.sort(spread([0.5] * 20, 0.1)), np.arange(20) * 0.1)


@given(st.lists(st.floats(0.3, 0.7), min_size=1, max_size=8))
def test_spread_is_the_least_move(heights: list[float]) -> None:
    gap = 0.04
    placed = np.array(spread(heights, gap))
    order = np.argsort(heights, kind="stable")
    ranks = np.arange(len(heights)) * gap
    expected = isotonic_regression(np.array(heights)[order] - ranks).x + ranks
    np.testing.assert_allclose(placed[order], expected, atol=1e-12)
