"""The rows of every step."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmrun.training.schedule import Schedule


@given(rows=st.integers(1, 200), size=st.integers(1, 250), epoch=st.integers(0, 5), seed=st.integers(0, 9))
def test_an_epoch_visits_every_row_once(rows, size, epoch, seed):
    schedule = Schedule(rows, size, shuffle=True, seed=seed)
    order = schedule.order(epoch)
    batches = [order[b * schedule.size : (b + 1) * schedule.size] for b in range(schedule.batches)]
    assert [len(batch) for batch in batches] == list(schedule.weights(epoch, None))
    sample_weights = np.arange(rows) % 3
    assert [sample_weights[batch].sum() for batch in batches] == list(schedule.weights(epoch, sample_weights))
    assert sorted(np.concatenate(batches)) == list(range(rows))


def test_orders_differ_between_epochs_and_seeds_and_repeat():
    first = Schedule(50, 10, shuffle=True, seed=1)
    assert not np.array_equal(first.order(0), first.order(1))
    assert not np.array_equal(first.order(0), Schedule(50, 10, shuffle=True, seed=2).order(0))
    assert np.array_equal(first.order(3), Schedule(50, 10, shuffle=True, seed=1).order(3))


def test_without_shuffle_rows_come_in_their_order():
    assert np.array_equal(Schedule(5, 2, shuffle=False, seed=1).order(7), np.arange(5))


@pytest.mark.parametrize(("size", "full"), [("full", True), (10, True), (11, True), (9, False)])
def test_full_batch(size, full):
    assert Schedule(10, size, shuffle=True, seed=0).full_batch is full


def test_the_position_is_the_number_of_steps():
    schedule = Schedule(10, 4, shuffle=True, seed=0)
    assert schedule.batches == 3
    assert [schedule.epoch(step) for step in range(7)] == [0, 0, 0, 1, 1, 1, 2]
    assert [schedule.batch(step) for step in range(7)] == [0, 1, 2, 0, 1, 2, 0]
