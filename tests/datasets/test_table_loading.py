from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from lmrun.config.datasets import TableConfig
from lmrun.datasets import Dataset, load_dataset, read_matrix

RNG = np.random.default_rng(5)
COLUMNS = {
    "u": RNG.normal(3, 2, 40),
    "v": 10.0 ** RNG.uniform(-30, 30, 40),
    "n": RNG.integers(-5, 5, 40),
    "y": RNG.normal(-1, 7, 40),
    "w": RNG.uniform(0, 2, 40),
}
ROLES: dict[str, Any] = {
    "inputs": ("u", "v", "n"),
    "targets": ("y",),
    "sample_weight": "w",
    "split": {"by": "random", "validation": 0.2, "test": 0.3},
}


def load(path: Path, precision: Any = "float64", seed: int = 10, **options: Any) -> Dataset:
    config = TableConfig.model_validate({"name": "table", "path": str(path), **options})
    return load_dataset(config, seed=seed, precision=precision)


def write(path: Path) -> Path:
    frame = pd.DataFrame(COLUMNS)
    writers: dict[str, Any] = {
        ".csv": lambda: frame.to_csv(path, index=False),
        ".tsv": lambda: frame.to_csv(path, index=False, sep="\t"),
        ".parquet": lambda: frame.to_parquet(path),
        ".npz": lambda: np.savez(path, allow_pickle=False, **COLUMNS),
        ".mat": lambda: savemat(path, {name: column[:, np.newaxis] for name, column in COLUMNS.items()}),
    }
    writers[path.suffix.lower()]()
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write(tmp_path / "d.csv")


@pytest.mark.parametrize("name", ["d.tsv", "d.parquet", "d.npz", "d.mat", "D.CSV"])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_every_format_gives_the_same_dataset(tmp_path: Path, table: Path, name: str, precision: str) -> None:
    other = load(write(tmp_path / name), precision, **ROLES)
    assert other.checksum == load(table, precision, **ROLES).checksum


def test_the_parts_are_normalized_by_the_training_rows(table: Path) -> None:
    dataset = load(table, **ROLES)
    raw = load(table, **ROLES, normalization="none")
    assert raw.input_map is None
    assert raw.target_map is None
    assert dataset.input_map is not None
    assert dataset.target_map is not None
    assert (dataset.train.rows, dataset.validation.rows, dataset.test.rows) == (20, 8, 12)  # type: ignore[union-attr]
    mean, deviation = np.mean(raw.train.inputs, axis=0), np.std(raw.train.inputs, axis=0)
    np.testing.assert_allclose(dataset.input_map.shift, mean, rtol=1e-14)
    np.testing.assert_allclose(dataset.input_map.scale, deviation, rtol=1e-14)
    for part in ("train", "validation", "test"):
        before, after = getattr(raw, part), getattr(dataset, part)
        np.testing.assert_allclose(after.inputs, (before.inputs - mean) / deviation, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(dataset.target_map.inverse(after.targets), before.targets, rtol=1e-14)
        np.testing.assert_array_equal(after.weights, before.weights)


def test_minmax(table: Path) -> None:
    dataset = load(table, **ROLES, normalization="minmax")
    np.testing.assert_allclose(dataset.train.inputs.min(axis=0), -1, rtol=1e-15)
    np.testing.assert_allclose(dataset.train.inputs.max(axis=0), 1, rtol=1e-15)
    np.testing.assert_allclose(
        [dataset.train.targets.min(), dataset.train.targets.max()], [-1, 1], rtol=1e-15
    )


def test_every_row_is_in_one_part(table: Path) -> None:
    dataset = load(table, **ROLES, normalization="none")
    parts = [dataset.train, dataset.validation, dataset.test]
    rows = np.concatenate([np.c_[p.inputs, p.targets, p.weights] for p in parts if p is not None])  # type: ignore[arg-type]
    expected = np.stack([COLUMNS[name] for name in ("u", "v", "n", "y", "w")], axis=1)
    np.testing.assert_array_equal(rows[np.argsort(rows[:, 0])], expected[np.argsort(expected[:, 0])])


def test_the_split_follows_the_seed(table: Path) -> None:
    sums = [load(table, seed=seed, **ROLES).checksum for seed in (1, 1, 2)]
    assert sums[0] == sums[1] != sums[2]
    own = {**ROLES, "split": {**ROLES["split"], "seed": 2}}
    assert load(table, seed=1, **own).checksum == sums[2]


def test_without_split_weights_or_normalization(table: Path) -> None:
    dataset = load(table, inputs=("u",), targets=("y", "n"), normalization="none")
    np.testing.assert_array_equal(dataset.train.inputs[:, 0], COLUMNS["u"])
    np.testing.assert_array_equal(dataset.train.targets, np.stack([COLUMNS["y"], COLUMNS["n"]], axis=1))
    assert (dataset.train.weights, dataset.validation, dataset.test) == (None, None, None)
    assert (dataset.input_names, dataset.target_names) == (("u",), ("y", "n"))
    assert (dataset.task, dataset.outputs) == ("regression", 2)


def test_a_constant_input_becomes_zero(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("x,c,y\n1,0.3,1\n2,0.3,4\n3,0.3,9\n")
    dataset = load(path, inputs=("x", "c"), targets=("y",))
    np.testing.assert_array_equal(dataset.train.inputs[:, 1], [0, 0, 0])


def test_split_by_column_of_text(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("x,y,part\n1,1,train\n2,4,val\n3,9,train\n4,16,test\n5,25,\n")
    split = {"by": "column", "column": "part", "validation": ["val"], "test": ["test"]}
    dataset = load(path, inputs=("x",), targets=("y",), split=split, normalization="none")
    assert dataset.train.inputs.ravel().tolist() == [1, 3, 5]
    assert dataset.validation is not None
    assert dataset.validation.inputs.ravel().tolist() == [2]
    assert dataset.test is not None
    assert dataset.test.targets.ravel().tolist() == [16]


@pytest.mark.parametrize(
    "text",
    [
        "x,y\n1,2\n3,4.5\n",
        "x;y\r\n1;2\r\n3;4.5\r\n",
        "x\ty\n1\t2\n3\t4.5",
        "\ufeff x , y\n 1, 2\n\n   \n3, 4.5\n\n",
        '"x","y"\n"1","2"\n3,"4.5"\n',
        'x,y,"note, free"\n1,2,"a\nb"\n3,4.5,"c;d;e;f"\n',
        "x,y,\n1,2,\n3,4.5,\n",
    ],
)
def test_ways_to_write_a_csv(tmp_path: Path, text: str) -> None:
    path = tmp_path / "d.csv"
    path.write_bytes(text.encode())
    np.testing.assert_array_equal(read_matrix(str(path), ["x", "y"]), [[1, 2], [3, 4.5]])


def test_csv_numbers_are_the_nearest_float64(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=2000) * 10.0 ** rng.integers(-300, 300, 2000)
    path = tmp_path / "d.csv"
    path.write_text("x\n" + "\n".join(map(repr, numbers.tolist())))
    np.testing.assert_array_equal(read_matrix(str(path), ["x"])[:, 0], numbers)


@pytest.mark.parametrize("suffix", [".npz", ".mat"])
def test_a_matrix_is_several_columns(tmp_path: Path, suffix: str) -> None:
    matrix, vector = np.arange(12.0).reshape(4, 3) ** 2, np.arange(4.0)[:, np.newaxis]
    path = tmp_path / f"d{suffix}"
    if suffix == ".npz":
        np.savez(path, X=matrix, y=vector)
    else:
        savemat(path, {"X": matrix, "y": vector})
    dataset = load(path, inputs=("X",), targets=("y",), normalization="none")
    np.testing.assert_array_equal(dataset.train.inputs, matrix)
    assert dataset.input_names == ("X1", "X2", "X3")
    assert dataset.target_names == ("y",)
    np.testing.assert_array_equal(read_matrix(str(path), ["X3", "y"]), np.c_[matrix[:, 2], vector])


def test_a_named_pandas_index_is_a_column(tmp_path: Path) -> None:
    path = tmp_path / "d.parquet"
    pd.DataFrame({"t": [0.5, 1.5], "y": [1, 2]}).set_index("t").to_parquet(path)
    np.testing.assert_array_equal(read_matrix(str(path), ["t", "y"]), [[0.5, 1], [1.5, 2]])


def test_float32_is_rounded_once_at_the_end(table: Path) -> None:
    single, double = load(table, "float32", **ROLES), load(table, "float64", **ROLES)
    for part in ("train", "validation", "test"):
        for name in ("inputs", "targets", "weights"):
            low, high = getattr(getattr(single, part), name), getattr(getattr(double, part), name)
            assert (low.dtype, high.dtype) == (np.float32, np.float64)
            assert low.flags.c_contiguous
            np.testing.assert_array_equal(low, high.astype(np.float32))
    assert single.input_map is not None
    assert single.input_map.scale.dtype == np.float64
