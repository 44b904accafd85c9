"""What reproducible sums ask of the sections of a config; see `config.consistency`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lmrun.config.base import Problem
from lmrun.config.optimizers import GaussNewtonConfig, LmConfig
from lmrun.config.solvers import CgSolver, QrSolver


def order_need_not_show(training: Any, optimizer: Any, device: Any, distribution: Any) -> Iterator[Problem]:
    """Sums are reproducible where all that a step needs of the rows is made block by block on the CPU."""
    if training.summation == "plain":
        return
    path, plain = ("training", "summation"), "or summation: plain"
    if not isinstance(optimizer, LmConfig | GaussNewtonConfig):
        words = f"reproducible is for lm and gauss-newton, not for {optimizer.name}; use lm"
        yield Problem(path, f"{words}, {plain}")
        return
    if training.batch_size != "full":
        words = "samples and mini-batches cut the blocks of training.summation: reproducible; use full"
        yield Problem(("training", "batch_size"), f"{words}, {plain}")
    if isinstance(optimizer.solver, QrSolver | CgSolver):
        words = f"{optimizer.solver.name} sums in the order of the rows; use cholesky"
        yield Problem(("optimizer", "solver"), f"{words}, {plain}")
    if isinstance(optimizer, LmConfig) and optimizer.rows < 1:
        words = "a sample of the rows cuts the blocks of training.summation: reproducible; use 1"
        yield Problem(("optimizer", "rows"), f"{words}, {plain}")
    if device.startswith("gpu"):
        yield Problem(("device",), f"GPUs sum in an order of their own; use cpu, {plain} in training")
    if distribution == "mirrored":
        yield Problem(("distribution",), f"GPUs sum in an order of their own; use none, {plain} in training")
