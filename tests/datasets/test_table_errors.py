from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.io import savemat

from lmrun.config.datasets import TableConfig
from lmrun.datasets import load_dataset
from lmrun.errors import DataError

NUMBER = "every cell needs a finite number."


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths keep the expected messages short."""
    monkeypatch.chdir(tmp_path)


def message(path: str, **options: Any) -> str:
    config = {"name": "table", "path": path, "inputs": ("x",), "targets": ("y",), **options}
    with pytest.raises(DataError) as caught:
        load_dataset(TableConfig.model_validate(config), seed=1, precision="float64")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "the file is empty; it needs a header line and rows."),
        (" \n\n", "the file is empty; it needs a header line and rows."),
        ("x,y\n", "the file has no rows."),
        (
            "x,y\n1,2\n",
            "there is 1 row to train on, at least 2 are needed; add rows or make validation and test"
            " smaller.",
        ),
        ("x,x\n1,2\n", "the column 'x' stands twice in the header; rename one of them."),
        ("x,Y2\n1,2\n", "there is no column 'y'. Did you mean 'Y2'?"),
        ("x,Y\n1,2\n", "there is no column 'y'. Did you mean 'Y'?"),
        ("x,height\n1,2\n", "there is no column 'y'. It has: x, height."),
        (
            "x," + ",".join(f"c{i:02}" for i in range(20)) + "\n",
            "there is no column 'y'. It has: x, c00, c01, c02,"
            " c03, c04, c05, c06, c07, c08, c09, c10, … (21 in all).",
        ),
        ("x,y\n1,2\n3,\n5,6\n", f"a missing value in the column 'y' at row 2 (line 3); {NUMBER}"),
        ("x,y\n1,2\n3\n5,6\n", f"a missing value in the column 'y' at row 2 (line 3); {NUMBER}"),
        ("x,y\n1,2\n3,NaN\n", f"a missing value in the column 'y' at row 2 (line 3); {NUMBER}"),
        ('x,y\n1,2\n3," "\n', f"a missing value in the column 'y' at row 2 (line 3); {NUMBER}"),
        ("x,y\n1,2\n3,-inf\n", f"an infinite value in the column 'y' at row 2 (line 3); {NUMBER}"),
        ("x,y\n1,2\n3,1e999\n", f"an infinite value in the column 'y' at row 2 (line 3); {NUMBER}"),
        ("x,y\n1,2\n3,4 mm\n", f"the text '4 mm' in the column 'y' at row 2 (line 3); {NUMBER}"),
        ("x,y\n1,1_000\n3,4\n", f"the text '1_000' in the column 'y' at row 1 (line 2); {NUMBER}"),
        ('x,y\n1,"1,5"\n3,4\n', f"the text '1,5' in the column 'y' at row 1 (line 2); {NUMBER}"),
        ("x;y\n1;1,5\n3;4\n", f"the text '1,5' in the column 'y' at row 1 (line 2); {NUMBER}"),
        ("x,y\n1,2024-05-01\n3,4\n", f"the text '2024-05-01' in the column 'y' at row 1 (line 2); {NUMBER}"),
        ("x,y\n1,true\n3,false\n", "the column 'y' holds true and false; write 1 and 0."),
        ("x,y\n1,true\n3,\n", "the column 'y' holds true and false; write 1 and 0."),
        (
            "x,y\n1,abc\n,2\n3,inf\n",
            f"the text 'abc' in the column 'y' at row 1 (line 2), the first of 3 bad cells; {NUMBER}",
        ),
        (
            "x,y\n1,2\n,abc\n",
            f"a missing value in the column 'x' at row 2 (line 3), the first of 2 bad cells; {NUMBER}",
        ),
        ("\n x,y\n\n1,2\n\n  \n3,?\n", f"the text '?' in the column 'y' at row 2 (line 7); {NUMBER}"),
        ('x,y,note\n1,2,"a\nb\nc"\n3,?,d\n', f"the text '?' in the column 'y' at row 2 (line 5); {NUMBER}"),
        (
            "x,y\n1,2,3\n4,5\n",
            "row 1 (line 2) has 3 cells, the header 2; quote cells that contain the separator.",
        ),
        (
            "x,y\n1,2\n\n4,5,6\n",
            "row 2 (line 4) has 3 cells, the header 2; quote cells that contain the separator.",
        ),
        ('x,y\n1,2\n3,"4\n', "a quoted cell never ends; add the missing quote."),
        (
            "x,y\n1,5\n2,5\n3,5\n",
            "the target column 'y' is 5 in every training row; leave it out, or change the split.",
        ),
    ],
)
def test_csv(text: str, expected: str) -> None:
    Path("d.csv").write_text(text)
    assert message("d.csv") == f"d.csv: {expected}"


def test_csv_that_is_not_utf8() -> None:
    Path("d.csv").write_bytes(b"x,y\n1,2\n3,\xff\n")
    assert message("d.csv") == "d.csv: the file is damaged or is not UTF-8 text."


def test_a_column_that_nothing_uses_may_hold_anything() -> None:
    Path("d.csv").write_text("x,y,note\n1,2,\n3,4,text\n")
    config = TableConfig(name="table", path="d.csv", inputs=("x",), targets=("y",))
    assert load_dataset(config, seed=1, precision="float64").train.rows == 2


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("none.csv", "none.csv: the file does not exist; check dataset.path."),
        ("none.npz", "none.npz: the file does not exist; check dataset.path."),
        ("none.mat", "none.mat: the file does not exist; check dataset.path."),
        ("none.parquet", "none.parquet: the file does not exist; check dataset.path."),
        ("d.xlsx", "d.xlsx: the suffix '.xlsx' is not one of .csv, .tsv, .parquet, .npz, .mat."),
        ("d", "d: the suffix '' is not one of .csv, .tsv, .parquet, .npz, .mat."),
    ],
)
def test_paths(path: str, expected: str) -> None:
    assert message(path) == expected


@pytest.mark.parametrize("suffix", ["csv", "npz", "mat", "parquet"])
def test_a_folder_is_no_file(suffix: str) -> None:
    Path(f"d.{suffix}").mkdir()
    assert message(f"d.{suffix}") == f"d.{suffix}: the file cannot be opened (Is a directory)."


@pytest.mark.parametrize(("suffix", "kind"), [("npz", "NPZ"), ("mat", "MAT"), ("parquet", "Parquet")])
@pytest.mark.parametrize("content", [b"", b"x,y\n1,2\n", b"PK\x03\x04 cut off"])
def test_damaged_files(suffix: str, kind: str, content: bytes) -> None:
    Path(f"d.{suffix}").write_bytes(content)
    assert message(f"d.{suffix}") == f"d.{suffix}: the file is damaged or is not {kind}."


@pytest.mark.parametrize(("suffix", "kind"), [("npz", "NPZ"), ("mat", "MAT"), ("parquet", "Parquet")])
def test_files_that_were_cut_off(suffix: str, kind: str) -> None:
    column = np.arange(500.0)
    path = Path(f"d.{suffix}")
    if suffix == "npz":
        np.savez(path, x=column, y=column)
    elif suffix == "mat":
        savemat(path, {"x": column[:, np.newaxis], "y": column[:, np.newaxis]})
    else:
        pd.DataFrame({"x": column, "y": column}).to_parquet(path)
    path.write_bytes(path.read_bytes()[:-700])
    assert message(str(path)) == f"{path}: the file is damaged or is not {kind}."


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (
            np.array([1.0, np.nan, np.nan]),
            f"a missing value in the column 'y' at row 2, the first of 2 bad cells; {NUMBER}",
        ),
        (np.array(["1", "2", "c"]), f"the text 'c' in the column 'y' at row 3; {NUMBER}"),
        (np.array([True, False, True]), "the column 'y' holds true and false; write 1 and 0."),
        (
            np.array([1j, 2, 3]),
            "the column 'y' holds complex numbers; write real and imaginary part as two columns.",
        ),
        (
            np.array(["2024-05-01"] * 3, "M8[s]"),
            "the column 'y' holds dates; write them as numbers, such as seconds since the first one.",
        ),
        (
            np.array([1, 2, 3], "m8[s]"),
            "the column 'y' holds durations; write them as numbers, such as seconds.",
        ),
        (np.arange(4), "the column 'x' has 3 rows and the column 'y' 4; all columns need the same number."),
        (np.zeros((3, 2, 2)), "'y' is no column: its shape is [3, 2, 2]."),
        (np.array([None, 1, 2], dtype=object), "'y' is no column: it holds Python objects."),
    ],
)
def test_npz(y: Any, expected: str) -> None:
    np.savez("d.npz", allow_pickle=True, x=np.arange(3), y=y)
    assert message("d.npz") == f"d.npz: {expected}"


def test_npz_without_rows() -> None:
    np.savez("d.npz", x=np.zeros(0), y=np.zeros(0))
    assert message("d.npz") == "d.npz: the file has no rows."


def test_npz_of_one_array() -> None:
    with Path("d.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    assert message("d.npz") == "d.npz: the file holds a single array, not NPZ; save it with numpy.savez."


def test_npz_arrays_that_make_the_same_column() -> None:
    np.savez("d.npz", x=np.zeros((2, 2)), x2=np.zeros(2), y=np.zeros(2))
    assert message("d.npz") == "d.npz: two arrays make the column 'x2'; rename one of them."


@pytest.mark.parametrize(
    "options", [{"sample_weight": "M"}, {"split": {"by": "column", "column": "M", "test": [1]}}]
)
def test_a_matrix_where_one_column_is_needed(options: dict[str, Any]) -> None:
    np.savez("d.npz", x=np.arange(3), y=np.arange(3), M=np.ones((3, 2)))
    assert message("d.npz", **options) == "d.npz: 'M' stands for 2 columns; name one of them, such as 'M1'."


def test_a_matrix_and_one_of_its_columns() -> None:
    np.savez("d.npz", x=np.zeros((2, 2)), y=np.zeros(2))
    expected = "d.npz: the column 'x2' stands twice among inputs and targets."
    assert message("d.npz", inputs=("x", "x2")) == expected


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (pd.array([1, None, 3], dtype="Int64"), f"a missing value in the column 'y' at row 2; {NUMBER}"),
        (
            pd.array([True, None, False], dtype="boolean"),
            "the column 'y' holds true and false; write 1 and 0.",
        ),
        (
            pd.Categorical(["a", "b", "a"]),
            f"the text 'a' in the column 'y' at row 1, the first of 3 bad cells; {NUMBER}",
        ),
        (
            [datetime.date(2024, 5, 1)] * 3,
            "the column 'y' holds dates; write them as numbers, such as days since the first one.",
        ),
        (
            pd.date_range("2024", periods=3, tz="UTC"),
            "the column 'y' holds dates; write them as numbers, such as seconds since the first one.",
        ),
    ],
)
def test_parquet(y: Any, expected: str) -> None:
    pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": y}).to_parquet("d.parquet")
    assert message("d.parquet") == f"d.parquet: {expected}"


def test_parquet_with_a_column_twice() -> None:
    column = pa.array([1, 2])
    pq.write_table(pa.table([column, column, column], names=["x", "y", "y"]), "d.parquet")
    assert message("d.parquet") == "d.parquet: the column 'y' is there twice; rename one of them."


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        (
            [1, -2, 0, -1],
            "the negative weight -2 in the column 'w' at row 2 (line 3), the first of 2 bad cells;"
            " weights are zero or more.",
        ),
        ([0, 0, 0, 1], "the column 'w' is zero in every training row; nothing would count."),
        ([1, 0, 0, 0], "the column 'w' is zero in every validation row; nothing would count."),
        ([1, "", 0, 0], f"a missing value in the column 'w' at row 2 (line 3); {NUMBER}"),
    ],
)
def test_weights(weights: list[Any], expected: str) -> None:
    Path("d.csv").write_text("x,y,w\n" + "".join(f"{i},{i},{w}\n" for i, w in enumerate(weights)))
    split = {"by": "blocks", "validation": 0.25, "test": 0}
    assert message("d.csv", sample_weight="w", split=split) == f"d.csv: {expected}"


def test_a_target_that_is_constant_in_the_training_part_only() -> None:
    Path("d.csv").write_text("x,y\n1,5\n2,5\n3,7\n")
    split = {"by": "blocks", "validation": 0.3, "test": 0}
    assert message("d.csv", split=split, normalization="none") == (
        "d.csv: the target column 'y' is 5 in every training row; leave it out, or change the split."
    )


def test_a_constant_target_without_normalization() -> None:
    """An implicit formula has one; there is nothing to normalize it by."""
    Path("d.csv").write_text("x,y\n1,0\n2,0\n3,0\n")
    config = TableConfig(name="table", path="d.csv", inputs=("x",), targets=("y",), normalization="none")
    assert load_dataset(config, seed=1, precision="float64").train.targets.tolist() == [[0], [0], [0]]
    for normalization in ("standard", "minmax", None):
        assert "is 0 in every training row" in message("d.csv", normalization=normalization)


def test_a_constant_target_beside_another() -> None:
    """Constant in all rows it is meant; constant in the training rows only, the split is to blame."""
    Path("d.csv").write_text("x,y,z\n1,0,5\n2,0,6\n3,0,7\n4,0,7\n")
    split = {"by": "blocks", "validation": 0.25, "test": 0}
    options = {"targets": ("y", "z"), "split": split, "normalization": "none"}
    config = TableConfig.model_validate({"name": "table", "path": "d.csv", "inputs": ("x",), **options})
    assert load_dataset(config, seed=1, precision="float64").train.targets.tolist() == [
        [0, 5],
        [0, 6],
        [0, 7],
    ]
    Path("d.csv").write_text("x,y,z\n1,0,5\n2,0,5\n3,0,5\n4,0,7\n")
    assert message("d.csv", **options) == (
        "d.csv: the target column 'z' is 5 in every training row; leave it out, or change the split."
    )


def test_the_exit_code() -> None:
    assert DataError.exit_code == 3
