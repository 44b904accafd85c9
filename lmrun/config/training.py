"""The `training` section: batches, stopping rules, checkpoints."""

from __future__ import annotations

from typing import Literal

from lmrun.config.base import NonNegativeFloat, PositiveFloat, PositiveInt, Section


class TrainingConfig(Section):
    """When to stop and what to write on the way; of several limits, the first one reached ends the run."""

    batch_size: PositiveInt | Literal["full", "growing"] = "full"
    """Rows per step; `full` takes all of them at once, `growing` begins with a sample that grows as soon as
    its loss no longer speaks for all rows (first-order optimizers: `full`)."""
    summation: Literal["plain", "reproducible"] = "plain"
    """How sums over rows are rounded: `plain`, as they come, so that the last digits depend on the numbers of
    workers and threads; `reproducible`, to the same bits by any number of either (lm and gauss-newton on the
    CPU, full batch, solver `cholesky`)."""
    shuffle: bool = True
    """Draw a new order of the rows for each epoch (mini-batches only)."""
    max_steps: PositiveInt | None = None
    """Stop after this many steps. With none of the three limits set: 1,000 steps, first-order optimizers
    10,000."""
    max_epochs: PositiveInt | None = None
    """Stop after this many passes over the training rows."""
    max_seconds: PositiveFloat | None = None
    """Stop after this many seconds of training, compilation included."""
    target_loss: NonNegativeFloat | None = None
    """Stop once the training loss is at or below this."""
    gradient_tolerance: NonNegativeFloat | None = None
    """Stop once the largest |element| of the gradient J^T r is at or below this (second-order, full batch).
    Left out: 1e-12 in float64, 1e-6 in float32, and 0 for formulas over all rows."""
    step_tolerance: NonNegativeFloat | None = None
    """Stop once |step| <= step_tolerance (|params| + step_tolerance) (second-order, full batch).
    Left out: 1e-12 in float64, 1e-6 in float32, and 0 for formulas over all rows."""
    patience: PositiveInt | None = None
    """Stop after this many validations without a new best (MATLAB's `max_fail`, 6 there)."""
    validation_interval: PositiveInt | None = None
    """Epochs (full batch: steps) from one validation to the next. Left out: 1, and 100 for first-order
    optimizers on the full batch."""
    checkpoint_seconds: NonNegativeFloat = 10.0
    """Seconds from one checkpoint to the next; 0 writes one after every row of metrics.csv. Of several
    workers the first ones follow each other faster."""
    log_seconds: PositiveFloat = 10.0
    """Seconds from one progress line to the next where the output is not a terminal."""
    tensorboard: bool = False
    """Write every column of metrics.csv as event files too, for `tensorboard --logdir RUN/tensorboard`."""
