from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lmrun.config.datasets import TableConfig
from lmrun.datasets import Dataset, TargetKind, load_dataset
from lmrun.errors import DataError


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Load a CSV text whose inputs are x, relative to its folder so that messages are short."""
    monkeypatch.chdir(tmp_path)

    def call(text: str, kind: TargetKind, targets: tuple[str, ...], **options: Any) -> Dataset:
        Path("d.csv").write_text(text)
        config = TableConfig.model_validate(
            {"name": "table", "path": "d.csv", "inputs": ("x",), "targets": targets, **options}
        )
        return load_dataset(config, seed=1, precision="float32", targets=kind)

    return call


def test_values_are_normalized(load: Any) -> None:
    dataset = load("x,y\n0,1\n1,3\n", "values", ("y",))
    np.testing.assert_array_equal(dataset.train.targets, [[-1], [1]])
    assert (dataset.task, dataset.classes, dataset.outputs) == ("regression", 0, 1)


def test_labels(load: Any) -> None:
    dataset = load("x,c\n0,1\n1,0\n2,2\n3,1.0\n", "labels", ("c",))
    assert dataset.train.targets.dtype == np.int64
    np.testing.assert_array_equal(dataset.train.targets, [1, 0, 2, 1])
    assert (dataset.task, dataset.classes, dataset.outputs) == ("classification", 3, 3)
    assert dataset.target_map is None
    assert dataset.input_map is not None


def test_the_classes_are_those_of_the_whole_file(load: Any) -> None:
    dataset = load(
        "x,c\n0,1\n1,0\n2,1\n3,2\n", "labels", ("c",), split={"by": "blocks", "validation": 0.25, "test": 0}
    )
    np.testing.assert_array_equal(dataset.validation.targets, [2])
    assert dataset.classes == 3


def test_binary(load: Any) -> None:
    dataset = load("x,p,q\n0,1,0\n1,0,1\n2,1,1\n", "binary", ("p", "q"))
    assert dataset.train.targets.dtype == np.float32
    np.testing.assert_array_equal(dataset.train.targets, [[1, 0], [0, 1], [1, 1]])
    assert (dataset.task, dataset.classes, dataset.outputs) == ("classification", 0, 2)
    assert dataset.target_map is None


def test_one_hot(load: Any) -> None:
    dataset = load("x,p,q,r\n0,1,0,0\n1,0,1,0\n", "one_hot", ("p", "q", "r"))
    assert dataset.train.targets.dtype == np.float32
    np.testing.assert_array_equal(dataset.train.targets, [[1, 0, 0], [0, 1, 0]])
    assert (dataset.task, dataset.classes, dataset.outputs) == ("classification", 3, 3)
    assert dataset.target_names == ("p", "q", "r")


@pytest.mark.parametrize(
    ("text", "kind", "targets", "message"),
    [
        (
            "x,c\n0,0\n1,1\n2,1.5\n3,-1\n",
            "labels",
            ("c",),
            "the value 1.5 in the column 'c' at row 3 (line 4), the first of 2 bad cells;"
            " class labels are integers from 0.",
        ),
        (
            "x,c\n0,1\n1,-1\n",
            "labels",
            ("c",),
            "the value -1 in the column 'c' at row 2 (line 3); class labels are integers from 0.",
        ),
        (
            "x,c\n0,1\n1,2\n",
            "labels",
            ("c",),
            "the column 'c' has labels up to 2 but none is 0; number the classes from 0 without gaps.",
        ),
        (
            "x,c\n0,0\n1,1e15\n",
            "labels",
            ("c",),
            "the column 'c' has labels up to 1000000000000000 but none is 1;"
            " number the classes from 0 without gaps.",
        ),
        (
            "x,c\n0,cat\n1,dog\n",
            "labels",
            ("c",),
            "the text 'cat' in the column 'c' at row 1 (line 2), the first of 2 bad cells;"
            " every cell needs a finite number.",
        ),
        (
            "x,c,d\n0,0,1\n1,1,0\n",
            "labels",
            ("c", "d"),
            "class labels stand in one target column, and there are 2;"
            " for a column per class choose loss: categorical_crossentropy.",
        ),
        (
            "x,c\n0,0\n1,0\n",
            "labels",
            ("c",),
            "the training rows have a single class in 'c'; two are needed.",
        ),
        (
            "x,p\n0,0\n1,2\n",
            "binary",
            ("p",),
            "the value 2 in the column 'p' at row 2 (line 3); this loss wants 0 or 1.",
        ),
        (
            "x,p,q\n0,0,1\n1,1,1\n",
            "binary",
            ("p", "q"),
            "the target column 'q' is 1 in every training row; leave it out, or change the split.",
        ),
        (
            "x,p\n0,0\n1,1\n",
            "one_hot",
            ("p",),
            "one-hot classes need a target column each, and 'p' is the only one;"
            " for a column of labels choose loss: sparse_categorical_crossentropy.",
        ),
        (
            "x,p,q\n0,0,1\n1,1,1\n2,0,0\n",
            "one_hot",
            ("p", "q"),
            "the target columns p, q add up to 2 at row 2 (line 3), the first of 2 such rows;"
            " one-hot classes have a single 1 per row.",
        ),
        (
            "x,p,q\n0,0.5,0.5\n1,1,0\n",
            "one_hot",
            ("p", "q"),
            "the value 0.5 in the column 'p' at row 1 (line 2), the first of 2 bad cells;"
            " this loss wants 0 or 1.",
        ),
        (
            "x,p,q\n0,0,1\n1,0,1\n",
            "one_hot",
            ("p", "q"),
            "the training rows have a single class in 'p', 'q'; two are needed.",
        ),
    ],
)
def test_targets_that_do_not_serve_the_loss(
    load: Any, text: str, kind: TargetKind, targets: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DataError) as caught:
        load(text, kind, targets)
    assert str(caught.value) == f"d.csv: {message}"
