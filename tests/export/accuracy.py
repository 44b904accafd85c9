"""How far exports of several models are from Keras at most: python tests/export/accuracy.py"""

import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
from exported_models import draw, outputs_of
from runtimes import RUNTIMES
from test_agreement import CASES, MODELS

SEEDS = 4


def main() -> None:
    """Print the largest difference, relative to the largest output of a column."""
    worst: dict[tuple[str, str], float] = defaultdict(float)
    for kind, name, dtype in CASES:
        for seed in range(SEEDS if name != "formula" else 1):
            rng = np.random.default_rng(seed)
            model = MODELS[name](dtype, rng)
            inputs = draw(model, rng)
            with tempfile.TemporaryDirectory() as folder:
                made = RUNTIMES[kind](Path(folder), model, inputs)
            pairs = zip(made, outputs_of(model, inputs), strict=True)
            far = [np.max(np.abs(one - other).max(0) / np.abs(other).max(0)) for one, other in pairs]
            worst[kind, dtype] = max(worst[kind, dtype], *map(float, far))
    for (kind, dtype), far in worst.items():
        sys.stdout.write(f"{kind:7} {dtype}  {far:.1e}\n")


if __name__ == "__main__":
    main()
