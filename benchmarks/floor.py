"""The floor of a step: what no Gauss-Newton step on dense algebra can go below on this machine.

    python -m benchmarks.floor CONFIG SEED RECORD [KEY=VALUE ...]

Times three things, 2 BLAS threads (`OPENBLAS_NUM_THREADS`): the loss of one batch with lmrun's compiled
kernel, syrk for one triangle of J^T J, potrf of the result; m rows (one residual per sample), n parameters.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import numpy as np
from scipy.linalg import get_blas_funcs, get_lapack_funcs

from lmrun.quiet import load_tensorflow

REPEATS = 15
WARM = 3
THREADS = {"OPENBLAS_NUM_THREADS": "2"}


def milliseconds(work: Callable[[], object]) -> float:
    """Return the median of REPEATS calls."""
    times = []
    for _ in range(WARM + REPEATS):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return 1e3 * median(times[WARM:])


def loss_milliseconds(config: str, seed: int, overrides: Sequence[str] = ()) -> tuple[float, int, int, str]:
    """Return the time of the loss over one batch, the rows of the batch, n and the floating-point type."""
    load_tensorflow()
    import tensorflow as tf

    from lmrun.build import as_params, build
    from lmrun.config.load import load_config
    from lmrun.training.drivers import make_driver
    from lmrun.training.loop import schedule_of
    from lmrun.training.second_order import SecondOrderDriver

    experiment = build(load_config(config, [f"seed={seed}", *overrides]).config)
    schedule = schedule_of(experiment)
    driver = make_driver(experiment, schedule)
    assert isinstance(driver, SecondOrderDriver), "the floor is that of a Gauss-Newton step"
    # A batch is that of the first step, drawn already; a sample that grows ends with all rows.
    growing = experiment.config.training.batch_size == "growing"
    problem = driver.full if growing else driver.first_problem()
    params = as_params(experiment)
    # A new tensor each time, since the loss of the last one is remembered.
    whole = milliseconds(lambda: problem.loss(tf.identity(params)))
    return whole, schedule.size, experiment.network.size, experiment.config.precision


def algebra_milliseconds(rows: int, size: int, dtype: str) -> tuple[float, float]:
    """Return the times of syrk and potrf for a random J [rows, size]."""
    jacobian = np.random.default_rng(0).standard_normal((size, rows)).astype(dtype)
    syrk = get_blas_funcs("syrk", (jacobian,))
    gram = syrk(1.0, jacobian.T, trans=1, lower=1)
    potrf = get_lapack_funcs(("potrf",), (gram,))[0]
    return (
        milliseconds(lambda: syrk(1.0, jacobian.T, trans=1, lower=1)),
        milliseconds(lambda: potrf(gram, lower=1, clean=0)),
    )


def main() -> None:
    """Measure; the loss first, before BLAS has threads that spin."""
    config, seed, record, *overrides = sys.argv[1:]
    loss, rows, size, dtype = loss_milliseconds(config, int(seed), overrides)
    syrk, potrf = algebra_milliseconds(rows, size, dtype)
    document = {
        "loss_ms": loss,
        "syrk_ms": syrk,
        "potrf_ms": potrf,
        "rows": rows,
        "parameters": size,
        "dtype": dtype,
    }
    Path(record).write_text(json.dumps(document), encoding="utf-8")


if __name__ == "__main__":
    main()
