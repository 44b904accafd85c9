"""What a figure of losses needs from run directories: curves, labels, a title."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.errors import RunDirectoryError
from lmrun.runs.files import read_yaml
from lmrun.runs.layout import RunDirectory
from lmrun.runs.metrics import read_metrics

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Curves:
    """The losses of one run.

    Attributes:
        name: The run's name.
        facts: `dataset`, `optimizer` and `seed` as far as the config tells.
        steps: [rows].
        seconds: [rows].
        loss: [rows], NaN where it is not finite.
        validation_loss: [rows], NaN where nothing was validated.
        target_loss: The loss that was asked for, None without.
    """

    name: str
    facts: dict[str, str]
    steps: Values
    seconds: Values
    loss: Values
    validation_loss: Values
    target_loss: float | None


def read_curves(run: RunDirectory) -> Curves:
    """Read a run's losses and what its config says of them.

    Raises:
        RunDirectoryError: The run has no rows yet, or a file is missing or damaged.
    """
    table = read_metrics(run)
    if table.empty:
        raise RunDirectoryError(
            f"The run {run.name} has no rows in {run.metrics} to plot: it was stopped before its first step. "
            f"Continue it with `lmrun train --resume {run.path}`."
        )
    config = _read_config(run)
    columns = [
        table[name].to_numpy(dtype=np.float64, na_value=np.nan)
        for name in ("step", "seconds", "loss", "validation_loss")
    ]
    steps, seconds, loss, validation_loss = columns
    facts = {
        "dataset": _get(config, "dataset", "name"),
        "optimizer": _get(config, "optimizer", "name"),
        "seed": _get(config, "seed"),
    }
    return Curves(
        name=run.name,
        facts={name: str(value) for name, value in facts.items() if value is not None},
        steps=steps,
        seconds=seconds,
        loss=_finite(loss),
        validation_loss=_finite(validation_loss),
        target_loss=_number(_get(config, "training", "target_loss")),
    )


def labels(runs: Sequence[Curves]) -> list[str]:
    """Name each run by what sets it apart: dataset, optimizer, seed; by its name where these do not."""
    differing = [
        key for key in ("dataset", "optimizer", "seed") if len({run.facts.get(key) for run in runs}) > 1
    ]
    found = [", ".join(_fact(key, run.facts.get(key)) for key in differing) for run in runs]
    return [
        run.name if found.count(label) > 1 or not label else label
        for run, label in zip(runs, found, strict=True)
    ]


def title(runs: Sequence[Curves]) -> str:
    """Say what all runs have in common; a single run is named in full."""
    common = [
        _fact(key, runs[0].facts.get(key))
        for key in ("dataset", "optimizer", "seed")
        if len({run.facts.get(key) for run in runs}) == 1 and key in runs[0].facts
    ]
    return " · ".join(common) or "Training loss"


def _fact(key: str, value: str | None) -> str:
    text = value or "?"
    return f"seed {text}" if key == "seed" else text


def _finite(values: Values) -> Values:
    return np.where(np.isfinite(values), values, np.nan)


def _read_config(run: RunDirectory) -> dict[str, Any]:
    config = read_yaml(run.config)
    return config if isinstance(config, dict) else {}


def _get(config: Any, *keys: str) -> Any:
    for key in keys:
        config = config.get(key) if isinstance(config, dict) else None
    return config


def _number(value: Any) -> float | None:
    # YAML 1.1 reads 1e-8 as text.
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return None
