"""A table in many files, read by one worker or several."""

import json
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Barrier

import numpy as np
import pandas as pd
import pytest

from lmrun.config.datasets import TableConfig
from lmrun.datasets.pool import Pool
from lmrun.datasets.registry import load_dataset
from lmrun.errors import DataError


@pytest.fixture
def folder(tmp_path, rng):
    """Five files of each format, 40 rows in all, and the same rows in one file."""
    frame = pd.DataFrame({"x": rng.normal(size=40), "part": ["a", "b", "a", "a"] * 10})
    frame["y"] = np.sin(frame.x)
    frame["kind"] = frame.index % 3
    frame.to_parquet(tmp_path / "whole.parquet")
    for number, (start, stop) in enumerate(pairwise([0, 4, 11, 20, 33, 40])):
        piece = frame[start:stop]
        piece.to_parquet(tmp_path / f"part-{number}.parquet", index=False)
        numbers = piece.drop(columns="part")
        np.savez(tmp_path / f"part-{number}.npz", **{name: numbers[name] for name in numbers})
    return tmp_path


def table(path, **settings):
    section = {"name": "table", "path": str(path), "inputs": ["x"], "targets": ["y"], **settings}
    return TableConfig.model_validate(section)


def load(config, pool=None, targets="values"):
    return load_dataset(config, seed=3, precision="float64", targets=targets, pool=pool or Pool())


def by_workers(config, workers, targets="values"):
    """Load by several workers side by side: what each of them has."""
    told, ready = [None] * workers, Barrier(workers, timeout=20)

    def one(index):
        def exchange(document):
            told[index] = json.dumps(document)
            ready.wait()
            found = [json.loads(each) for each in told]
            ready.wait()
            return found

        return load(config, Pool(exchange, index, workers), targets)

    with ThreadPoolExecutor(workers) as threads:
        return list(threads.map(one, range(workers)))


@pytest.mark.parametrize("suffix", ["parquet", "npz"])
def test_files_of_a_pattern_are_one_table_in_the_order_of_their_names(folder, suffix):
    many, whole = load(table(folder / f"part-*.{suffix}")), load(table(folder / "whole.parquet"))
    np.testing.assert_array_equal(many.train.inputs, whole.train.inputs)
    np.testing.assert_array_equal(many.train.targets, whole.train.targets)


@pytest.mark.parametrize("normalization", ["standard", "minmax", "none"])
@pytest.mark.parametrize(
    "split",
    [
        None,
        {"by": "random", "validation": 0.2, "test": 0.1},
        {"by": "blocks", "validation": 0.2, "test": 0.1},
        {"by": "column", "column": "part", "validation": ["b"]},
    ],
)
@pytest.mark.parametrize("workers", [2, 5])
def test_workers_have_together_what_a_single_one_has(folder, workers, split, normalization):
    settings = {"normalization": normalization} | ({} if split is None else {"split": split})
    config = table(folder / "part-*.parquet", **settings)
    whole, shares = load(config), by_workers(config, workers)
    assert {share.checksum for share in shares} == {whole.checksum}
    assert {share.training_rows for share in shares} == {whole.train.rows}
    for name in ("train", "validation", "test"):
        expected, parts = getattr(whole, name), [getattr(share, name) for share in shares]
        if expected is None:
            assert parts == [None] * workers
            continue
        counted = [part for part in parts if part.weights is None or part.weights.any()]
        for array in ("inputs", "targets"):
            together = np.concatenate([getattr(part, array) for part in counted])
            np.testing.assert_allclose(together, getattr(expected, array), rtol=1e-14, atol=1e-15)
    begins = [share.begin for share in shares]
    assert begins == sorted(begins)
    assert begins[0] == 0


def test_classes_are_those_of_all_workers(folder):
    config = table(folder / "part-*.npz", targets=["kind"])
    shares = by_workers(config, 5, "labels")
    assert {share.classes for share in shares} == {3}


def test_the_checksum_is_of_the_numbers(folder):
    config = table(folder / "part-*.npz")
    before = load(config).checksum
    arrays = dict(np.load(folder / "part-3.npz"))
    arrays["x"][0] += 1e-9
    np.savez(folder / "part-3.npz", **arrays)
    assert load(config).checksum != before


def test_a_bad_cell_is_named_by_its_file(folder):
    arrays = dict(np.load(folder / "part-2.npz"))
    arrays["x"][4] = np.nan
    np.savez(folder / "part-2.npz", **arrays)
    with pytest.raises(DataError, match=r"a missing value in the column 'x' at row 5 of part-2\.npz"):
        load(table(folder / "part-*.npz"))


def test_a_pattern_without_files_is_refused(folder):
    with pytest.raises(DataError, match="no file has such a name"):
        load(table(folder / "piece-*.npz"))


def test_files_of_other_columns_are_refused(folder):
    np.savez(folder / "part-4.npz", x=np.zeros(3), z=np.zeros(3))
    with pytest.raises(DataError, match=r"part-4\.npz: there is no column 'y', which .*part-0\.npz has"):
        load(table(folder / "part-*.npz"))


def test_more_workers_than_files_are_refused(folder):
    with pytest.raises(DataError, match="5 files for 6 workers"):
        by_workers(table(folder / "part-*.npz"), 6)
