"""How all figures look: fit for a paper, for colour-blind readers and for a grey print."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from lmrun.config.suggest import did_you_mean
from lmrun.errors import UsageError
from lmrun.runs.files import replacing

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito (2008), without their yellow, which is too light for a line on white."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
"""Their number has no common divisor with that of the colours: 63 runs look different."""

INK = "#202020"
SOFT = "#707070"
"""Text and lines that stand back; 5 : 1 against white."""

RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "axes.edgecolor": "#404040",
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "lines.markersize": 5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    # Text in a PDF stays text that a publisher can embed and search.
    "pdf.fonttype": 42,
    # The same run gives the same SVG.
    "svg.hashsalt": "lmrun",
    "agg.path.chunksize": 20_000,
}

DPI = 150
# Without a date the same run gives the same file.
FORMATS: dict[str, dict[str, Any]] = {
    "png": {},
    "svg": {"metadata": {"Date": None}},
    "pdf": {"metadata": {"CreationDate": None}},
}


@dataclass(frozen=True)
class Look:
    """Colour and marker of one run."""

    color: str
    marker: str


def look(index: int) -> Look:
    """Return what run number `index` of a figure looks like."""
    return Look(COLORS[index % len(COLORS)], MARKERS[index % len(MARKERS)])


@contextmanager
def styled() -> Iterator[None]:
    """Make and save figures inside: the style is Matplotlib's own, whatever the user's settings are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(RC)
        yield


def check_format(output: Path) -> str:
    """Return the format that a file's ending means.

    Raises:
        UsageError: The ending is unknown.
    """
    ending = output.suffix.lower().removeprefix(".")
    if ending not in FORMATS:
        raise UsageError(
            f"Cannot draw {output}: the ending '{output.suffix}' is no known format."
            f"{did_you_mean(ending, FORMATS)}"
        )
    return ending


def save(figure: Figure, output: Path) -> Path:
    """Write a figure in the format of the file's ending, making missing folders, and return its path.

    Raises:
        UsageError: The ending is unknown, or the folder cannot be made.
        RunDirectoryError: The file cannot be written.
    """
    kind = check_format(output)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"Cannot make the folder {output.parent}: {error.strerror}. Choose another -o."
        ) from error
    with replacing(output) as temporary:
        figure.savefig(temporary, format=kind, dpi=DPI, **FORMATS[kind])
    return output
