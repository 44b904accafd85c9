"""Small fits whose right answers are certified, on every path that a run can take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from lmrun.api.experiment import Options, build_experiment
from lmrun.api.trainer import Trainer
from lmrun.build import assemble
from lmrun.errors import LmrunError
from lmrun.linalg.blas import add_product
from lmrun.linalg.host.gram import factorize, solve_factorized

FORMULA = "b1*x**b2"
COLUMNS = {
    "x": (1.309, 1.471, 1.490, 1.565, 1.611, 1.680),
    "y": (2.138, 3.421, 3.597, 4.340, 4.882, 5.660),
}
START = {"b1": 1.0, "b2": 5.0}
CERTIFIED = {"b1": 7.6886226176e-1, "b2": 3.8604055871}
"""NIST Statistical Reference Datasets, DanWood: radiated energy against temperature, six points; certified to
11 digits (https://www.itl.nist.gov/div898/strd/nls/data/daniel_wood.shtml)."""
TOLERANCE = 1e-8
"""Largest relative error of a parameter, and of a product in float64."""
SIZE = (400, 60)
"""Rows and columns of the dense algebra's example: more than one of BLAS's own blocks."""


class Test(NamedTuple):
    """One part of the self-test.

    Attributes:
        name: What was tried.
        passed: Whether the answer is right.
        words: How near it came, or why not.
        seconds: It took.
    """

    name: str
    passed: bool
    words: str
    seconds: float


def self_test(devices: Callable[[], list[str]] | None = None) -> Iterator[Test]:
    """Yield every part's outcome as it is known.

    Args:
        devices: Names of TensorFlow's devices for the compiled path; those that are there if not given.
    """
    yield _timed("dense algebra", dense_algebra)
    yield _timed("fit on the host path", lambda: fitted(None))
    for device in (devices or compiled_devices)():
        yield _timed(f"fit on the device path, {device.removeprefix('/device:')}", lambda: fitted(device))  # noqa: B023 - called at once


def compiled_devices() -> list[str]:
    """Return the devices that the compiled path is tried on: CPU, and each GPU."""
    gpus = range(len(tf.config.list_physical_devices("GPU")))
    # By this name of the CPU a run takes the path of a GPU.
    return ["/device:CPU:0", *(f"/device:GPU:{index}" for index in gpus)]


def _timed(name: str, test: Callable[[], tuple[bool, str]]) -> Test:
    start = time.monotonic()
    try:
        passed, words = test()
    # What a broken installation raises has no one kind; it is told, not hidden.
    except (
        LmrunError,
        ArithmeticError,
        AttributeError,
        ImportError,
        OSError,
        RuntimeError,
        ValueError,
    ) as error:
        passed, words = False, f"{type(error).__name__}: {' '.join(str(error).split())}"
    except tf.errors.OpError as error:
        passed, words = False, f"{type(error).__name__}: {error.message}"
    return Test(name, passed, words, time.monotonic() - start)


def fitted(device: str | None) -> tuple[bool, str]:
    """Fit the certified problem; None takes the host path.

    Returns:
        Whether all parameters are right, and the largest relative error in words.
    """
    options = Options(parameters=START, device="cpu", training={"max_steps": 200})
    experiment, task = build_experiment(
        f"y ~ {FORMULA}", {name: np.array(COLUMNS[name]) for name in COLUMNS}, None, options
    )
    if device is not None:
        experiment = assemble(experiment.config, device, experiment.dataset, experiment.network)
    trainer = Trainer.of(experiment, task)
    for _ in trainer:
        pass
    found = trainer.result().params
    error = max(abs(found[name] / value - 1) for name, value in CERTIFIED.items())
    return error <= TOLERANCE, f"relative error {error:.1e} of certified parameters"


def dense_algebra() -> tuple[bool, str]:
    """Form J^T J by BLAS syrk, solve by Cholesky, and compare with NumPy's general product."""
    rows, columns = SIZE
    table = np.random.default_rng(10).normal(size=(columns, rows))
    gram = np.zeros((columns, columns), order="F")
    add_product(gram, table)
    whole = table @ table.T
    product_error = float(np.max(np.abs(np.tril(gram - whole))) / np.max(np.abs(whole)))
    right = whole @ np.ones(columns)
    factor = factorize(gram)
    solution = None if factor is None else solve_factorized(factor, right)
    if solution is None:
        return False, "a positive definite matrix could not be factorized"
    error = max(product_error, float(np.max(np.abs(solution - 1))))
    return error <= TOLERANCE, f"relative error {error:.1e}"
