"""What BLAS' own threads cost a program that has imported NumPy before lmrun.

    python -m benchmarks.blas_threads [--rows 10000] [--hidden 100] [--steps 12] [--rounds 7]

The same steps of Levenberg-Marquardt, alternately with BLAS limited to one thread, as `lmrun.fit` does, and
with a thread per core, as NumPy leaves it. Medians over the rounds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

os.environ.pop("OPENBLAS_NUM_THREADS", None)

import numpy as np
from threadpoolctl import ThreadpoolController


def main() -> None:
    """Print the seconds of a step either way."""
    parser = argparse.ArgumentParser()
    for name, default in (("rows", 10_000), ("hidden", 100), ("steps", 12), ("rounds", 7)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    # NumPy's BLAS, and SciPy's, start with a thread per core before lmrun can say anything.
    import scipy.linalg  # noqa: F401 - loads its BLAS

    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, (asked.rows, 2))
    y = np.sin(5 * x[:, :1] * x[:, 1:]) + 0.1 * rng.normal(size=(asked.rows, 1))

    from lmrun.quiet import load_tensorflow

    load_tensorflow()
    import keras

    from lmrun.api.experiment import Options, build_experiment
    from lmrun.training.interrupt import Interruption
    from lmrun.training.loop import Loop
    from lmrun.training.progress import SilentProgress

    blas = ThreadpoolController().select(user_api="blas")
    print("BLAS:", ", ".join(f"{one['prefix']} {one['num_threads']} threads" for one in blas.info()))

    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((2,), dtype="float64"),
            keras.layers.Dense(asked.hidden, activation="tanh", dtype="float64"),
            keras.layers.Dense(1, dtype="float64"),
        ]
    )
    options = Options(training={"max_steps": asked.steps})
    experiment, _ = build_experiment(model, x, y, options)

    def seconds() -> float:
        """Of a step, after the first, which sets everything up."""
        loop = Loop(experiment, None, SilentProgress(), Interruption())
        loop.advance()
        started = time.perf_counter()
        while loop.status is None:
            loop.advance()
        return (time.perf_counter() - started) / (loop.state.step - 1)

    found: dict[str, list[float]] = {"as it was": [], "one thread": []}
    for _ in range(asked.rounds):
        found["as it was"].append(seconds())
        with blas.limit(limits=1):
            found["one thread"].append(seconds())
    for name, values in found.items():
        print(f"{name:12} {1e3 * statistics.median(values):8.2f} ms per step")
    ratios = [a / b for a, b in zip(found["as it was"], found["one thread"], strict=True)]
    print(f"ratio        {statistics.median(ratios):8.2f}")
    started = time.perf_counter()
    for _ in range(20):
        with ThreadpoolController().limit(limits=1, user_api="blas"):
            pass
    print(f"to limit and restore: {(time.perf_counter() - started) / 20 * 1e3:.2f} ms")
    print(f"{experiment.network.size} parameters, {asked.rows} rows")


if __name__ == "__main__":
    main()
