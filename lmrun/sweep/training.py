"""One job, trained in this process: the same for every executor, so that results do not depend on it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmrun.config.document import parse
from lmrun.config.load import LoadedConfig, load_document
from lmrun.errors import LmrunError, RunDirectoryError
from lmrun.linalg.threads import THREADS
from lmrun.runs.labels import Labels, write_labels
from lmrun.runs.layout import RunDirectory
from lmrun.runs.lock import is_held
from lmrun.runs.summary import read_summary
from lmrun.status import Status
from lmrun.sweep.job import Answer, Job, Kind
from lmrun.training.interrupt import Interruption

if TYPE_CHECKING:
    from lmrun.build import Experiment

PATIENCE = 60.0
"""Seconds to wait for the process of a killed sweep, which is still writing its checkpoint."""
LOOK_SECONDS = 0.1


def environment(threads: int, gpus: float) -> dict[str, str]:
    """Return the variables of a process that trains runs; set before TensorFlow is imported.

    Args:
        threads: Of lmrun and of TensorFlow: partial sums depend on their number.
        gpus: None of them lets a process see none.
    """
    number = str(threads)
    pinned = {
        THREADS: number,
        "TF_NUM_INTRAOP_THREADS": number,
        "TF_NUM_INTEROP_THREADS": number,
        "OPENBLAS_NUM_THREADS": "1",
        # Several processes may share a GPU: none takes all of its memory.
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    }
    return pinned if gpus else {**pinned, "CUDA_VISIBLE_DEVICES": ""}


def train(job: Job, interruption: Interruption) -> Answer:
    """Train a run to its end or as far as asked, from its checkpoint where it has one.

    Args:
        job: What to train.
        interruption: Asks for an end; where the job pauses is written into it.
    """
    run = RunDirectory(Path(job.runs_dir) / job.name)
    try:
        _wait_for(run, interruption)
        if interruption.requested:
            return Answer(job.name, Kind.INTERRUPTED)
        if has_ended(run):
            return Answer(job.name, Kind.DONE)
        experiment = _prepare(job, run)
        interruption.step, interruption.seconds = _pause(job, experiment)
        from lmrun.training.progress import SilentProgress
        from lmrun.training.session import execute

        summary = execute(experiment, run, SilentProgress(), interruption)
    except LmrunError as error:
        return Answer(job.name, Kind.FAILED, str(error), error.exit_code)
    if summary["status"] == Status.INTERRUPTED and interruption.requested:
        return Answer(job.name, Kind.INTERRUPTED)
    return Answer(job.name, Kind.DONE)


def _pause(job: Job, experiment: Experiment) -> tuple[int | None, float | None]:
    """The step and the second at which a run pauses."""
    from lmrun.training.loop import schedule_of

    if job.until is None:
        return None, None
    if job.unit == "seconds":
        return None, job.until
    return int(job.until) * (schedule_of(experiment).batches if job.unit == "epochs" else 1), None


def has_ended(run: RunDirectory) -> bool:
    """Whether a run is neither to be begun nor to be resumed."""
    summary = known_summary(run)
    return summary is not None and summary.get("status") != Status.INTERRUPTED


def known_summary(run: RunDirectory) -> dict[str, Any] | None:
    """Return a run's summary; None for none, or a damaged one, which is mended as the run goes on."""
    try:
        return read_summary(run) if run.exists else None
    except RunDirectoryError:
        return None


def _prepare(job: Job, run: RunDirectory) -> Experiment:
    from lmrun.training.opening import prepare, reopen

    if run.exists:
        if not run.labels.exists():
            # The kill came between the directory and its tag.
            write_labels(run, Labels(tags=(job.tag,)))
        return reopen(run)
    resolved = load_document(parse(job.config, f"the config of {job.name}"), job.config, Path(job.path))
    loaded = LoadedConfig(resolved.config, job.source, Path(job.path), tuple(job.overrides))
    experiment, made = prepare(loaded, run.path.parent, job.name, job.command)
    write_labels(made, Labels(tags=(job.tag,)))
    return experiment


def _wait_for(run: RunDirectory, interruption: Interruption) -> None:
    """The process of a sweep that was killed finishes its step, and holds the run until then."""
    end = time.monotonic() + PATIENCE
    while is_held(run) and not interruption.requested and time.monotonic() < end:
        time.sleep(LOOK_SECONDS)


def pin(threads: int, gpus: float) -> None:
    """Set the variables of `environment` in this process, which has not imported TensorFlow yet."""
    os.environ.update(environment(threads, gpus))
