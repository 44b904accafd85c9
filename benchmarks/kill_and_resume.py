"""Kill a run at random moments and resume it each time: the result must be that of a run never killed.

    .venv/bin/python benchmarks/kill_and_resume.py --kills 20 sinc dataset.points=2000

Prints each kill and compares weights and metrics bit for bit (all columns but `seconds`); exits 1 where they
differ. A fifth of the kills hit the start of the process, the others spread over the training.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

from lmrun.runs.layout import RunDirectory
from lmrun.runs.metrics import read_metrics


def weights(path: Path) -> list[np.ndarray]:
    """Read all arrays of a weights file in their order."""
    found: list[np.ndarray] = []

    def collect(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            found.append(item[()])

    with h5py.File(path) as file:
        file.visititems(collect)
    return found


def same(run: RunDirectory, reference: RunDirectory) -> bool:
    """Whether two runs have the same weights and rows, bit for bit."""
    for mine, theirs in (
        (run.last_weights, reference.last_weights),
        (run.best_weights, reference.best_weights),
    ):
        pairs = zip(weights(mine), weights(theirs), strict=True)
        if not all(np.array_equal(left, right) for left, right in pairs):
            return False
    rows, others = (read_metrics(each).drop(columns="seconds") for each in (run, reference))
    return bool(rows.equals(others))


EARLY = 0.2
START_SECONDS = 5.0


def lines(path: Path) -> int:
    """Count the lines of a file, 0 where there is none."""
    return path.read_text().count("\n") if path.exists() else 0


def wait_for_rows(path: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until the process writes rows, or ends."""
    before = lines(path)
    while process.poll() is None and lines(path) in (0, before):
        time.sleep(0.01)


def main() -> int:
    """Run, kill, resume, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="decides the moments")
    options = parser.parse_args()
    moments = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder)
        lmrun = [sys.executable, "-m", "lmrun", "train", "--quiet", "--runs-dir", str(runs)]
        fresh = [*lmrun, options.config, *options.overrides, "training.checkpoint_seconds=0.2", "--name"]
        subprocess.run([*fresh, "whole"], check=True)
        whole = json.loads((runs / "whole" / "summary.json").read_text())
        command = [*fresh, "killed"]
        for kill in range(1, options.kills + 1):
            process = subprocess.Popen(command)
            if moments.random() < EARLY:
                time.sleep(moments.uniform(0, START_SECONDS))
            else:
                wait_for_rows(runs / "killed" / "metrics.csv", process)
                time.sleep(moments.uniform(0, 1.5 * whole["seconds"] / options.kills))
            if process.poll() is not None:
                print(f"the run ended before kill {kill}; give it more steps")
                return 1
            process.send_signal(signal.SIGKILL)
            process.wait()
            print(f"kill {kill:2d} after {lines(runs / 'killed' / 'metrics.csv')} lines of metrics.csv")
            if (runs / "killed").exists():
                command = [*lmrun, "--resume", "killed"]
        process = subprocess.Popen(command)
        process.wait()
        if process.returncode != 0:
            print(f"the last process ended with {process.returncode}")
            return 1
        equal = same(RunDirectory(runs / "killed"), RunDirectory(runs / "whole"))
        verdict = "are the same bits" if equal else "DIFFER"
        print(f"{options.kills} kills, {whole['steps']} steps: weights and metrics {verdict}")
        return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
