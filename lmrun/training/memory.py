"""How much memory a run needs, before it starts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import psutil

from lmrun.build import Experiment
from lmrun.curvature.batch import chunk_rows
from lmrun.errors import MemoryRefusedError
from lmrun.optimizers.first_order import FirstOrder
from lmrun.training.drivers import jacobian_row_bytes
from lmrun.training.schedule import Schedule

GRAM_COPIES = 3
"""J^T J, its damped copy and the Cholesky factor."""


@dataclass(frozen=True)
class Plan:
    """Sizes of a run, all but the counts in bytes.

    Attributes:
        parameters: Number n of parameters.
        rows: Training rows.
        batch_rows: Rows of a step.
        jacobian: The whole Jacobian of a step; it is worked through in chunks.
        jacobian_chunk: What of it is in memory at a time.
        gram: J^T J.
        data: All arrays of the dataset.
        needed: An estimate of all that the training holds at a time.
        available: Free memory of the machine.
    """

    parameters: int
    rows: int
    batch_rows: int
    jacobian: int
    jacobian_chunk: int
    gram: int
    data: int
    needed: int
    available: int


def plan(experiment: Experiment, schedule: Schedule) -> Plan:
    """Estimate what a run needs."""
    size = np.dtype(experiment.config.precision).itemsize
    count = experiment.network.size
    row = jacobian_row_bytes(experiment)
    chunk = chunk_rows(schedule.size, row) * row
    gram = count * count * size
    dataset = experiment.dataset
    data = sum(
        split.inputs.nbytes + split.targets.nbytes + split.rows * size
        for split in (dataset.train, dataset.validation, dataset.test)
        if split is not None
    )
    first_order = isinstance(experiment.optimizer, FirstOrder)
    # The data lives in NumPy, in the driver and in the evaluators of the end.
    needed = 4 * data + 16 * count * size
    if not first_order:
        # XLA holds a chunk about three times while it is put together, on every worker.
        needed += (GRAM_COPIES * gram + 3 * chunk) * experiment.algebra.workers
    return Plan(
        parameters=count,
        rows=dataset.train.rows,
        batch_rows=schedule.size,
        jacobian=schedule.size * row,
        jacobian_chunk=chunk,
        gram=gram,
        data=data,
        needed=needed,
        available=int(psutil.virtual_memory().available),
    )


def human(size: float) -> str:
    """Write a number of bytes with a unit."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def refuse_if_too_large(needs: Plan) -> None:
    """Raise before a run that would not fit.

    Raises:
        MemoryRefusedError: It needs more than is free.
    """
    if needs.needed > needs.available:
        raise MemoryRefusedError(
            f"The run needs about {human(needs.needed)} of memory (J^T J of {needs.parameters:,} parameters: "
            f"{human(needs.gram)}), but {human(needs.available)} are free. Use fewer parameters, or "
            "optimizer=adam, which needs no matrix."
        )
