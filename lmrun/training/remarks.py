"""What the user should know of a run that has ended well and yet may not have done what was meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lmrun.build import Experiment
from lmrun.choices import has_sigma
from lmrun.losses.elementwise import Elementwise
from lmrun.training.evaluate import Evaluator

SCALES = {"huber": "delta", "soft_l1": "scale", "cauchy": "scale", "arctan": "scale"}
"""The key of each robust loss that says from which error on rows count less."""
FULL = 0.99
"""Share of the weight of a small error from which on a row counts fully."""
NOISE = 1e-12
"""Residuals up to this share of the targets are rounding noise: there are no outliers among them."""
NORMAL = 1.4826
"""Standard deviation by median absolute value of normal errors (Huber 1981, Robust statistics, 5.1)."""


def remarks(experiment: Experiment, params: Any) -> list[str]:
    """Return a sentence for each thing that the user should know.

    Args:
        experiment: What was trained.
        params: The final parameters [n].
    """
    return [words for check in CHECKS if (words := check(experiment, params)) is not None]


def no_row_is_an_outlier(experiment: Experiment, params: Any) -> str | None:
    """Say that a robust loss was none: its scale, in units of the target, is beyond every residual."""
    loss, config = experiment.loss, experiment.config.loss
    key = SCALES.get(loss.name)
    # Of several workers none knows all residuals.
    if key is None or not isinstance(loss, Elementwise) or experiment.reducer.workers > 1:
        return None
    split = experiment.dataset.train
    errors = np.asarray(Evaluator(experiment, split).outputs(params) - np.asarray(split.targets))
    sigma = has_sigma(experiment.config)
    if sigma and split.weights is not None:
        errors = (errors.T * np.sqrt(split.weights).T).T
    sizes, zeros = np.abs(errors), np.zeros_like(errors)
    largest = float(np.max(sizes))
    if not NOISE * float(np.max(np.abs(split.targets))) < largest < np.inf:
        return None
    roots = (np.asarray(loss.root(each, zeros), np.float64) for each in (errors, zeros))
    lowest, full = (float(np.min(np.square(root))) for root in roots)
    if lowest < FULL * full:
        return None
    normalized = " in the normalized unit of the target" * (experiment.dataset.target_map is not None)
    unit = " standard deviations" if sigma else normalized
    typical = NORMAL * float(np.median(sizes))
    hint = f", or near it: loss.{key}={typical:.2g}" if typical > 0 else ""
    return (
        f"The loss {loss.name} has treated no row as an outlier: loss.{key} is {getattr(config, key):g}, and"
        f" the largest residual {largest:.3g}{unit}. If there are outliers, set it to the standard deviation"
        f" of the good rows{hint}."
    )


CHECKS: tuple[Callable[[Experiment, Any], str | None], ...] = (no_row_is_an_outlier,)
"""Each returns a sentence, or None."""
