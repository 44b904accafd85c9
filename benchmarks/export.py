"""Write lmrun's data and initial weights for everyone: run in lmrun's environment.

    python -m benchmarks.export FOLDER SEEDS PROBLEM ...

Per problem and seed FOLDER gets `PROBLEM-SEED.json`, which names an NPZ of the data and one of the weights.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from lmrun.quiet import load_tensorflow

FIRST_SEED = 10


def describe(model: Any) -> list[dict[str, Any]]:
    """Return a Keras model's layers: `kind`, and `strides` or `function`.

    Raises:
        ValueError: A layer is not among those that every worker knows.
    """
    layers: list[dict[str, Any]] = []
    for layer in model.layers:
        config = layer.get_config()
        match type(layer).__name__:
            case "Dense":
                layers.append({"kind": "dense"})
            case "Conv2D" if config["padding"] == "valid":
                layers.append({"kind": "conv", "strides": list(config["strides"])})
            case "Activation":
                pass
            case "Flatten":
                layers.append({"kind": "flatten"})
            case kind:
                raise ValueError(f"the workers do not know the layer {kind} of {config}")
        if config.get("activation", "linear") != "linear":
            layers.append({"kind": "activation", "function": config["activation"]})
    return layers


def export(folder: Path, name: str, seed: int) -> None:
    """Build an experiment and write what a contestant needs of it."""
    from lmrun.build import build
    from lmrun.config.load import load_config

    experiment = build(load_config(name, [f"seed={seed}"]).config)
    dataset = experiment.dataset
    arrays = {"inputs": dataset.train.inputs, "targets": dataset.train.targets}
    if dataset.test is not None:
        arrays |= {"test_inputs": dataset.test.inputs, "test_targets": dataset.test.targets}
    data, start = folder / f"{dataset.checksum[:16]}.npz", folder / f"{name}-{seed}-weights.npz"
    if not data.exists():
        np.savez(data, **arrays)
    weights = experiment.network.model.get_weights()
    np.savez(start, **{str(index): array for index, array in enumerate(weights)})
    document = {
        "data": str(data),
        "start": str(start),
        "layers": describe(experiment.network.model),
        "rows": dataset.train.rows,
        "parameters": experiment.network.size,
        "checksum": dataset.checksum,
    }
    (folder / f"{name}-{seed}.json").write_text(json.dumps(document), encoding="utf-8")


def main() -> None:
    """Export all problems and seeds that the command line names."""
    folder, seeds, *names = sys.argv[1:]
    load_tensorflow()
    for name in names:
        for seed in range(FIRST_SEED, FIRST_SEED + int(seeds)):
            export(Path(folder), name, seed)


if __name__ == "__main__":
    main()
