"""A run by several workers, for those of them that have no run directory."""

from __future__ import annotations

from typing import Any

from lmrun.build import Experiment, build
from lmrun.config.schema import Config
from lmrun.distribution.reducer import Reducer, together
from lmrun.training.company import LEFT_ALONE
from lmrun.training.loop import schedule_of, train
from lmrun.training.memory import refuse_if_too_large, refuse_impossible
from lmrun.training.progress import SilentProgress
from lmrun.training.session import summarize

AGAIN = (
    "The first worker has the run and its checkpoints. To go on, start all workers again: "
    "lmrun train --resume RUN --workers host:port,..."
)


def prepare_beside(config: Config, reducer: Reducer) -> Experiment:
    """Build the experiment of a run that the first worker begins or goes on with.

    Raises:
        LmrunError: Any of its kinds, see `build`.
    """
    with together(reducer):
        refuse_impossible(config)
        experiment = build(config, reducer)
        refuse_if_too_large(experiment, schedule_of(experiment))
    return experiment


def execute_beside(experiment: Experiment) -> dict[str, Any]:
    """Train as one of the workers that have no run directory, and return the summary, too.

    Raises:
        WorkerLostError: Another worker is gone; the first one has the run and its checkpoints.
    """
    try:
        outcome = train(experiment, None, SilentProgress())
        summary = summarize(experiment, None, outcome, alone_so_far=False)
        # Not before the first worker has written everything: it would take this one's end for a loss.
        experiment.reducer.gather(b"")
    except LEFT_ALONE as error:
        raise type(error)(f"{error} {AGAIN}") from None
    return summary
