"""Confidence and prediction bands: the errors of the estimates, passed on to what the model predicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from lmrun.inference.answers import Answers
from lmrun.inference.intervals import Estimate, around, quantile
from lmrun.inference.undefined import Float64, Undefined


class Band(NamedTuple):
    """Half the width of the bands around each prediction; NaN where there is none.

    Attributes:
        confidence: Of the mean [rows].
        prediction: Of a new observation [rows].
    """

    confidence: Float64
    prediction: Float64


@dataclass(frozen=True)
class Bands:
    """The bands of the parts of a data set.

    Attributes:
        level: Such as 0.95.
        parts: By the name of the part.
        note: What else is to be known of them.
    """

    level: float
    parts: Mapping[str, Band]
    note: str = ""


def band(lengths: Float64, deviation: float, factor: float, weights: ArrayLike | None = None) -> Band:
    """Return t s sqrt(g^T C g) and t s sqrt(1 / w + g^T C g), by the delta method.

    g are the derivatives of a prediction. Source: Seber and Wild 1989, Nonlinear Regression, section 5.1.

    Args:
        lengths: sqrt(g^T C g) [rows].
        deviation: s.
        factor: The quantile t.
        weights: w of the observations [rows]; left out, ones.
    """
    noise = 1.0 if weights is None else 1.0 / np.where(np.asarray(weights) > 0, weights, np.nan)
    return Band(factor * deviation * lengths, factor * deviation * np.sqrt(noise + lengths**2))


def lengths_of(answers: Answers, gradients: Float64) -> Float64:
    """Return sqrt(g^T C g) of predictions' derivatives by all parameters [rows, n]; [rows].

    Where the data determine only some directions, predictions along these have a length all the same, others
    NaN.
    """
    return answers.factored.lengths(gradients[:, list(answers.factored.places)])


def band_of(answers: Answers, lengths: Float64, weights: ArrayLike | None = None) -> Band | Undefined:
    """Return the band of predictions, or why there is none.

    Where a fit does not say how observations scatter, there is none for a new one: NaN.

    Args:
        answers: Of the fit.
        lengths: Of the predictions' derivatives, see `lengths_of` [rows].
        weights: See `band`.
    """
    if isinstance(answers.scale, Undefined):
        return answers.scale
    factor = factor_of(answers)
    if isinstance(answers.noise, Undefined):
        return Band(factor * answers.scale * lengths, np.full_like(lengths, np.nan))
    return band(lengths, answers.scale, factor, weights)


def derived(answers: Answers, name: str, value: float, gradient: Float64) -> Estimate:
    """Return the estimate of a function of the parameters, such as one that is tied to others (delta method).

    Args:
        answers: Of the fit.
        name: Of the function.
        value: Its value.
        gradient: Its derivatives by all parameters [n].
    """
    size = float(lengths_of(answers, gradient[None])[0])
    scale = answers.scale
    slopes = dict(zip(answers.solution.names, gradient, strict=True))
    held = [other for other in answers.solution.held if slopes[other] != 0]
    if held:
        scale = Undefined(f"it follows {' and '.join(held)}, which the fit did not choose")
    elif not gradient.any():
        scale = Undefined("it has no slope there by what it follows, and no standard error to first order")
    elif np.isnan(size):
        scale = Undefined("the data do not determine what it depends on")
    return around(name, value, scale, size, factor_of(answers))


def factor_of(answers: Answers) -> float:
    """Return the quantile of the answers' level."""
    freedom = answers.statistics.degrees_of_freedom
    return quantile(answers.level, freedom, answers.solution.known_sigma)
