"""Handwritten digits: the packaged MNIST, or a file of the same layout."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.config.datasets import MnistConfig
from lmrun.config.losses import TargetKind
from lmrun.datasets.base import Dataset, Split
from lmrun.datasets.npz import open_npz
from lmrun.datasets.sampling import choose_seed
from lmrun.datasets.splits import random_rows
from lmrun.errors import DataError

CLASSES = 10
SIDE = 28
KEYS = ("x_train", "y_train", "x_test", "y_test")

Arrays = Mapping[str, NDArray[Any]]


def load(config: MnistConfig, *, seed: int, targets: TargetKind) -> Dataset:
    """Images float64 [rows, 28, 28, 1] in [0, 1]; labels int64 [rows], else one-hot [rows, 10].

    Raises:
        DataError: The file is missing, damaged, or of another layout; or holds fewer images than `points`.

    Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits"; pixels are divided by 255.
    """
    where = config.path or "mnist"
    arrays = read_mnist(config.path)
    images, labels = arrays["x_train"], arrays["y_train"]
    points = len(images) if config.points is None else config.points
    if points > len(images):
        raise DataError(f"{where}: points asks for {points} training images, the file has {len(images)}.")
    rows = random_rows(points, config.validation, 0.0, choose_seed(config.seed, seed), where)

    def split(images: NDArray[Any], labels: NDArray[Any]) -> Split:
        classes = labels.astype(np.int64)
        encoded = classes if targets == "labels" else np.eye(CLASSES)[classes]
        return Split(images[..., np.newaxis] / 255.0, encoded)

    return Dataset(
        name=config.name,
        train=split(images[rows.train], labels[rows.train]),
        validation=split(images[rows.validation], labels[rows.validation]) if rows.validation.size else None,
        test=split(arrays["x_test"], arrays["y_test"]),
        input_names=("image",),
        target_names=("digit",) if targets == "labels" else tuple(f"digit_{i}" for i in range(CLASSES)),
        task="classification",
        classes=CLASSES,
    )


def read_mnist(path: str | None = None) -> Arrays:
    """Read x_train, y_train, x_test, y_test: images uint8 [rows, 28, 28], integer labels 0..9 [rows].

    Args:
        path: An NPZ file, or None for the packaged one.

    Raises:
        DataError: The file is missing, damaged, or of another layout.
    """
    source = files("lmrun.datasets") / "data" / "mnist.npz" if path is None else Path(path)
    where = path or "mnist"
    with open_npz(source, where) as archive:
        missing = [key for key in KEYS if key not in archive.files]
        if missing:
            raise DataError(f"{where}: there is no array '{missing[0]}'; it needs {', '.join(KEYS)}.")
        arrays = {key: archive[key] for key in KEYS}
    for part in ("train", "test"):
        _check(where, part, arrays[f"x_{part}"], arrays[f"y_{part}"])
    return arrays


def _check(where: str, part: str, images: NDArray[Any], labels: NDArray[Any]) -> None:
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (SIDE, SIDE) or not len(images):
        raise DataError(
            f"{where}: the array 'x_{part}' is {images.dtype} {list(images.shape)};"
            f" it has to be uint8 [rows, {SIDE}, {SIDE}]."
        )
    if not np.issubdtype(labels.dtype, np.integer) or labels.shape != (len(images),):
        raise DataError(
            f"{where}: the array 'y_{part}' is {labels.dtype} {list(labels.shape)};"
            f" it has to be integer [{len(images)}]."
        )
    wrong = np.flatnonzero((labels < 0) | (labels >= CLASSES))
    if wrong.size:
        raise DataError(
            f"{where}: the array 'y_{part}' has the label {labels[wrong[0]]} at row {wrong[0] + 1};"
            f" labels are 0 to {CLASSES - 1}."
        )
