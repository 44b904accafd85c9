"""How a run can end: its status, what it means to the user, and the exit code."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """The word that summary.json and the command line use."""

    TARGET_REACHED = "target_reached"
    CONVERGED_GRADIENT = "converged_gradient"
    CONVERGED_STEP = "converged_step"
    CONVERGED_DIGITS = "converged_digits"
    NO_PROGRESS = "no_progress"
    MAX_STEPS = "max_steps"
    MAX_EPOCHS = "max_epochs"
    MAX_SECONDS = "max_seconds"
    PATIENCE = "patience"
    SINGULAR = "singular"
    NON_FINITE = "non_finite"
    DIVERGED = "diverged"
    INTERRUPTED = "interrupted"
    PRUNED = "pruned"


MESSAGES: dict[Status, str] = {
    Status.TARGET_REACHED: "The loss reached training.target_loss.",
    Status.CONVERGED_GRADIENT: "Converged: the gradient is at or below training.gradient_tolerance.",
    Status.CONVERGED_STEP: "Converged: the step is at or below training.step_tolerance.",
    Status.CONVERGED_DIGITS: (
        "Converged to all digits of the precision: undamped steps no longer get shorter."
    ),
    Status.NO_PROGRESS: (
        "No step lowers the loss any more: it is at the limit of the precision or in a minimum."
    ),
    Status.MAX_STEPS: "Stopped at the limit training.max_steps.",
    Status.MAX_EPOCHS: "Stopped at the limit training.max_epochs.",
    Status.MAX_SECONDS: "Stopped at the limit training.max_seconds.",
    Status.PATIENCE: "The validation loss found no new best for training.patience validations.",
    Status.SINGULAR: (
        "The matrix of the step is singular: the parameters are not determined by the data. "
        "Try optimizer=lm, whose damping keeps it regular, or fewer parameters."
    ),
    Status.NON_FINITE: (
        "The loss is not finite. Try a smaller learning rate, optimizer=lm, or other starting values."
    ),
    Status.DIVERGED: (
        "The loss grew far beyond its start. Try a smaller learning rate, or optimizer=lm, which only takes "
        "steps that lower the loss."
    ),
    Status.INTERRUPTED: "Interrupted.",
    Status.PRUNED: "Ended early by its sweep: other settings were better at that point.",
}

START_NOT_FINITE = (
    "The loss of the initial parameters is not finite; check the data, the starting values and the "
    "formula's domain."
)
NO_IMPROVEMENT = (
    "No step lowered the loss of the initial parameters. Try other starting values, or check that the model "
    "depends on its parameters."
)

FAILED = 4
DIVERGED = 1e6
"""A loss beyond this multiple of its start, or of the loss of all-zero outputs, is on no way back.

Adam's first step on the Rosenbrock curve raises the loss tenfold and recovers; gradient descent with too long
a rate passes 1e6 in some steps and overflows."""
FAILURES = frozenset({Status.SINGULAR, Status.NON_FINITE, Status.DIVERGED})


def exit_code(status: Status, improved: bool) -> int:
    """Return the exit code of a run; `improved` says whether it ever lowered the initial loss."""
    if status is Status.INTERRUPTED:
        return 130
    if status in FAILURES or (status is Status.NO_PROGRESS and not improved):
        return FAILED
    return 0
