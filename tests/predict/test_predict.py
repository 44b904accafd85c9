"""`lmrun predict`: what comes out is the model on the user's rows, in the user's units, by any format."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.io import loadmat
from typer.testing import CliRunner, Result

from lmrun.cli import app
from lmrun.datasets.read_arrays import Samples
from lmrun.errors import DataError, UsageError
from lmrun.predict import rows as rows_module
from lmrun.predict.predictor import Ensemble, Predictor, load_predictor
from lmrun.predict.rows import predicted, read_images
from lmrun.predict.writers import WRITERS
from lmrun.runs.layout import RunDirectory

X = np.linspace(1, 2, 23)
"""Rows to predict."""


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of y = 3 exp(2 x), and a network on the same table with normalized inputs."""
    folder = tmp_path_factory.mktemp("predict")
    x = np.linspace(0, 1, 40)
    pd.DataFrame({"x": x, "y": 3 * np.exp(2 * x)}).to_csv(folder / "d.csv", index=False)
    table = f"dataset: {{name: table, path: {folder / 'd.csv'}, inputs: [x], targets: [y]}}\n"
    formula = 'model: {name: formula, expression: "a*exp(b*x)", parameters: {a: 1, b: 1}}\n'
    (folder / "formula.yaml").write_text(table + formula)
    (folder / "mlp.yaml").write_text(table + "model: {name: mlp, hidden: [2]}\ntraining: {max_steps: 3}\n")
    for name in ("formula", "mlp"):
        options = ("--quiet", "--name", name, "--runs-dir", str(folder / "runs"))
        result = invoke("train", str(folder / f"{name}.yaml"), *options)
        assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def by_fives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts so small that every file has several."""
    monkeypatch.setattr(predicted, "__defaults__", (5,))


def read(path: Path) -> dict[str, np.ndarray]:
    if path.suffix == ".npz":
        return dict(np.load(path))
    frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    return {name: frame[name].to_numpy() for name in frame}


def write(path: Path, **columns: object) -> Path:
    if path.suffix == ".npz":
        np.savez(path, **{name: np.asarray(column) for name, column in columns.items()})
    elif path.suffix == ".parquet":
        pd.DataFrame(columns).to_parquet(path, index=False)
    else:
        pd.DataFrame(columns).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("suffix", ["csv", "parquet", "npz"])
def test_rows_come_back_with_their_prediction(suffix: str, there: Path, by_fives: None) -> None:
    write(there / f"new.{suffix}", x=X, time=np.arange(23))
    result = invoke("predict", "formula", f"new.{suffix}")
    assert (result.exit_code, result.stdout) == (0, f"new-predicted.{suffix}\n"), result.exception
    found = read(there / f"new-predicted.{suffix}")
    assert list(found) == ["x", "time", "y"]
    assert np.array_equal(found["x"], X)
    assert np.array_equal(found["time"], np.arange(23))
    np.testing.assert_allclose(found["y"], 3 * np.exp(2 * X), rtol=1e-9)


def test_a_network_takes_and_gives_the_users_units(there: Path, by_fives: None) -> None:
    write(there / "new.csv", x=X, y=X)
    assert invoke("predict", "mlp", "new.csv", "-o", "out.parquet").exit_code == 0
    found = read(there / "out.parquet")
    assert np.array_equal(found["y"], X), "a column of the file stays what it is"
    model = load_predictor(RunDirectory(there / "runs/mlp")).model
    np.testing.assert_allclose(found["y_predicted"], np.asarray(model(X[:, None]))[:, 0], rtol=1e-12)


def test_cells_that_the_model_does_not_read_stay_as_they_are(there: Path, by_fives: None) -> None:
    rows = [
        "serial,x,when,note",
        *(f"00{place},{x},2026-01-0{place},1.10" for place, x in enumerate(X[:7], 1)),
    ]
    (there / "bench.csv").write_text("\n".join(rows) + "\n")
    assert invoke("predict", "formula", "bench.csv").exit_code == 0
    lines = (there / "bench-predicted.csv").read_text().splitlines()
    assert lines[0] == "serial,x,when,note,y"
    assert [line.rpartition(",")[0] for line in lines[1:]] == rows[1:]
    assert invoke("predict", "formula", "bench.csv", "-o", "bench.parquet").exit_code == 0
    assert read(there / "bench.parquet")["serial"].tolist() == [*range(1, 8)]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"X": X}, "there is no column 'x'. Did you mean 'X'?"),
        ({"x": ["1", "2", "three"]}, "the text 'three' in the column 'x' at row 3 (line 4)"),
        ({"x": [1.0] * 7 + [np.nan], "t": 1}, "a missing value in the column 'x' at row 8 (line 9)"),
        ({"x": []}, "the file has no rows"),
    ],
)
def test_rows_that_do_not_serve(columns: dict, words: str, there: Path, by_fives: None) -> None:
    write(there / "bad.csv", **columns)
    result = invoke("predict", "formula", "bad.csv")
    assert result.exit_code == 3
    assert words in result.output
    assert not (there / "bad-predicted.csv").exists()
    assert not list(there.glob(".tmp-*"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["formula", "none.csv"], "There is no file none.csv"),
        (["formula", "d.csv", "-o", "d.csv"], "holds the rows to predict"),
        (["formula", "d.csv", "-o", "d.xlsx"], "the suffix '.xlsx' is not one of .csv"),
        (["formula", "d.csv", "-o", "none/d.csv"], "There is no folder none"),
        (["formulae", "d.csv"], "There is no run 'formulae'"),
    ],
)
def test_wrong_words(arguments: list[str], words: str, there: Path) -> None:
    result = invoke("predict", *arguments)
    assert result.exit_code == 2
    assert words in result.output


class Scores:
    """A model that gives its inputs back."""

    def __init__(self, width: int = 1) -> None:
        self.inputs = (np.zeros(1),)
        self.input_shape = (None, width)

    def __call__(self, values, training):
        return values


def test_classes_come_with_their_probabilities() -> None:
    scores = np.log([[1.0, 3, 4], [6, 1, 1]])
    found = Predictor(Scores(), ("x",), ("kind",), 3).predict(scores)
    assert found["kind"].tolist() == [2, 0]
    np.testing.assert_allclose(found["kind_1_probability"], [3 / 8, 1 / 8])
    found = Predictor(Scores(), ("x",), ("a", "b", "c"), 3).predict(scores)
    np.testing.assert_allclose(found["c"], [4 / 8, 1 / 8])


def test_probabilities_of_the_model_itself_stay_what_they_are() -> None:
    shares = np.array([[0.1, 0.7, 0.2]])
    found = Predictor(Scores(), ("x",), ("kind",), 3, probabilities=True).predict(shares)
    assert (found["kind"][0], found["kind_1_probability"][0]) == (1, 0.7)
    found = Predictor(Scores(), ("x",), ("a",), 0, answers=True, probabilities=True).predict(shares[:, :1])
    assert found["a"][0] == 0.1


def test_answers_are_probabilities_of_yes() -> None:
    found = Predictor(Scores(), ("x",), ("a", "b"), 0, answers=True).predict(np.log([[1.0, 3]]))
    np.testing.assert_allclose([found["a"], found["b"]], [[0.5], [0.75]])


def images(path: Path, name: str, shape: tuple[int, ...], rows: int = 2) -> np.ndarray:
    return np.concatenate(list(read_images(str(path), name, shape, rows)))


def test_images(tmp_path: Path) -> None:
    bytes_ = np.full((3, 2, 2), 255, np.uint8)
    path = write(tmp_path / "a.npz", image=bytes_, other=[1])
    assert np.array_equal(images(path, "image", (2, 2, 1)), np.ones((3, 2, 2, 1)))
    numbered = np.arange(12.0).reshape(3, 2, 2, 1)
    path = write(tmp_path / "b.npz", anything=np.asfortranarray(numbered))
    assert np.array_equal(images(path, "image", (2, 2, 1)), numbered)
    for shape, words in (((2, 3, 1), r"is \[3, 2, 2, 1\]; the model reads \[rows, 2, 3, 1\]"),):
        with pytest.raises(DataError, match=words):
            images(path, "image", shape)
    with pytest.raises(DataError, match="there is no array 'image'"):
        images(write(tmp_path / "c.npz", a=[1], b=[2]), "image", (2, 2, 1))
    with pytest.raises(DataError, match="there, but it holds Python objects"):
        images(write(tmp_path / "d.npz", image=[{}], b=[2], c=[1]), "image", (2, 2, 1))
    with pytest.raises(DataError, match="images come from an NPZ file"):
        images(Path("a.csv"), "image", (2, 2, 1))


def test_wide_rows_come_in_smaller_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "NUMBERS", 7)
    path = write(tmp_path / "a.npz", a=np.arange(5.0), b=np.ones(5))
    parts = list(predicted(Predictor(Scores(2), ("a", "b"), ("u", "v"), 0), str(path)))
    assert [len(part["u"]) for part in parts] == [3, 2]


def test_arrays_of_other_lengths_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    columns = {"x": np.arange(7.0), "y": np.ones(9), "gain": np.zeros(1)}
    path = write(tmp_path / "a.npz", **columns)
    parts = list(predicted(Predictor(Scores(), ("x",), ("y",), 0), str(path), rows=2))
    assert [list(part) for part in parts] == [["x", "y"]] * 4
    np.testing.assert_array_equal(np.concatenate([part["y"] for part in parts]), columns["x"])
    assert "left out 'y', 'gain': the model's column 'x' has 7 rows, and 'y' 9." in caplog.text
    parts = list(predicted(Predictor(Scores(), ("y",), ("z",), 0), str(path), rows=2))
    assert sum(len(part["z"]) for part in parts) == 9


PARTS = (
    {"n": np.array([1, 2]), "label": np.array(["a", None], object), "flag": np.array([True, False])},
    {"n": np.array([0.5]), "label": np.array(["longer"], object), "flag": np.array([True])},
)
"""A column of whole numbers that goes on with others, and text with a hole."""


def written(path: Path, samples: Samples = "rows") -> Path:
    with WRITERS[path.suffix](path, samples) as writer:
        for part in PARTS:
            writer.write(part)
    return path


def test_npz_needs_no_unpickling(tmp_path: Path) -> None:
    with np.load(written(tmp_path / "a.npz"), allow_pickle=False) as found:
        assert {name: array.tolist() for name, array in found.items()} == {
            "n": [1.0, 2.0, 0.5],
            "label": ["a", "", "longer"],
            "flag": [True, False, True],
        }


@pytest.mark.parametrize(("samples", "shape"), [("rows", (3, 1)), ("columns", (1, 3))])
def test_mat_vectors_lie_as_the_samples_do(samples: Samples, shape: tuple[int, int], tmp_path: Path) -> None:
    found = loadmat(written(tmp_path / "a.mat", samples))
    np.testing.assert_array_equal(found["n"], np.reshape([1, 2, 0.5], shape))
    assert found["flag"].shape == shape
    assert [text.rstrip() for text in found["label"]] == ["a", "", "longer"]


def test_a_parquet_column_has_one_type(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="The column 'n' begins as int64 and goes on as double"):
        written(tmp_path / "a.parquet")


def test_several_runs_are_averaged(there: Path, by_fives: None) -> None:
    write(there / "new.csv", x=X)
    found = {}
    for runs in (["formula"], ["mlp"], ["formula", "mlp"]):
        result = invoke("predict", *runs, "new.csv", "-o", "out.csv")
        assert result.exit_code == 0, result.output
        found["+".join(runs)] = read(there / "out.csv")["y"]
    assert not np.allclose(found["formula"], found["mlp"])
    np.testing.assert_allclose(found["formula+mlp"], (found["formula"] + found["mlp"]) / 2, rtol=1e-12)


def test_probabilities_are_averaged_and_not_classes() -> None:
    class Other(Scores):
        """One that knows better."""

        def __call__(self, values, training):
            return np.log([[98.0, 1, 1], [0.5, 9, 0.5]])

    scores = np.log([[1.0, 3, 4], [6, 1, 1]])
    members = tuple(Predictor(model, ("x",), ("kind",), 3) for model in (Scores(), Other()))
    found = Ensemble(members).predict(scores)
    np.testing.assert_allclose(found["kind_0_probability"], [(1 / 8 + 0.98) / 2, (6 / 8 + 0.05) / 2])
    assert found["kind"].tolist() == [0, 1]


def test_runs_of_other_data_cannot_be_averaged(there: Path) -> None:
    x = np.linspace(0, 1, 9)
    pd.DataFrame({"u": x, "y": x}).to_csv(there / "u.csv", index=False)
    (there / "other.yaml").write_text(
        "dataset: {name: table, path: u.csv, inputs: [u], targets: [y]}\n"
        "model: {name: formula, expression: a*u, parameters: {a: 1}}\n"
    )
    invoke("train", "other.yaml", "--quiet", "--name", "other")
    write(there / "new.csv", x=X)
    result = invoke("predict", "formula", "other", "new.csv")
    assert result.exit_code == 2
    assert "The runs formula and other cannot be averaged: their inputs are x and u" in result.output
