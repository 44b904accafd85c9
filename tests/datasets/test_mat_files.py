"""MAT files of both kinds: what MATLAB saves with -v7, by SciPy, and with -v7.3, by h5py."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat
from scipy.sparse import csc_array
from typer.testing import CliRunner, Result

from lmrun.cli import app
from lmrun.config.datasets import TableConfig
from lmrun.datasets import load_dataset, read_matrix
from lmrun.datasets.mat_parts import read_mat_parts
from lmrun.datasets.read_arrays import Samples
from lmrun.datasets.read_mat import read_mat
from lmrun.errors import DataError

RNG = np.random.default_rng(3)
X = RNG.normal(size=(7, 3))
"""[rows, 3], in float64."""
Y = RNG.normal(size=(7, 1))
HEADER = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"


def save_73(path: Path, variables: dict[str, Any]) -> None:
    """Write what MATLAB writes: a header in front, dimensions in reverse order, the class as an attribute."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in variables.items():
            if isinstance(value, str):  # of a class that is no array of numbers
                group = file.create_group(name) if value in {"struct", "sparse"} else None
                node = group or file.create_dataset(name, data=np.zeros((1, 2), "uint64"))
                node.attrs["MATLAB_class"] = np.bytes_("double" if value == "sparse" else value)
                if value == "sparse":
                    node.attrs["MATLAB_sparse"] = np.uint64(3)
                continue
            array = np.asarray(value)
            kind = {"f": "double", "u": "logical", "U": "char", "c": "double"}[array.dtype.kind]
            if kind == "char":
                array = np.array([[ord(letter) for letter in text] for text in array.tolist()], "uint16")
            elif array.dtype.kind == "c":
                parts = np.zeros(array.shape, [("real", "f8"), ("imag", "f8")])
                parts["real"], parts["imag"] = array.real, array.imag
                array = parts
            if array.size:
                node = file.create_dataset(name, data=array.T)
            else:
                node = file.create_dataset(name, data=np.array(array.shape, "uint64"))
                node.attrs["MATLAB_empty"] = np.uint8(1)
            node.attrs["MATLAB_class"] = np.bytes_(kind)
        file.create_group("#refs#")
    with path.open("r+b") as file:
        file.write(HEADER)


SAVERS = {"v7": savemat, "v7.3": save_73}
versions = pytest.mark.parametrize("version", SAVERS)


@pytest.fixture(autouse=True)
def _there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def save(version: str, variables: dict[str, Any], name: str = "d.mat") -> None:
    SAVERS[version](Path(name), variables)  # type: ignore[operator]


def load(inputs: Any = ("x",), targets: Any = ("y",), **options: Any) -> Any:
    table = {"name": "table", "path": "d.mat", "inputs": inputs, "targets": targets, "normalization": "none"}
    config = TableConfig.model_validate({**table, **options})
    return load_dataset(config, seed=1, precision="float64").train


@versions
def test_samples_in_rows(version: str) -> None:
    save(version, {"x": X, "y": Y, "w": np.ones((7, 1), "uint8")})
    train = load(inputs=("x1", "x2", "x3"), sample_weight="w")
    np.testing.assert_array_equal(train.inputs, X)
    np.testing.assert_array_equal(train.targets, Y)
    np.testing.assert_array_equal(train.weights, np.ones(7))


@versions
def test_samples_in_columns_as_the_toolbox_has_them(version: str) -> None:
    save(version, {"x": X.T, "y": Y.T})
    train = load(samples="columns")
    np.testing.assert_array_equal(train.inputs, X)
    np.testing.assert_array_equal(train.targets, Y)
    np.testing.assert_array_equal(read_matrix("d.mat", ["x2", "y"], "columns"), np.c_[X[:, 1], Y])


def test_an_npz_file_with_samples_in_columns() -> None:
    np.savez("d.npz", x=X.T, y=Y[:, 0])
    train = load(path="d.npz", samples="columns")
    np.testing.assert_array_equal(train.inputs, X)
    np.testing.assert_array_equal(train.targets, Y)


@versions
def test_a_matrix_with_as_many_samples_as_inputs_is_read_as_it_is_said(version: str) -> None:
    square = RNG.normal(size=(3, 3))
    save(version, {"x": square, "y": square[:, :1], "z": square[:1]})
    np.testing.assert_array_equal(load().inputs, square)
    np.testing.assert_array_equal(load(targets=("z",), samples="columns").inputs, square.T)


@versions
def test_rows_of_letters_tell_the_parts_apart(version: str) -> None:
    save(version, {"x": X, "y": Y, "part": np.array(["train"] * 5 + ["test "] * 2)})
    split = {"by": "column", "column": "part", "test": ["test"]}
    np.testing.assert_array_equal(load(split=split).inputs, X[:5])


@versions
@pytest.mark.parametrize(
    ("y", "samples", "expected"),
    [
        (
            Y.T,
            "rows",
            "'y' is no column: it is a row of 7 values; save it as a column, y(:), or say that samples lie in"
            " columns, samples: columns.",
        ),
        (
            Y,
            "columns",
            "'y' is no column: it is a column of 7 values, and samples: columns needs rows; save y.' or"
            " remove samples.",
        ),
        (np.zeros((7, 2, 2)), "rows", "'y' is no column: its shape is [7, 2, 2]."),
        (np.zeros((0, 0)), "rows", "'y' is no column: its shape is [0, 0]."),
        (
            Y + 1j,
            "rows",
            "the column 'y' holds complex numbers; write real and imaginary part as two columns.",
        ),
    ],
)
def test_arrays_that_are_no_columns(version: str, y: Any, samples: str, expected: str) -> None:
    save(version, {"x": X if samples == "rows" else X.T, "y": y})
    with pytest.raises(DataError) as error:
        load(samples=samples)
    assert str(error.value) == f"d.mat: {expected}"


CELL = "it is a cell array; save cell2mat(y) or its parts."
STRUCT = "it is a structure; save its fields as variables, save(..., '-struct', 'y')."
SPARSE = "it is sparse; save full(y)."


@pytest.mark.parametrize(
    ("version", "y", "expected"),
    [
        ("v7", np.array([["a"], ["bc"]], dtype=object), CELL),
        ("v7", {"a": 1}, STRUCT),
        ("v7", csc_array(np.eye(7)[:, :1]), SPARSE),
        ("v7.3", "cell", CELL),
        ("v7.3", "struct", STRUCT),
        ("v7.3", "sparse", SPARSE),
        ("v7.3", "table", "it is a table; save its variables, or writetable(y, 'data.csv')."),
        ("v7.3", "string", "it holds strings; save char(y)."),
    ],
)
def test_other_classes(version: str, y: Any, expected: str) -> None:
    save(version, {"x": X, "y": y})
    with pytest.raises(DataError) as error:
        load()
    assert str(error.value) == f"d.mat: 'y' is no column: {expected}"


@versions
def test_a_name_that_is_not_there(version: str) -> None:
    save(version, {"features": X, "z": Y})
    with pytest.raises(DataError) as error:
        load()
    assert str(error.value) == "d.mat: there is no column 'x'. It has: features [7, 3], z [7, 1]."


@versions
def test_variables_of_different_length(version: str) -> None:
    save(version, {"x": X, "y": Y[:5]})
    with pytest.raises(DataError, match="the column 'x1' has 7 rows and the column 'y' 5"):
        load()


@pytest.mark.parametrize(
    "content", [HEADER, HEADER + b"\x89HDF\r\n\x1a\n" + bytes(512), b"\x89HDF\r\n\x1a\n"]
)
def test_a_damaged_file_of_version_7_3(content: bytes) -> None:
    Path("d.mat").write_bytes(content.ljust(512, b"\x00") if content == HEADER else content)
    with pytest.raises(DataError) as error:
        load()
    assert str(error.value) == "d.mat: the file is damaged or is not MAT."


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize("samples", ["rows", "columns"])
def test_version_7_3_comes_by_parts(samples: Samples) -> None:
    turned = np.transpose if samples == "columns" else np.asarray
    variables = {"x": turned(X), "y": turned(Y), "short": turned(Y[:2]), "z": np.zeros((2, 2, 2))}
    save("v7.3", variables)
    whole = read_mat("d.mat", samples)
    parts = list(read_mat_parts("d.mat", 3, samples))
    assert len(parts) == -(-len(Y) // 3)
    for name, column in whole.values.items():
        np.testing.assert_array_equal(np.concatenate([part.values[name] for part in parts]), column)
    assert (parts[1].before, parts[1].length("short"), parts[1].groups) == (3, 2, whole.groups)
    assert parts[0].unusable == whole.unusable
    save("v7", variables)
    (only,) = read_mat_parts("d.mat", 3, samples)
    np.testing.assert_array_equal(only.values["x1"], X[:, 0])


def test_fit_and_predict_read_the_toolbox_layout_and_write_mat() -> None:
    x = np.linspace(0, 1, 30)
    save("v7.3", {"x": x[None], "y": 3 * np.exp(2 * x)[None]})
    fit = ["fit", "d.mat", "y ~ a*exp(b*x)", "--start", "a=1", "b=1", "--samples", "columns"]
    result = invoke(*fit, "--name", "exp", "--quiet")
    assert result.exit_code == 0, result.output
    save("v7", {"x": x[None, :4]}, "new.mat")
    result = invoke("predict", "exp", "new.mat")
    assert (result.exit_code, result.stdout) == (0, "new-predicted.mat\n"), result.output
    np.testing.assert_allclose(
        read_matrix("new-predicted.mat", ["y"], "columns")[:, 0], 3 * np.exp(2 * x[:4]), rtol=1e-9
    )
    save("v7", {"x": x[:4, None]}, "tall.mat")
    assert "samples: columns needs rows" in invoke("predict", "exp", "tall.mat").output
    result = invoke("predict", "exp", "tall.mat", "--samples", "rows", "-o", "tall.csv")
    assert result.exit_code == 0, result.output
    np.testing.assert_allclose(pd.read_csv("tall.csv")["y"], 3 * np.exp(2 * x[:4]), rtol=1e-9)
    pd.DataFrame({"x": x, "my y": x}).to_csv("new.csv", index=False)
    result = invoke("predict", "exp", "new.csv", "-o", "out.mat")
    assert result.exit_code == 2
    assert "MATLAB cannot have a variable 'my y'" in result.output
