"""What a training adds to the memory of its process, part by part.

The constants are measured (docs/memory.md, `python -m benchmarks.memory`); the rest follows from what the
forms of J^T J and the chunks are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lmrun.build import Experiment
from lmrun.config.optimizers import LmConfig
from lmrun.curvature.batch import CHUNK_BYTES, KEPT_BYTES
from lmrun.curvature.forms import Sizes
from lmrun.curvature.products import VALUE_BYTES
from lmrun.datasets.base import Split
from lmrun.optimizers.first_order import FirstOrder
from lmrun.training.schedule import Schedule

MIB = 2**20
LIBRARIES = 10 * MIB
"""What is loaded at the end of a run, to write weights and model."""
COMPILER = 105 * MIB
"""XLA while it compiles the functions of a run, and what it keeps."""
HESSIAN = 100 * MIB
"""The same for a Hessian, beyond that."""
VECTORS = 16
"""Vectors of all parameters that are there at a time: weights, Keras' own, best, last, steps, files."""
HOST_PASSES = 1.7
"""Memory of a thread as a multiple of its chunk's values: derivatives along a line take more than J."""
FUSED_COPIES = 3
"""The same where XLA puts a chunk of J together."""


@dataclass(frozen=True)
class Load:
    """What the memory of a training depends on.

    Attributes:
        sizes: Parameters, residuals of a step, bytes of a number, workers.
        form: See `Plan.form`.
        newton: Whether the matrix is a Hessian.
        on_host: Whether the dense algebra is the host's.
        compiles: Whether XLA compiles the kernels.
        first_order: Whether all steps of a call are one compiled loop.
        batches: Rows of a step: all, a growing sample, or drawn ones.
        chunk: Bytes that decide the size of a chunk.
        chunks: Of a step.
        values: Bytes of all rows' values in all layers, for conjugate gradients.
        jacobian: Bytes of J of a step.
        train: Bytes of the training rows.
        batch: Bytes of the rows of a step.
        further: Matrices [n, n] besides: a memory of past steps, eigenvalues.
    """

    sizes: Sizes
    form: str | None
    newton: bool = False
    on_host: bool = True
    compiles: bool = False
    first_order: bool = False
    batches: Literal["all", "growing", "drawn"] = "all"
    chunk: int = 0
    chunks: int = 1
    values: int = 0
    jacobian: int = 0
    train: int = 0
    batch: int = 0
    further: float = 0.0


def _gram(sizes: Sizes, *, newton: bool, on_host: bool) -> float:
    """Matrices [n, n]."""
    if newton or not on_host:
        return sizes.workers + 4.0
    # BLAS writes a triangle of each worker's sum, half of its pages; the first takes the others in and is
    # whole then. Later it stands beside its damped copy, which becomes the factor.
    return 1.5 if sizes.workers == 1 else max(0.5 + 0.5 * sizes.workers, 2.0)


MATRICES: Mapping[str, Callable[[Load], float]] = {
    "gram": lambda load: (
        (_gram(load.sizes, newton=load.newton, on_host=load.on_host) + load.further)
        * load.sizes.parameters**2
    ),
    "dual": lambda load: 3.0 * load.sizes.rows * load.sizes.parameters + 3.0 * load.sizes.rows**2,
    "qr": lambda load: (load.sizes.workers + 2 + load.further) * load.sizes.parameters**2,
    "cg": lambda load: 12.0 * load.sizes.parameters,
    # A thread's block, half of its pages, and three triangles; and later the matrix and its damped copy.
    "blocks": lambda load: (
        (max(2.0 * load.sizes.workers, 0.5 + 1.5 * load.sizes.workers) + 1 + load.further)
        * load.sizes.parameters**2
    ),
}
"""Numbers that a form holds at a time, its chunks aside, as measured. `curvature.forms.HELD` is what decides
on a form: it stays as it is, so that a config stays the same run."""


def matrix_bytes(load: Load) -> int:
    """Return what the form of J^T J holds at a time, its chunks aside."""
    return 0 if load.form is None else int(MATRICES[load.form](load) * load.sizes.itemsize)


def parts(load: Load) -> dict[str, int]:
    """Return bytes by what they are for."""
    sizes = load.sizes
    found = {
        "matrices": matrix_bytes(load),
        "chunks": _chunks(load),
        "copies of the data": _copies(load),
        "vectors": VECTORS * sizes.parameters * sizes.itemsize,
        "libraries": LIBRARIES,
    }
    if load.compiles or load.first_order or load.form == "cg" or load.newton:
        found["compiler"] = COMPILER + (HESSIAN if load.newton else 0)
    return found


def _chunks(load: Load) -> int:
    """Of all workers at a time."""
    if load.form is None:
        return load.chunk
    workers = min(load.sizes.workers, load.chunks)
    if load.form == "cg":
        # Products hold no Jacobian, but it passes by; what all rows' layers made is kept where it is small.
        kept = load.values if load.values <= VALUE_BYTES else 0
        return kept + FUSED_COPIES * workers * (load.chunk + min(load.jacobian, CHUNK_BYTES))
    if load.compiles or load.newton:
        return FUSED_COPIES * workers * load.chunk
    return int(HOST_PASSES * workers * load.chunk)


def _copies(load: Load) -> int:
    """Of the rows: on the device where batches are drawn there, or as the chunks of small data."""
    if load.first_order:
        # Laid out anew for kernels, or gathered batch by batch.
        return load.train + (load.train if load.batches != "drawn" else 2 * load.batch)
    if load.batches == "all":
        return load.train if load.train <= KEPT_BYTES else 0
    drawn = load.train if load.batches == "growing" else 2 * load.batch
    return drawn + (load.train if load.compiles else 0)


def load_of(experiment: Experiment, schedule: Schedule, itemsize: int) -> Load:
    """Return what the memory of an experiment depends on.

    Args:
        experiment: Its forms say how a step is solved.
        schedule: The rows of a step.
        itemsize: Bytes of a number.
    """
    config, forms, train = experiment.config, experiment.forms, experiment.dataset.train
    first_order, newton = isinstance(experiment.optimizer, FirstOrder), config.optimizer.name == "newton"
    form = None if first_order else "gram" if newton else forms.name(schedule.size)
    samples = rows_of_step(experiment, schedule)
    sizes = forms.sizes(samples)._replace(itemsize=itemsize)
    row, rows = forms.row_bytes(samples), forms.chunk_rows(samples)
    whole = schedule.full_batch and config.training.batch_size != "growing"
    bytes_of_rows = split_bytes(train, itemsize)
    further = 0.0
    if isinstance(config.optimizer, LmConfig):
        further += config.optimizer.memory > 0
        further += 3.0 * (config.optimizer.regularization.name == "bayesian")
    return Load(
        sizes=sizes,
        form=form,
        newton=newton,
        on_host=experiment.device == "/CPU:0",
        compiles=experiment.kernels.compiles,
        first_order=first_order,
        batches="all" if whole else "growing" if schedule.full_batch else "drawn",
        chunk=rows * row,
        chunks=-(-samples // rows),
        values=samples * row if form == "cg" else 0,
        jacobian=sizes.rows * sizes.parameters * itemsize,
        train=bytes_of_rows,
        batch=bytes_of_rows * samples // max(train.rows, 1),
        further=further,
    )


def rows_of_step(experiment: Experiment, schedule: Schedule) -> int:
    """Return the rows of a step that this worker holds; of a drawn batch, its share on average."""
    if schedule.full_batch:
        return experiment.dataset.train.rows
    return -(-schedule.size // experiment.reducer.workers)


def split_bytes(split: Split, itemsize: int) -> int:
    """Return the bytes of a split's arrays in numbers of so many bytes, weights included."""
    floats = sum(values.size for values in (split.inputs, split.targets) if values.dtype.kind == "f")
    others = sum(values.nbytes for values in (split.inputs, split.targets) if values.dtype.kind != "f")
    return int((floats + split.rows) * itemsize + others)


def itemsize_of(precision: str) -> int:
    """Return the bytes of a number."""
    return int(np.dtype(precision).itemsize)
