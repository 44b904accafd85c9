"""How far exports of several models are from Keras at most: python tests/export/accuracy.py

In single precision both round off; so each is also compared with Keras in double precision, which has the
same weights and reads the same numbers.
"""

import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
from exported_models import draw, outputs_of
from runtimes import RUNTIMES
from test_agreement import CASES, MODELS

SEEDS = 12
LINE = "{:7} {:8}  {:>10} {:>10} {:>10}   {}\n"


def far(made: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> float:
    """The largest difference, relative to the largest output of a column."""
    pairs = zip(made, expected, strict=True)
    return max(float(np.max(np.abs(one - other).max(0) / np.abs(other).max(0))) for one, other in pairs)


def exactly(name: str, seed: int, model: keras.Model, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The outputs of the same model in double precision."""
    double = MODELS[name]("float64", np.random.default_rng(seed))
    double.set_weights([np.asarray(weight, np.float64) for weight in model.get_weights()])
    return outputs_of(double, [one.astype(np.float64) for one in inputs])


def main() -> None:
    """Print the largest differences over the seeds, and where they were."""
    worst: dict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)
    for kind, name, dtype in CASES:
        for seed in range(SEEDS if name != "formula" else 1):
            rng = np.random.default_rng(seed)
            model = MODELS[name](dtype, rng)
            inputs = draw(model, rng)
            with tempfile.TemporaryDirectory() as folder:
                made = RUNTIMES[kind](Path(folder), model, inputs)
            keras_made = outputs_of(model, inputs)
            exact = exactly(name, seed, model, inputs)
            found = far(made, keras_made), far(made, exact), far(keras_made, exact)
            worst[kind, dtype].append((*found, f"{name} {seed}"))
    sys.stdout.write(
        LINE.format("", "", "to Keras", "to exact", "its Keras", "worst case, and how many above 1e-6")
    )
    for (kind, dtype), found in worst.items():
        largest = [max(one[place] for one in found) for place in range(3)]
        above = sum(one[0] > 1e-6 for one in found)
        where = f"{max(found)[3]}; {above} of {len(found)}"
        sys.stdout.write(LINE.format(kind, dtype, *(f"{one:.1e}" for one in largest), where))


if __name__ == "__main__":
    main()
