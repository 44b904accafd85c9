"""Losses by their config, with outputs and targets that suit each."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

ROWS, OUTPUTS = 7, 3


@pytest.fixture(scope="session")
def make_loss() -> Callable[..., Any]:
    """Return a function that builds a loss from its `loss` section."""
    from pydantic import TypeAdapter

    from lmrun.config.losses import LossConfig
    from lmrun.losses.registry import build_loss

    def make(config: Any, sample: Any = None) -> Any:
        return build_loss(TypeAdapter(LossConfig).validate_python(config), lambda: sample)

    return make


@pytest.fixture(scope="session")
def targets_for() -> Callable[..., Any]:
    """Return a function that makes targets of a kind for some rows and outputs."""

    def make(kind: str, rows: int = ROWS, outputs: int = OUTPUTS, seed: int = 3) -> Any:
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, outputs, rows)
        return {
            "values": 2 * rng.normal(size=(rows, outputs)),
            "binary": rng.integers(0, 2, (rows, outputs)).astype(float),
            "one_hot": np.eye(outputs)[labels],
            "labels": labels,
        }[kind]

    return make
