"""Write what lmrun's example scripts train on and start from, for everyone: run in lmrun's environment.

    python -m benchmarks.example_data FOLDER EXAMPLE SEED ...

FOLDER gets `EXAMPLE.npz` of the data, and per seed `EXAMPLE-SEED.json` and an NPZ of the initial weights.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contestants.lmrun_example import handed_over
from benchmarks.example_scripts import EXAMPLES, FOLDER
from benchmarks.export import describe


def arrays_of(name: str, x: Any, y: Any) -> dict[str, Any]:
    """Return the rows that are trained on and, for classes, the test rows that are measured."""
    if EXAMPLES[name].problem.measure == "mse":
        return {"inputs": np.reshape(x, (len(x), -1)), "targets": np.reshape(y, (len(y), -1))}
    from lmrun.datasets.mnist import read_mnist

    digits = read_mnist()
    test = digits["x_test"][..., np.newaxis] / np.float32(255)
    return {"inputs": x, "targets": y, "test_inputs": test, "test_targets": digits["y_test"]}


def main() -> None:
    """Write one example for some seeds."""
    folder, name, *seeds = Path(sys.argv[1]), *sys.argv[2:]
    data = folder / f"{name}.npz"
    for seed in seeds:
        model, x, y = handed_over(FOLDER / f"{name}.py", int(seed))
        start = folder / f"{name}-{seed}.npz"
        np.savez(start, **{str(index): array for index, array in enumerate(model.get_weights())})
        if not data.exists():
            np.savez(data, **arrays_of(name, x, y))
        document = {"data": str(data), "start": str(start), "layers": describe(model)}
        (folder / f"{name}-{seed}.json").write_text(json.dumps(document), encoding="utf-8")


if __name__ == "__main__":
    main()
