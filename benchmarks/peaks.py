"""Train once and print what memory that took: `python -m benchmarks.peaks CONFIG [KEY=VALUE] ...`.

One JSON document of resident bytes: `libraries` (all of lmrun's and TensorFlow's modules loaded, before any
data), `built` (the most until the experiment is built), `resident` (what was left then), `plan` (the estimate
before the training, see `lmrun.training.memory.Plan`) and `peak` (the most from there to the end of the run,
weights, model and summary written).
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

CLEAR = Path("/proc/self/clear_refs")
RESET_PEAK = "5"
"""What Linux takes there to begin the peak of the resident memory anew (man 5 proc)."""


def measure(name: str, overrides: Sequence[str]) -> dict[str, Any]:
    """Go the way of `lmrun train`, and look at the memory on it."""
    from lmrun.quiet import load_tensorflow

    load_tensorflow()
    import psutil

    from lmrun.build import build
    from lmrun.config.load import load_config
    from lmrun.training.loop import schedule_of
    from lmrun.training.memory import peak_memory_bytes, plan, refuse_if_too_large, refuse_impossible
    from lmrun.training.opening import open_run
    from lmrun.training.progress import make_progress
    from lmrun.training.session import execute

    loaded = load_config(name, overrides)
    libraries = psutil.Process().memory_info().rss
    CLEAR.write_text(RESET_PEAK, encoding="ascii")
    refuse_impossible(loaded.config)
    experiment = build(loaded.config)
    built, resident = peak_memory_bytes(), psutil.Process().memory_info().rss
    needs = plan(experiment, schedule_of(experiment))
    refuse_if_too_large(experiment, schedule_of(experiment))
    CLEAR.write_text(RESET_PEAK, encoding="ascii")
    with tempfile.TemporaryDirectory() as folder:
        run = open_run(experiment, Path(folder), None, command=["peaks"], source=loaded.source)
        summary = execute(experiment, run, make_progress(True, loaded.config.training.log_seconds))
    return {
        "libraries": libraries,
        "built": built,
        "resident": resident,
        "plan": asdict(needs),
        "peak": peak_memory_bytes(),
        "steps": summary["steps"],
    }


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], sys.argv[2:])))
