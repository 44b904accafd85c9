"""How much memory a run needs, before it starts."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil

from lmrun.build import Experiment
from lmrun.choices import solver_of
from lmrun.config.datasets import DatasetConfig
from lmrun.config.optimizers import SECOND_ORDER
from lmrun.config.schema import Config
from lmrun.curvature.batch import CHUNK_BYTES, KEPT_BYTES
from lmrun.curvature.forms import SOLVERS, Sizes, held_bytes
from lmrun.curvature.products import VALUE_BYTES
from lmrun.errors import MemoryRefusedError
from lmrun.optimizers.first_order import FirstOrder
from lmrun.training.schedule import Schedule

NO_MATRIX = "or what needs no matrix: lm with optimizer.solver=cg, or optimizer=adam"


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
        form: What a step is solved with (`curvature.forms`); None for first-order optimizers.
        held: All that this form holds beside the chunks.
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
    form: str | None
    held: int
    data: int
    needed: int
    available: int


def plan(experiment: Experiment, schedule: Schedule) -> Plan:
    """Estimate what a run needs."""
    size = np.dtype(experiment.config.precision).itemsize
    count = experiment.network.size
    forms = experiment.forms
    sizes = forms.sizes(schedule.size)
    row = forms.row_bytes(schedule.size)
    jacobian = sizes.rows * count * size
    rows = forms.chunk_rows(schedule.size)
    chunk = rows * row
    dataset = experiment.dataset
    data = sum(
        split.inputs.nbytes + split.targets.nbytes + split.rows * size
        for split in (dataset.train, dataset.validation, dataset.test)
        if split is not None
    )
    whole = schedule.full_batch and experiment.config.training.batch_size != "growing"
    if whole and not isinstance(experiment.optimizer, FirstOrder):
        # NumPy's arrays, of which chunks are cut; those of small data are kept.
        needed = data + min(data, KEPT_BYTES)
    else:
        # What batches are drawn from lies on the device, too, and is copied twice on its way there.
        needed = 4 * data
    needed += 16 * count * size
    form, held = None, 0
    if not isinstance(experiment.optimizer, FirstOrder):
        form = "gram" if experiment.config.optimizer.name == "newton" else forms.name(schedule.size)
        held = held_bytes(form, sizes)
        if form == "cg":
            # Chunks of products hold no Jacobian, but it passes by.
            chunk += min(jacobian, CHUNK_BYTES)
            values = schedule.size * row
            held += values if values <= VALUE_BYTES else 0
        # XLA holds a chunk about three times while it is put together, on every worker.
        needed += held + 3 * chunk * sizes.workers
    return Plan(
        parameters=count,
        rows=dataset.train.rows,
        batch_rows=schedule.size,
        jacobian=jacobian,
        jacobian_chunk=_jacobian_chunk(experiment, form, rows, jacobian),
        gram=count * count * size,
        form=form,
        held=held,
        data=data,
        needed=needed,
        available=int(psutil.virtual_memory().available),
    )


def _jacobian_chunk(experiment: Experiment, form: str | None, rows: int, jacobian: int) -> int:
    """Bytes of J that are there at a time: all of it for a dual, else the table of a chunk."""
    if form == "dual":
        return jacobian
    size = np.dtype(experiment.config.precision).itemsize
    whole = experiment.kernels.table_bytes(rows, size)
    return min(whole, CHUNK_BYTES) if form == "cg" else whole


def network_parameters(config: Config) -> int:
    """Return the number of parameters of a fully connected network, 0 for models that cannot be large."""
    if config.model.name != "mlp":
        return 0
    widths = (input_width(config.dataset), *config.model.hidden, 1)
    return sum((before + config.model.bias) * after for before, after in pairwise(widths))


def input_width(dataset: DatasetConfig) -> int:
    """Return the number of inputs that a config promises."""
    match dataset.name:
        case "rosenbrock":
            return dataset.dimension
        case "mnist":
            return 28 * 28
        case "table":
            return len(dataset.inputs)
    return 2


def refuse_impossible(config: Config) -> None:
    """Raise for sizes that could not even be built, before anything is made.

    Raises:
        MemoryRefusedError: The data or the parameters alone are larger than the free memory.
    """
    size = np.dtype(config.precision).itemsize
    count = network_parameters(config)
    # Made in float64, whatever the precision, as inputs and targets.
    points = 0 if config.dataset.name == "table" else config.dataset.points or 0
    data = points * (input_width(config.dataset) + 1) * 8 if config.dataset.name != "mnist" else 0
    matrix = _least_held(config, Sizes(count, max(points, 1), size, 1))
    needed, available = 2 * data + 4 * count * size + matrix, int(psutil.virtual_memory().available)
    if needed > available:
        raise MemoryRefusedError(
            f"The run needs at least {human(needed)} of memory ({points:,} generated points, {count:,} "
            f"parameters), but {human(available)} are free. Use fewer points or "
            f"parameters, {NO_MATRIX}."
        )


def _least_held(config: Config, sizes: Sizes) -> int:
    """Bytes that the form of a second-order optimizer holds at least; sizes with as few rows as possible."""
    if config.optimizer.name not in SECOND_ORDER:
        return 0
    newton = config.optimizer.name == "newton"
    return held_bytes("gram" if newton else SOLVERS[solver_of(config)](sizes), sizes)


def peak_memory_bytes() -> int | None:
    """Return the most memory that this process has held, imports included; None where nothing tells."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next((line for line in status.read_text().splitlines() if line.startswith("VmHWM:")), None)
        return None if line is None else int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    # macOS counts bytes, other systems kilobytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


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
            f"The run needs about {human(needs.needed)} of memory (matrices for {needs.parameters:,} "
            f"parameters: {human(needs.held)}), but {human(needs.available)} are free. Use fewer parameters, "
            f"{NO_MATRIX}."
        )
