import numpy as np
import pytest

from lmrun.compare.groups import group
from lmrun.plotting.groups import draw_groups, on_grid, quartiles
from lmrun.plotting.style import styled


def test_every_point_has_the_last_loss_so_far():
    x, loss = np.array([0.0, 1, 2, 4]), np.array([9.0, 3, 2, 1])
    grid, (values,) = on_grid([(x, loss)])
    assert (grid[0], grid[-1]) == (1, 4)
    for point, value in zip(grid, values, strict=True):
        assert value == loss[np.flatnonzero(x <= point)[-1]]


def test_a_short_run_keeps_its_last_loss():
    long, short = (np.array([1.0, 2, 8]), np.array([3.0, 2, 1])), (np.array([1.5, 2]), np.array([5.0, 4]))
    grid, values = on_grid([long, short])
    assert (grid[0], grid[-1]) == (1.5, 8)
    assert (values[0, -1], values[1, -1]) == (1, 4)


@pytest.mark.parametrize("loss", [[np.nan, np.nan], [0.0, 0.0]])
def test_a_run_without_a_positive_loss_is_left_out(loss):
    good = (np.array([1.0, 2]), np.array([3.0, 2]))
    grid, values = on_grid([good, (np.array([1.0, 2]), np.array(loss))])
    assert (values.shape[0], grid[0], grid[-1]) == (1, 1.0, 2.0)
    grid, values = on_grid([(np.array([0.0, 1]), np.array(loss))])
    assert (len(grid), values.shape) == (0, (0, 0))


def test_a_run_that_fails_is_the_worst_from_there_on():
    x = np.array([1.0, 2, 3])
    losses = ([3.0, 2, 1], [3.0, 1, np.nan], [3.0, np.nan, np.nan])
    grid, on_it = on_grid([(x, np.array(each)) for each in losses])
    low, middle, high = quartiles(on_it)
    place = np.searchsorted(grid, 2.5)
    assert (low[0], middle[0], high[0]) == (3, 3, 3)
    assert (middle[place], high[place]) == (2, np.inf)
    assert (low[-1], middle[-1]) == (np.inf, np.inf), "two of three failed"


def test_the_legend_counts_the_runs_that_are_drawn(make_result):
    results = [make_result("lm", seed, losses) for seed, losses in ((1, (1, 0.1)), (2, (np.nan, np.nan)))]
    with styled():
        figure = draw_groups(group(results), "a title with $ and _")
        figure.draw_without_rendering()
    (label,) = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    assert label == "lm (1 of 2 seeds)"
