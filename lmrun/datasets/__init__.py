"""Datasets: from a `dataset` section of the config to arrays, their names and their normalization."""

from lmrun.config.losses import TargetKind
from lmrun.datasets.base import Affine, Dataset, Split
from lmrun.datasets.matrix import read_matrix
from lmrun.datasets.registry import LOADERS, load_dataset

__all__ = [
    "LOADERS",
    "Affine",
    "Dataset",
    "Split",
    "TargetKind",
    "load_dataset",
    "read_matrix",
]
