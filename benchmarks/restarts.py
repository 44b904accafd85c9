"""Would several starts be faster side by side? Five starts in a row beside the same in threads.

    python -m benchmarks.restarts

Every way has to end at the same parameters to the last digit; the time is the shortest of three.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import lmrun  # noqa: F401 - sets the threads of BLAS before NumPy is loaded
from lmrun.quiet import load_tensorflow

load_tensorflow()

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from lmrun.build import Experiment, build, network_starts  # noqa: E402
from lmrun.config.load import load_config  # noqa: E402
from lmrun.config.shipped import find_config  # noqa: E402
from lmrun.linalg.one_thread import one_blas_thread  # noqa: E402
from lmrun.optimizers.restarts import Restarted  # noqa: E402
from lmrun.training.second_order import full_problem  # noqa: E402

FULL = "training={batch_size: full, max_steps: 400}"
CASES: dict[str, tuple[str, list[str], int]] = {
    "rosenbrock-curve, 500 rows": ("rosenbrock-mlp", [], 40),
    "noisy-sine, 50 rows": ("noisy-sine", [], 60),
    "sinc, 1,000 rows": ("sinc", ["dataset.points=1000", FULL], 60),
    "sinc, 20,000 rows": ("sinc", [FULL], 15),
}
"""The shipped config, changes to it, and the steps of each start."""
OTHERS, REPEATS = 4, 3


def ends(experiment: Experiment, steps: int) -> Callable[[int], list[Any]]:
    """Return a function from a number of threads to where all starts end."""
    starts = [
        experiment.network.params(),
        *network_starts(experiment.config, experiment.dataset),
    ]
    problems = [full_problem(experiment) for _ in starts]
    optimizer = experiment.optimizer
    assert isinstance(optimizer, Restarted)

    def end(number: int) -> Any:
        problem, params = problems[number], experiment.kernels.point(starts[number])
        with tf.device(experiment.device):
            state = optimizer.inner.init(problem, params)
            for _ in range(steps):
                params, state, info = optimizer.inner.step(problem, params, state)
                if info.status is not None:
                    break
        return np.asarray(params)

    def run(threads: int) -> list[Any]:
        if threads == 1:
            return [end(number) for number in range(len(starts))]
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(end, range(len(starts))))

    return run


def main() -> None:
    """Print the seconds of each way."""
    for label, (name, changes, steps) in CASES.items():
        config = load_config(str(find_config(name)), [*changes, f"model.restarts={OTHERS}"]).config
        run = ends(build(config), steps)
        with one_blas_thread():
            expected, seconds = run(1), dict.fromkeys((1, 2, 4), float("inf"))
            for threads in [*seconds] * REPEATS:
                began = time.perf_counter()
                found = run(threads)
                seconds[threads] = min(seconds[threads], time.perf_counter() - began)
                assert all(map(np.array_equal, found, expected)), "the ends differ"
        told = ", ".join(
            f"{threads} threads {took:.3f} s" for threads, took in seconds.items() if threads > 1
        )
        print(f"{label}: {OTHERS + 1} x {steps} steps in a row {seconds[1]:.3f} s, {told}", flush=True)


if __name__ == "__main__":
    main()
