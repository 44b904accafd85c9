import numpy as np
import pytest

from lmrun.plotting.groups import on_grid


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
def test_a_run_without_a_positive_loss_draws_nothing(loss):
    good = (np.array([1.0, 2]), np.array([3.0, 2]))
    grid, values = on_grid([good, (np.array([1.0, 2]), np.array(loss))])
    assert len(grid) == 0
    assert values.shape == (2, 0)
