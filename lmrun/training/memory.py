"""How much memory a run needs, before it starts."""

from __future__ import annotations

import socket
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psutil

from lmrun.build import Experiment, assemble
from lmrun.choices import solver_of
from lmrun.config.datasets import DatasetConfig
from lmrun.config.optimizers import SECOND_ORDER
from lmrun.config.schema import Config
from lmrun.curvature.batch import CHUNK_BYTES
from lmrun.curvature.forms import SOLVERS, Sizes
from lmrun.distribution.messages import exchange
from lmrun.distribution.reducer import Alone, Reducer
from lmrun.errors import MemoryRefusedError
from lmrun.training.estimate import Load, itemsize_of, load_of, matrix_bytes, parts, rows_of_step, split_bytes
from lmrun.training.fitting import advice, settings_that_fit
from lmrun.training.free_memory import free_memory
from lmrun.training.schedule import Schedule


@dataclass(frozen=True)
class Plan:
    """Sizes of a run, all but the counts in bytes; of one of several workers, those of its own share.

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
        parts: What the training adds to the memory of the process, by what it is for (`training.estimate`).
        needed: The sum of these.
        resident: What the process holds before: libraries and data.
        available: What is free.
        available_of: Of what: the machine, a container, a GPU.
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
    parts: dict[str, int]
    needed: int
    resident: int
    available: int
    available_of: str


def plan(experiment: Experiment, schedule: Schedule) -> Plan:
    """Estimate what a run needs."""
    size = itemsize_of(experiment.config.precision)
    load, dataset = load_of(experiment, schedule, size), experiment.dataset
    found, free = parts(load), free_memory(experiment.device)
    samples = rows_of_step(experiment, schedule)
    chunk = experiment.forms.chunk_rows(samples)
    splits = (dataset.train, dataset.validation, dataset.test)
    return Plan(
        parameters=load.sizes.parameters,
        rows=dataset.train.rows,
        batch_rows=samples,
        jacobian=load.jacobian,
        jacobian_chunk=_jacobian_chunk(experiment, load.form, chunk, load.jacobian),
        gram=load.sizes.parameters**2 * size,
        form=load.form,
        held=found["matrices"],
        data=sum(split_bytes(split, size) for split in splits if split is not None),
        parts=found,
        needed=sum(found.values()),
        resident=int(psutil.Process().memory_info().rss),
        available=free.bytes,
        available_of=free.of,
    )


def _jacobian_chunk(experiment: Experiment, form: str | None, rows: int, jacobian: int) -> int:
    """Bytes of J that are there at a time: all of it for a dual, else the table of a chunk."""
    if form == "dual":
        return jacobian
    whole = experiment.kernels.table_bytes(rows, itemsize_of(experiment.config.precision))
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
    needed, free = least_needed(config), free_memory()
    if needed <= free.bytes:
        return
    points = points_of(config.dataset)
    fitting = settings_that_fit(config, least_needed, free.bytes, max(points, 1))
    raise MemoryRefusedError(
        f"The run needs at least {human(needed)} of memory ({points:,} generated points, "
        f"{network_parameters(config):,} parameters), but {human(free.bytes)} {free.of} are free. "
        f"{advice(fitting)}"
    )


def points_of(dataset: DatasetConfig) -> int:
    """Return the points that a config asks for, validation and test included; 0 where a file decides."""
    names = ("points", "validation_points", "test_points")
    return sum(getattr(dataset, name, None) or 0 for name in names)


def least_needed(config: Config) -> int:
    """Return the bytes that a config needs however it is built: data, parameters, matrices."""
    size, count, points = itemsize_of(config.precision), network_parameters(config), points_of(config.dataset)
    # Made in float64, whatever the precision, as inputs and targets.
    data = points * (input_width(config.dataset) + 1) * 8 if config.dataset.name != "mnist" else 0
    batch = config.training.batch_size
    rows = 0 if config.dataset.name == "table" else config.dataset.points or 0
    rows = min(rows, batch) if isinstance(batch, int) else rows
    return 2 * data + 4 * count * size + _least_held(config, Sizes(count, max(rows, 1), size, 1))


def _least_held(config: Config, sizes: Sizes) -> int:
    """Bytes that the form of a second-order optimizer holds at least; sizes with as few rows as possible."""
    if config.optimizer.name not in SECOND_ORDER:
        return 0
    newton = config.optimizer.name == "newton"
    form = "gram" if newton else SOLVERS[solver_of(config)](sizes)
    return matrix_bytes(Load(sizes, form, newton=newton))


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


class _AsMany(Alone):
    """Stands for the workers of a fit where only sizes are asked for: it has nobody to talk to."""

    def __init__(self, reducer: Reducer) -> None:
        super().__init__()
        self.index, self.workers = reducer.index, reducer.workers


def workers_here(experiment: Experiment, needed: int) -> list[int]:
    """Return what each of the workers of a fit that share this machine's memory needs, this one's included.

    All workers call it together; on a GPU each has memory of its own.
    """
    host = socket.gethostname() if experiment.device == "/CPU:0" else None
    documents = exchange(experiment.reducer, [host, needed])
    return [needed] if host is None else [other for there, other in documents if there == host]


def refuse_if_too_large(experiment: Experiment, schedule: Schedule) -> None:
    """Raise before a run that would not fit; several workers call it together.

    Raises:
        MemoryRefusedError: It needs more than is free, beside the other workers on this machine.
    """
    needs = plan(experiment, schedule)
    here = workers_here(experiment, needs.needed)
    if sum(here) <= needs.available:
        return

    def needed(config: Config) -> int:
        # Data and network are there; what is told apart is how they are stepped on.
        dataset, network = experiment.dataset, experiment.network
        other = assemble(config, experiment.device, dataset, network, _AsMany(experiment.reducer))
        training, size = config.training, itemsize_of(config.precision)
        rows = Schedule(schedule.rows, training.batch_size, training.shuffle, config.seed)
        return len(here) * sum(parts(load_of(other, rows, size)).values())

    fitting = settings_that_fit(experiment.config, needed, needs.available, schedule.rows)
    largest = sorted(needs.parts.items(), key=lambda part: -part[1])[:3]
    together = f" The {len(here)} workers on this machine need {human(sum(here))} together." * (len(here) > 1)
    raise MemoryRefusedError(
        f"The run needs about {human(needs.needed)} of memory besides {human(needs.resident)} that the "
        f"process holds already ({', '.join(f'{name}: {human(size)}' for name, size in largest)}; "
        f"{needs.parameters:,} parameters), but {human(needs.available)} {needs.available_of} are free."
        f"{together} {advice(fitting)}"
    )
