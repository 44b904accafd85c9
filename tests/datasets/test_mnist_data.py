from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lmrun.config.datasets import MnistConfig
from lmrun.datasets import Dataset, TargetKind, load_dataset
from lmrun.datasets.mnist import read_mnist
from lmrun.errors import DataError


@pytest.fixture
def arrays() -> dict[str, Any]:
    """Twelve training and five test images, each of a single grey that is its number."""
    return {
        "x_train": np.repeat(np.arange(12, dtype=np.uint8), 784).reshape(12, 28, 28),
        "y_train": np.arange(12, dtype=np.uint8) % 10,
        "x_test": np.repeat(np.arange(100, 105, dtype=np.uint8), 784).reshape(5, 28, 28),
        "y_test": np.arange(5, dtype=np.uint8),
    }


@pytest.fixture
def small(tmp_path: Path, arrays: dict[str, Any]) -> str:
    np.savez(tmp_path / "small.npz", **arrays)
    return str(tmp_path / "small.npz")


def load(
    path: str | None,
    targets: TargetKind = "labels",
    seed: int = 10,
    precision: Any = "float32",
    **options: Any,
) -> Dataset:
    config = MnistConfig(name="mnist", path=path, **options)
    return load_dataset(config, seed=seed, precision=precision, targets=targets)


def greys(images: Any) -> list[int]:
    return [round(255 * float(image[13, 13, 0])) for image in images]


def test_the_packaged_file() -> None:
    arrays = read_mnist(None)
    assert arrays["x_train"].shape == (60_000, 28, 28)
    assert arrays["x_test"].shape == (10_000, 28, 28)
    assert arrays["x_train"].sum(dtype=np.int64) == 1567298545
    assert arrays["x_test"].sum(dtype=np.int64) == 264923200
    assert arrays["y_train"].sum(dtype=np.int64) == 267236
    assert arrays["y_test"].sum(dtype=np.int64) == 44434


def test_the_packaged_images_load() -> None:
    dataset = load(None, points=100)
    arrays = read_mnist(None)
    assert dataset.train.inputs.shape == (100, 28, 28, 1)
    assert dataset.test is not None
    assert dataset.test.inputs.shape == (10_000, 28, 28, 1)
    expected = arrays["x_train"][:100, ..., np.newaxis] / np.float32(255)
    np.testing.assert_array_equal(dataset.train.inputs, expected)
    np.testing.assert_array_equal(dataset.train.targets, arrays["y_train"][:100])
    assert (dataset.task, dataset.classes, dataset.outputs) == ("classification", 10, 10)


def test_labels_are_int64_and_pixels_are_in_0_to_1(small: str) -> None:
    dataset = load(small)
    assert dataset.train.targets.dtype == np.int64
    np.testing.assert_array_equal(dataset.train.targets, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1])
    assert dataset.train.inputs.dtype == np.float32
    assert dataset.train.inputs[11, 0, 0, 0] == np.float32(11) / np.float32(255)
    assert dataset.validation is None
    assert dataset.target_names == ("digit",)
    assert dataset.input_names == ("image",)


@pytest.mark.parametrize("kind", ["values", "binary", "one_hot"])
def test_other_losses_get_one_hot_targets(small: str, kind: TargetKind) -> None:
    dataset = load(small, kind, precision="float64")
    assert dataset.train.targets.dtype == np.float64
    np.testing.assert_array_equal(dataset.train.targets.argmax(axis=1), np.arange(12) % 10)
    np.testing.assert_array_equal(np.sort(dataset.train.targets, axis=1), [[0] * 9 + [1]] * 12)
    assert dataset.outputs == len(dataset.target_names) == 10


def test_points_are_the_first_images_and_the_test_stays(small: str) -> None:
    dataset = load(small, points=4)
    assert greys(dataset.train.inputs) == [0, 1, 2, 3]
    assert dataset.test is not None
    assert greys(dataset.test.inputs) == [100, 101, 102, 103, 104]
    np.testing.assert_array_equal(dataset.test.targets, [0, 1, 2, 3, 4])


def test_validation_is_drawn_from_the_points(small: str) -> None:
    dataset = load(small, points=10, validation=0.3)
    assert dataset.validation is not None
    train, validation = greys(dataset.train.inputs), greys(dataset.validation.inputs)
    assert len(validation) == 3
    assert sorted(train + validation) == list(range(10))
    np.testing.assert_array_equal(dataset.validation.targets, validation)

    drawn = {tuple(greys(load(small, seed=s, validation=0.3).train.inputs)) for s in range(5)}
    assert len(drawn) > 1
    again = load(small, seed=99, points=10, validation=0.3)
    same = MnistConfig(name="mnist", path=small, points=10, validation=0.3, seed=99)
    assert load_dataset(same, seed=1, precision="float32", targets="labels").checksum == again.checksum


def broken(**changes: Any) -> Any:
    return lambda arrays: {k: v for k, v in {**arrays, **changes}.items() if v is not None}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (broken(y_test=None), "there is no array 'y_test'; it needs x_train, y_train, x_test, y_test."),
        (
            broken(x_test=np.zeros((5, 28, 28))),
            "the array 'x_test' is float64 [5, 28, 28]; it has to be uint8 [rows, 28, 28].",
        ),
        (
            broken(x_train=np.zeros((12, 784), np.uint8)),
            "the array 'x_train' is uint8 [12, 784]; it has to be uint8 [rows, 28, 28].",
        ),
        (
            broken(y_train=np.zeros(11, np.uint8)),
            "the array 'y_train' is uint8 [11]; it has to be integer [12].",
        ),
        (broken(y_test=np.zeros(5)), "the array 'y_test' is float64 [5]; it has to be integer [5]."),
        (
            broken(y_test=np.array([0, 9, 10, 3, -1])),
            "the array 'y_test' has the label 10 at row 3; labels are 0 to 9.",
        ),
        (
            broken(y_test=np.array([None] * 5, dtype=object)),
            "the file is damaged or is not NPZ.",
        ),
    ],
)
def test_a_file_of_another_layout(tmp_path: Path, arrays: Any, change: Any, message: str) -> None:
    path = str(tmp_path / "m.npz")
    np.savez(path, allow_pickle=True, **change(arrays))
    with pytest.raises(DataError) as caught:
        load(path)
    assert str(caught.value) == f"{path}: {message}"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = str(tmp_path / "m.npz")
    with pytest.raises(DataError) as caught:
        load(path)
    assert str(caught.value) == f"{path}: the file does not exist; check dataset.path."


def test_more_points_than_images(small: str) -> None:
    with pytest.raises(DataError) as caught:
        load(small, points=13)
    assert str(caught.value) == f"{small}: points asks for 13 training images, the file has 12."
