"""What the charts of a page need from each run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lmrun.plotting.placing import thin
from lmrun.runs.layout import RunDirectory
from lmrun.runs.metrics import read_metrics

Values = NDArray[np.float64]

COLUMNS = ("step", "seconds", "loss", "validation_loss", "damping", "gain_ratio", "attempts")
BINS = 500
"""Of a curve: a chart is some 1,000 pixels wide, and each bin keeps up to four rows."""


@dataclass(frozen=True)
class Trace:
    """The rows of one run.

    Attributes:
        label: What the legend calls it.
        group: The place of its group, which decides its colour.
        columns: Every one of COLUMNS [rows], NaN where a row says nothing.
    """

    label: str
    group: int
    columns: dict[str, Values]

    def __getitem__(self, name: str) -> Values:
        return self.columns[name]

    def thinned(self, name: str) -> dict[str, Values]:
        """Return the columns at the rows that a chart of `name` against steps or seconds can show."""
        filled = ~np.isnan(self[name])
        steps = self["step"][filled]
        kept: set[int] = set()
        for log in (False, True):
            shown = steps > 0 if log else np.ones(len(steps), dtype=bool)
            kept |= {
                int(step) for step in thin(steps[shown], self[name][filled][shown], log=log, bins=BINS)[0]
            }
        rows = filled & np.isin(self["step"], list(kept))
        return {column: values[rows] for column, values in self.columns.items()}


def read_trace(run: RunDirectory, label: str, group: int) -> Trace:
    """Read a run's rows, those of a run that still trains included.

    Raises:
        RunDirectoryError: The file is damaged.
    """
    table = read_metrics(run).dropna(subset=["step", "seconds"])
    columns = {name: table[name].to_numpy(np.float64, na_value=np.nan) for name in COLUMNS}
    return Trace(
        label,
        group,
        {name: np.where(np.isfinite(column), column, np.nan) for name, column in columns.items()},
    )
