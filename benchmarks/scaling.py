"""Time and memory by the number of samples: full steps on the 6-D Rosenbrock function.

    python -m benchmarks.scaling [KEY=VALUE]...

Every size is one `lmrun train` in a process of its own. Milliseconds are the median over the steps that took
one attempt; MiB the largest resident set of the whole process, TensorFlow and compilation included. Prints a
Markdown table; further overrides apply to all sizes, such as `optimizer.acceleration=none`.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from subprocess import Popen
from typing import NamedTuple

from lmrun.runs.layout import RunDirectory
from lmrun.runs.metrics import read_metrics

POINTS = (10**4, 10**5, 10**6)
STEPS = 20
FIXED = ("training.batch_size=full", f"training.max_steps={STEPS}", "training.target_loss=null")


class Scale(NamedTuple):
    """What one size took.

    Attributes:
        points: Training points.
        milliseconds: Per step.
        mebibytes: Peak memory of the process.
    """

    points: int
    milliseconds: float
    mebibytes: float


def measure(points: int, overrides: Sequence[str], folder: Path) -> Scale:
    """Train once in a new process."""
    lmrun = [sys.executable, "-m", "lmrun", "train", "--quiet", "--runs-dir", str(folder)]
    which = ["--name", str(points), "rosenbrock-nd", f"dataset.points={points}"]
    process = Popen([*lmrun, *which, *FIXED, *overrides])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    rows = read_metrics(RunDirectory(folder / str(points)))
    seconds = rows["seconds"].diff()[rows["attempts"] == 1]
    return Scale(points, 1e3 * float(seconds.median()), usage.ru_maxrss / 1024)


def table(scales: Sequence[Scale]) -> str:
    """Write the sizes as Markdown, with factors of the first."""
    first = scales[0]
    lines = ["| points | ms/step | per point | peak MiB |", "|---|---|---|---|"]
    for scale in scales:
        slower = scale.milliseconds / first.milliseconds * first.points / scale.points
        larger = scale.mebibytes / first.mebibytes
        lines.append(
            f"| {scale.points:,} | {scale.milliseconds:,.1f} | ×{slower:.2f} "
            f"| {scale.mebibytes:,.0f} (×{larger:.2f}) |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure all sizes, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        print(table([measure(points, sys.argv[1:], Path(folder)) for points in POINTS]))


if __name__ == "__main__":
    main()
