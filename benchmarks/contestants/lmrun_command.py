"""lmrun through its own command, `lmrun train CONFIG --json --quiet`; the times are those of metrics.csv.

Settings: `overrides` of the config. Validation is put off: no peer validates.
"""

from __future__ import annotations

import csv
import json
import resource
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.contestants.protocol import Job, read_job

ENDLESS = (
    "training.max_steps=null",
    "training.max_epochs=null",
    "training.gradient_tolerance=0",
    "training.step_tolerance=0",
    "training.validation_interval=1000000000",
)


def train(job: Job, folder: Path, seconds: float, target: float | None) -> tuple[dict[str, Any], list[Any]]:
    """Run the command; return its JSON document and the rows of metrics.csv."""
    command = [sys.executable, "-m", "lmrun", "train", job.config, f"seed={job.seed}"]
    limits = [f"training.max_seconds={seconds}", f"training.target_loss={json.dumps(target)}"]
    overrides = [*job.settings["overrides"], *ENDLESS, *limits]
    done = subprocess.run(
        [*command, *overrides, "--json", "--quiet", "--runs-dir", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.stdout.strip():
        sys.exit(done.stderr)
    document = json.loads(done.stdout)
    with (Path(document["run"]) / "metrics.csv").open(encoding="utf-8") as file:
        return document, list(csv.DictReader(file))


def main() -> None:
    """Train for the budget, and where the target is not reached by then once more for as long as it takes."""
    job = read_job()
    with tempfile.TemporaryDirectory() as name:
        document, rows = train(job, Path(name), job.budget_seconds, None)
        if job.limit_seconds > job.budget_seconds and min(float(row["loss"]) for row in rows) > job.target:
            document, rows = train(job, Path(name), job.limit_seconds, job.target)
    made = [(int(row["step"]), float(row["seconds"])) for row in rows if int(row["step"]) > 0]
    record = {
        "steps": made,
        "values": [(float(row["seconds"]), float(row["loss"])) for row in rows],
        "attempts": [int(row["attempts"]) for row in rows if row["attempts"]],
        "seconds": document["seconds"],
        "peak_bytes": (1 if sys.platform == "darwin" else 1024)
        * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss,
        "versions": {name: version(name) for name in ("lmrun", "tensorflow", "keras", "numpy", "scipy")},
        "message": "" if document["status"] in ("max_seconds", "target_reached") else document["message"],
    }
    Path(job.record).write_text(json.dumps(record), encoding="utf-8")


if __name__ == "__main__":
    main()
