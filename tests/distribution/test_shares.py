import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmrun.datasets.base import Dataset, Split
from lmrun.distribution.messages import exchange, packed, unpacked
from lmrun.distribution.reducer import Alone, Said, together
from lmrun.distribution.shares import bounds, own, share_of
from lmrun.errors import DataError


class Worker(Alone):
    """One of several workers, whose shares need no sums."""

    def __init__(self, index, workers):
        super().__init__()
        self.index, self.workers = index, workers


def data(rows, validation=0):
    def split(count):
        numbers = np.arange(count, dtype=np.float64)[:, None]
        return Split(numbers, numbers + 0.5)

    held = split(validation) if validation else None
    return Dataset("table", split(rows), held, None, ("x",), ("y",))


@given(st.integers(1, 200), st.integers(1, 20))
def test_shares_are_all_rows_once_and_differ_by_one_at_most(rows, workers):
    cuts = [bounds(rows, index, workers) for index in range(workers)]
    assert [row for start, stop in cuts for row in range(start, stop)] == list(range(rows))
    sizes = [stop - start for start, stop in cuts]
    assert max(sizes) - min(sizes) <= 1


@given(st.integers(1, 200), st.integers(1, 20), st.integers(1, 40))
def test_units_stay_together(rows, workers, unit):
    cuts = [bounds(rows, index, workers, unit) for index in range(workers)]
    assert [row for start, stop in cuts for row in range(start, stop)] == list(range(rows))
    assert all(start % unit == 0 or start == stop == rows for start, stop in cuts)
    units = -(-rows // unit)
    assert max(stop - start for start, stop in cuts) <= unit * -(-units // workers)


def test_each_worker_knows_which_rows_of_a_batch_are_its_own():
    shares = [share_of(data(7), Worker(index, 3)) for index in range(3)]
    assert [share.training_rows for share in shares] == [7, 7, 7]
    batch = np.array([6, 0, 3, 2])
    found = [share.train.inputs[own(share, batch), 0].tolist() for share in shares]
    assert found == [[0.0], [3.0, 2.0], [6.0]]


def test_a_part_with_fewer_rows_than_workers_weighs_nothing_where_it_is_not():
    shares = [share_of(data(5, validation=1), Worker(index, 2)) for index in range(2)]
    weights = [share.validation.weights for share in shares if share.validation is not None]
    assert weights[0] is not None
    assert weights[0].tolist() == [0.0]
    assert weights[1] is None


def test_a_single_worker_has_all_rows():
    whole = data(5)
    assert share_of(whole, Alone()) is whole


def test_more_workers_than_training_rows_are_refused():
    with pytest.raises(DataError, match="3 workers for 2 training rows"):
        share_of(data(2), Worker(0, 3))


def test_documents_and_arrays_travel_bit_for_bit():
    arrays = {"a/b": np.array([np.pi, -0.0, np.nan]), "": np.float32([1e-40])}
    document, found = unpacked(packed({"loss": 0.1, "steps": None}, arrays))
    assert document == {"loss": 0.1, "steps": None}
    assert {name: each.tobytes() for name, each in found.items()} == {
        name: each.tobytes() for name, each in arrays.items()
    }
    assert exchange(Alone(), [1.5, "x"]) == [[1.5, "x"]]


def test_what_fails_on_one_worker_is_told_to_the_others():
    said = []

    class Telling(Alone):
        def fail(self, words):
            said.append(words)

    with pytest.raises(DataError), together(Telling()):
        raise DataError("no such file")
    assert said == ["no such file"]


def test_a_single_worker_hears_what_it_says_itself():
    reducer, seconds = Alone(), [1.0]
    reducer.listen(lambda: Said(True, seconds[0]))
    seconds[0] = 2.0
    assert reducer.heard == Said(True, 2.0)
