from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmrun.config.datasets import BlockSplit, ColumnSplit, RandomSplit
from lmrun.datasets.columns import Columns
from lmrun.datasets.splits import Rows, block_rows, canonical, random_rows, split_rows
from lmrun.errors import DataError

SHARES = st.floats(0, 0.45)


def column(values: Any, validation: Any = (), test: Any = ()) -> Rows:
    config = ColumnSplit(by="column", column="part", validation=validation, test=test)
    cells = values if isinstance(values, np.ndarray) else np.array(values, dtype=object)
    return split_rows(config, Columns("d.csv", {"part": cells}), len(cells), seed=0)


@given(rows=st.integers(8, 300), validation=SHARES, test=SHARES, seed=st.integers(0, 2**63 - 1))
def test_random_parts_are_disjoint_and_complete(rows: int, validation: float, test: float, seed: int) -> None:
    try:
        parts = random_rows(rows, validation, test, seed, "d.csv")
    except DataError:
        assert rows * (1 - validation - test) < 4
        return
    everything = np.concatenate([parts.train, parts.validation, parts.test])
    np.testing.assert_array_equal(np.sort(everything), np.arange(rows))
    for part, share in ((parts.validation, validation), (parts.test, test)):
        assert (part.size == 0) == (share == 0)
        assert part.size == 1 or abs(part.size - share * rows) <= 0.5 + 1e-9
    for part in (parts.train, parts.validation, parts.test):
        assert (np.diff(part) > 0).all(), "the order of the file is kept"


@given(rows=st.integers(8, 300), validation=SHARES, test=SHARES)
def test_blocks_are_the_file_cut_twice(rows: int, validation: float, test: float) -> None:
    try:
        parts = block_rows(rows, validation, test, "d.csv")
    except DataError:
        assert rows * (1 - validation - test) < 4
        return
    np.testing.assert_array_equal(
        np.concatenate([parts.train, parts.validation, parts.test]), np.arange(rows)
    )


def test_shares_are_rounded_to_the_nearest_and_to_one_at_least() -> None:
    sizes = lambda parts: (parts.train.size, parts.validation.size, parts.test.size)  # noqa: E731
    assert sizes(block_rows(10, 0.15, 0.15, "d")) == (6, 2, 2)
    assert sizes(block_rows(100, 0.15, 0.25, "d")) == (60, 15, 25)
    assert sizes(block_rows(10, 0.01, 0.0, "d")) == (9, 1, 0)
    assert sizes(block_rows(10, 0.25, 0.0, "d")) == (7, 3, 0)
    assert sizes(block_rows(10, 0.14, 0.0, "d")) == (9, 1, 0)


def test_random_rows_depend_on_the_seed_only() -> None:
    first, same, other = (random_rows(40, 0.25, 0.25, seed, "d") for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.test, same.test)
    assert not np.array_equal(first.test, other.test)
    columns = Columns("d", {})
    own = split_rows(RandomSplit(by="random", validation=0.25, test=0.25, seed=1), columns, 40, seed=9)
    np.testing.assert_array_equal(own.validation, first.validation)
    default = split_rows(RandomSplit(by="random", validation=0.25, test=0.25), columns, 40, seed=2)
    np.testing.assert_array_equal(default.validation, other.validation)


def test_without_a_split_every_row_trains() -> None:
    parts = split_rows(None, Columns("d", {}), 7, seed=1)
    np.testing.assert_array_equal(parts.train, np.arange(7))
    assert parts.validation.size == parts.test.size == 0


def test_blocks_by_config() -> None:
    parts = split_rows(BlockSplit(by="blocks", validation=0.2, test=0.1), Columns("d", {}), 10, seed=1)
    assert (parts.train.tolist(), parts.validation.tolist(), parts.test.tolist()) == (
        [0, 1, 2, 3, 4, 5, 6],
        [7, 8],
        [9],
    )


def test_column_values_choose_and_the_rest_trains() -> None:
    parts = column(["a", "v", "t", "b", "v", None, float("nan")], ["v"], ["t"])
    assert parts.train.tolist() == [0, 3, 5, 6]
    assert parts.validation.tolist() == [1, 4]
    assert parts.test.tolist() == [2]


@pytest.mark.parametrize("wanted", [1, 1.0, "1", " 1 ", "1.0", "true", True])
@pytest.mark.parametrize(
    "cells",
    [
        np.array([0, 1, 0]),
        np.array([0.0, 1.0, np.nan]),
        np.array([False, True, False]),
        np.array(["0", "1", "2"]),
        np.array(["no", "1.0", None], dtype=object),
        np.array(["false", "True", "x"], dtype=object),
    ],
)
def test_column_values_match_however_they_are_written(wanted: Any, cells: Any) -> None:
    assert column(cells, [wanted]).validation.tolist() == [1]


def test_two_spellings_of_a_value_are_one() -> None:
    assert column(["1", 1, 1.0, "a", "b"], ["1"]).validation.tolist() == [0, 1, 2]


def test_canonical_tells_different_values_apart() -> None:
    values = [0, 1, 2, 0.5, "a", "A", "b", "1a", ""]
    assert len({canonical(value) for value in values}) == len(values)


@pytest.mark.parametrize(
    ("cells", "validation", "test", "message"),
    [
        (
            ["train", "test", "train"],
            ["tets"],
            [],
            "d.csv: the split column 'part' has no value 'tets'. Did you mean 'test'?",
        ),
        ([1, 2, 3], [7], [], "d.csv: the split column 'part' has no value '7'. It has: 1, 2, 3."),
        (["1", "2", "3", "4"], ["1"], [1.0], "d.csv: the split value '1.0' is in both validation and test."),
        (
            ["v", "v", "t"],
            ["v"],
            [],
            "d.csv: there is 1 row to train on, at least 2 are needed; add rows or make"
            " validation and test smaller.",
        ),
        (
            ["v", "v", "t"],
            ["v"],
            ["t"],
            "d.csv: there are 0 rows to train on, at least 2 are needed; add rows or"
            " make validation and test smaller.",
        ),
    ],
)
def test_column_errors(cells: Any, validation: Any, test: Any, message: str) -> None:
    with pytest.raises(DataError) as caught:
        column(cells, validation, test)
    assert str(caught.value) == message


def test_a_split_column_that_the_file_lacks() -> None:
    config = ColumnSplit(by="column", column="Part", validation=("a",))
    with pytest.raises(DataError) as caught:
        split_rows(config, Columns("d.csv", {"part": np.array(["a"])}), 1, seed=0)
    assert str(caught.value) == "d.csv: there is no column 'Part'. Did you mean 'part'?"


def test_a_split_column_of_another_length() -> None:
    config = ColumnSplit(by="column", column="part", validation=("a",))
    with pytest.raises(DataError) as caught:
        split_rows(config, Columns("d.npz", {"part": np.array(["a", "b"])}), 3, seed=0)
    assert str(caught.value) == (
        "d.npz: the split column 'part' has 2 rows and the others 3; all columns need the same number."
    )


def test_shares_that_leave_nothing_to_train_on() -> None:
    with pytest.raises(DataError) as caught:
        random_rows(3, 0.01, 0.01, 0, "d.csv")
    assert str(caught.value) == (
        "d.csv: there is 1 row to train on, at least 2 are needed; add rows or make validation and test"
        " smaller."
    )
