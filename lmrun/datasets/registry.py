"""The datasets by their name in the config, and the one way to load them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, Protocol

from lmrun.config.datasets import DatasetConfig, TableConfig
from lmrun.config.losses import TargetKind
from lmrun.datasets import mnist, rosenbrock, rosenbrock_curve, sinc, sine, table
from lmrun.datasets.base import Dataset
from lmrun.datasets.finish import finish
from lmrun.datasets.pool import ALONE, Pool


class Loader(Protocol):
    """Make a dataset in float64; `seed` is the config's, which the section's own seed overrides."""

    def __call__(self, config: Any, *, seed: int, targets: TargetKind) -> Dataset:
        """Load the dataset of one `dataset` section."""


LOADERS: Mapping[str, Loader] = MappingProxyType(
    {
        "rosenbrock-curve": rosenbrock_curve.load,
        "rosenbrock": rosenbrock.load,
        "sinc": sinc.load,
        "sine": sine.load,
        "mnist": mnist.load,
        "table": table.load,
    }
)


def load_dataset(
    config: DatasetConfig,
    *,
    seed: int,
    precision: Literal["float32", "float64"],
    targets: TargetKind = "values",
    pool: Pool = ALONE,
) -> Dataset:
    """Load the dataset of a config.

    Args:
        config: The `dataset` section.
        seed: The config's seed; a seed in the section itself comes first.
        precision: Type of all arrays but class labels; computed in float64, rounded once at the end.
        targets: What the loss expects the targets to be; `loss.targets` of the config.
        pool: The workers, each of which is given its share of a table in many files; all else is whole.

    Returns:
        The dataset with C-contiguous arrays and its checksum.

    Raises:
        DataError: The data cannot be read, or does not serve the loss.
    """
    if isinstance(config, TableConfig):
        return finish(table.load(config, seed=seed, targets=targets, pool=pool), precision)
    return finish(LOADERS[config.name](config, seed=seed, targets=targets), precision)
