"""From a run directory to what its model makes of its data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lmrun.errors import RunDirectoryError
from lmrun.plotting.fitted import Fitted, Part
from lmrun.runs.layout import RunDirectory

if TYPE_CHECKING:
    from lmrun.build import Experiment
    from lmrun.datasets.base import Dataset, Split


def fitted(run: RunDirectory) -> Fitted:
    """Load a run's best weights and predict all rows of its data, in the user's units.

    Raises:
        RunDirectoryError: The run has no weights yet, or its data has changed.
        LmrunError: Any of its kinds, see `build`.
    """
    from lmrun.quiet import load_tensorflow

    load_tensorflow()
    from lmrun.training.session import rebuild, title

    if not run.best_weights.is_file():
        raise RunDirectoryError(
            f"The run {run.name} has no weights yet; they are written at its end. Go on with it: lmrun train "
            f"--resume {run.path}"
        )
    experiment = rebuild(run, "a figure would show a fit to other data")
    try:
        experiment.network.model.load_weights(run.best_weights)
    except (OSError, ValueError, KeyError) as error:
        raise RunDirectoryError(f"{run.best_weights} is damaged: {error}. Train again.") from error
    dataset = experiment.dataset
    splits = {"training": dataset.train, "validation": dataset.validation, "test": dataset.test}
    return Fitted(
        title=title(experiment.config),
        parts={name: _part(experiment, split) for name, split in splits.items() if split is not None},
        input_names=dataset.input_names,
        target_names=dataset.target_names,
        classes=dataset.classes or (2 if _is_yes_or_no(dataset) else 0),
        values=dataset.task == "regression",
        filters=_filters(experiment),
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


def _is_yes_or_no(dataset: Dataset) -> bool:
    return dataset.task == "classification" and dataset.classes == 0 and len(dataset.target_names) == 1


def _filters(experiment: Experiment) -> Any:
    """The kernel of the first layer with one, where that is a convolution over images."""
    import keras

    for layer in experiment.network.model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            return keras.ops.convert_to_numpy(layer.kernel)
    return None
