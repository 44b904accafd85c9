"""What a fit by several workers asks of the sections of a config; see `config.consistency`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lmrun.config.base import Problem
from lmrun.config.datasets import TableConfig
from lmrun.config.optimizers import GaussNewtonConfig, LmConfig, NewtonConfig
from lmrun.config.solvers import CgSolver


def sums_are_enough(
    distribution: Any, optimizer: Any, training: Any, dataset: Any, answers: Any
) -> Iterator[Problem]:
    """Workers exchange sums over their rows, and no rows."""
    if distribution == "none":
        return
    if not isinstance(optimizer, LmConfig | GaussNewtonConfig | NewtonConfig):
        words = (
            f"{distribution} is for lm, gauss-newton and newton, not for {optimizer.name}; use lm, or none"
        )
        yield Problem(("distribution",), words)
    for name in ("profile", "bootstrap"):
        if getattr(answers, name):
            words = f"needs all rows in one place, not with distribution: {distribution}; leave it out"
            yield Problem(("answers", name), words)
    weighs = isinstance(dataset, TableConfig) and (dataset.sample_weight or dataset.sigma)
    if weighs and not isinstance(training.batch_size, str):
        words = f"mini-batches of weighted rows are not for distribution: {distribution}; use full or growing"
        yield Problem(("training", "batch_size"), words)
    if distribution == "mirrored" and isinstance(getattr(optimizer, "solver", None), CgSolver):
        words = "cg is not for distribution: mirrored; use cholesky or qr, or distribution: multi-worker"
        yield Problem(("optimizer", "solver"), words)
