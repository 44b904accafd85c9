"""Fits without a run: what models made of rows that nobody measured."""

import numpy as np

from lmrun.plotting.fitted import Fitted, Part


def made(columns=1, targets=1, rows=200, noise=0.01, splits=("training", "test")):
    rng = np.random.default_rng(1)
    parts = {}
    for name in splits:
        inputs = rng.uniform(-1, 1, (rows, columns))
        outputs = np.stack([np.sin(3 * inputs.sum(axis=1) + target) for target in range(targets)], axis=1)
        parts[name] = Part(inputs, outputs + noise * rng.normal(size=outputs.shape), outputs)
    names = tuple(f"x{column}" for column in range(columns)), tuple(f"y{target}" for target in range(targets))
    return Fitted("a $run", parts, *names)


def classified(rows=60, images=True):
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 3, rows)
    scores = rng.normal(size=(rows, 3))
    scores[np.arange(rows), labels] += 2
    inputs = rng.uniform(size=(rows, 5, 4, 1) if images else (rows, 2))
    parts = {"test": Part(inputs, labels, scores)}
    filters = rng.normal(size=(2, 3, 1, 9))
    return Fitted("c", parts, ("x",), ("y",), classes=3, values=False, filters=filters)
