"""Datasets: from a `dataset` section of the config to arrays, their names and their normalization."""

from lmrun.datasets.base import Affine, Dataset, Split
from lmrun.datasets.matrix import read_matrix
from lmrun.datasets.registry import LOADERS, load_dataset
from lmrun.datasets.targets import TARGETS_OF_LOSS, TargetKind

__all__ = [
    "LOADERS",
    "TARGETS_OF_LOSS",
    "Affine",
    "Dataset",
    "Split",
    "TargetKind",
    "load_dataset",
    "read_matrix",
]
