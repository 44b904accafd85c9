"""From a run directory to what its model makes of its data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lmrun.errors import RunDirectoryError
from lmrun.plotting.fitted import Curve, Fitted, Part
from lmrun.runs.layout import RunDirectory

if TYPE_CHECKING:
    from lmrun.build import Experiment
    from lmrun.datasets.base import Dataset, Split


CURVE_POINTS = 500
"""Of a curve through few rows."""


def fitted(run: RunDirectory) -> Fitted:
    """Load a run's best weights and predict all rows of its data, in the user's units.

    Raises:
        RunDirectoryError: The run has no weights yet, or its data has changed.
        LmrunError: Any of its kinds, see `build`.
    """
    from lmrun.quiet import load_tensorflow

    load_tensorflow()
    from lmrun.runs.summary import check_result, read_summary
    from lmrun.training.opening import rebuild
    from lmrun.training.session import title

    if not run.best_weights.is_file():
        raise RunDirectoryError(
            f"The run {run.name} has no weights yet; they are written at its end. Go on with it: lmrun train "
            f"--resume {run.path}"
        )
    check_result(run, run.best_weights)
    experiment = rebuild(run, "a figure would show a fit to other data")
    try:
        experiment.network.model.load_weights(run.best_weights)
    except (OSError, ValueError, KeyError) as error:
        raise RunDirectoryError(f"{run.best_weights} is damaged: {error}. Train again.") from error
    dataset = experiment.dataset
    every = {"training": dataset.train, "validation": dataset.validation, "test": dataset.test}
    splits = {name: split for name, split in every.items() if split is not None}
    return Fitted(
        title=title(experiment.config),
        parts={name: _part(experiment, split) for name, split in splits.items()},
        input_names=dataset.input_names,
        target_names=dataset.target_names,
        classes=dataset.classes or (2 if _is_yes_or_no(dataset) else 0),
        values=dataset.task == "regression",
        filters=_filters(experiment),
        curve=lambda: _curve(experiment, splits, _section(read_summary(run), "fit")),
    )


def _part(experiment: Experiment, split: Split) -> Part:
    import numpy as np

    from lmrun.build import as_params
    from lmrun.training.evaluate import Evaluator

    dataset = experiment.dataset
    outputs = Evaluator(experiment, split).outputs(as_params(experiment))
    inputs, targets = split.inputs, split.targets
    if _is_yes_or_no(dataset):
        # The logit of yes against a logit of zero for no.
        return Part(inputs, targets[:, 0].astype(np.int64), np.concatenate([0 * outputs, outputs], axis=1))
    if dataset.input_map is not None:
        inputs = dataset.input_map.inverse(inputs)
    if dataset.target_map is not None:
        outputs = dataset.target_map.inverse(outputs)
        targets = dataset.target_map.inverse(targets.astype(np.float64))
    return Part(inputs, targets, np.asarray(outputs, np.float64))


def _section(summary: Mapping[str, Any] | None, name: str) -> Mapping[str, Any]:
    """A part of a summary; nothing where there is none, or something else stands there."""
    found = (summary or {}).get(name)
    return found if isinstance(found, Mapping) else {}


def _curve(experiment: Experiment, splits: Mapping[str, Split], fit: Mapping[str, Any]) -> Curve | None:
    """The curve over a single input, with its bands as the run's fit says; None for other runs."""
    import numpy as np

    from lmrun.inference.undefined import Undefined
    from lmrun.runs.files import number
    from lmrun.training.bands import bands_of

    inputs = experiment.dataset.train.inputs
    if inputs.ndim != 2 or inputs.shape[1] != 1 or experiment.dataset.outputs != 1:
        return None
    points = _points(list(splits.values()))
    part = _part(experiment, points)
    order = np.argsort(part.inputs[:, 0], kind="stable")
    x, y = part.inputs[order, 0], part.outputs[order, 0]
    asked = experiment.config.answers
    level, known = number(fit.get("level")), bool(fit.get("known_sigma", asked.known_sigma))
    if level is None or not 0 < level < 1:
        level = asked.level
    bands = bands_of(experiment, {"curve": points}, level, known_sigma=known)
    if isinstance(bands, Undefined):
        return Curve(x, y, note=f"no bands: {bands.reason}")
    confidence, prediction = (half[order] for half in bands.parts["curve"])
    new = prediction if np.isfinite(prediction).any() else None
    return Curve(x, y, confidence, new, bands.level, bands.note)


def _points(splits: Sequence[Split]) -> Split:
    """All rows where they are many or have weights of their own, else points that lie close."""
    import numpy as np

    from lmrun.datasets.base import Split

    inputs = np.concatenate([split.inputs for split in splits])
    weights = [split.weights for split in splits if split.weights is not None]
    if weights or len(inputs) >= CURVE_POINTS:
        targets = np.concatenate([split.targets for split in splits])
        return Split(inputs, targets, np.concatenate(weights) if weights else None)
    close = np.linspace(inputs.min(), inputs.max(), CURVE_POINTS, dtype=inputs.dtype)[:, None]
    return Split(close, np.zeros_like(close))


def _is_yes_or_no(dataset: Dataset) -> bool:
    return dataset.task == "classification" and dataset.classes == 0 and len(dataset.target_names) == 1


def _filters(experiment: Experiment) -> Any:
    """The kernel of the first layer with one, where that is a convolution over images."""
    import keras

    for layer in experiment.network.model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            return keras.ops.convert_to_numpy(layer.kernel)
    return None
