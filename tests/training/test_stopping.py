"""When a run ends, and with which exit code."""

import math
from dataclasses import replace

import numpy as np
import pytest

from lmrun.config.training import TrainingConfig
from lmrun.optimizers.base import StepInfo
from lmrun.status import MESSAGES, Status, exit_code
from lmrun.training import stopping

HERE = stopping.Standing(step=5, epochs=5, seconds=1.0, ceiling=2e6, since_best=0, full_batch=True)


def info(**changes):
    start = StepInfo(losses=np.array([1.0]), accepted=True, gradient_norm=1.0, step_norm=1.0, params_norm=1.0)
    return replace(start, **changes)


@pytest.mark.parametrize(
    ("limits", "status"),
    [
        ({}, None),
        ({"max_steps": 6}, None),
        ({"max_steps": 5}, Status.MAX_STEPS),
        ({"max_epochs": 5}, Status.MAX_EPOCHS),
        ({"max_seconds": 1.0}, Status.MAX_SECONDS),
        ({"max_seconds": 1.1}, None),
    ],
)
def test_limits(limits, status):
    assert stopping.spent(TrainingConfig(**limits), HERE) is status


def test_patience_counts_validations_without_a_best():
    training = TrainingConfig(patience=3)
    assert stopping.spent(training, HERE._replace(since_best=2)) is None
    assert stopping.spent(training, HERE._replace(since_best=3)) is Status.PATIENCE


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, None),
        ({"gradient_norm": 1e-9}, Status.CONVERGED_GRADIENT),
        ({"gradient_norm": 2e-9}, None),
        ({"step_norm": 1e-8}, Status.CONVERGED_STEP),
        ({"step_norm": 1e-8, "accepted": False}, None),
    ],
)
def test_tolerances(changes, status):
    training = TrainingConfig(gradient_tolerance=1e-9, step_tolerance=1e-8)
    assert stopping.converged(training, HERE, info(**changes)) is status
    assert stopping.converged(training, HERE._replace(full_batch=False), info(**changes)) is None


@pytest.mark.parametrize(
    ("loss", "own", "status"),
    [
        (1.0, None, None),
        (1.9e6, None, None),
        (2.1e6, None, Status.DIVERGED),
        (math.inf, None, Status.NON_FINITE),
        (math.nan, Status.SINGULAR, Status.NON_FINITE),
        (1.0, Status.SINGULAR, Status.SINGULAR),
        (1.0, Status.NO_PROGRESS, Status.NO_PROGRESS),
    ],
)
def test_failures(loss, own, status):
    assert stopping.failed(HERE, info(losses=np.array([loss]), status=own)) is status


@pytest.mark.parametrize(
    ("status", "improved", "code"),
    [
        (Status.TARGET_REACHED, True, 0),
        (Status.MAX_STEPS, False, 0),
        (Status.NO_PROGRESS, True, 0),
        (Status.NO_PROGRESS, False, 4),
        (Status.SINGULAR, True, 4),
        (Status.NON_FINITE, True, 4),
        (Status.DIVERGED, False, 4),
        (Status.INTERRUPTED, True, 130),
    ],
)
def test_exit_codes(status, improved, code):
    assert exit_code(status, improved) == code


def test_every_status_has_its_sentence():
    assert set(MESSAGES) == set(Status)
    assert all(message.endswith(".") for message in MESSAGES.values())
