"""What a program may give for a loss, as the `loss` section of a config, and as Keras evaluates it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from lmrun.api.keras_losses import Residuals, by_row, flat
from lmrun.api.keras_residuals import (
    CategoricalMeanSquaredError,
    ReducedOutputsMeanSquaredError,
    SquaredCategoricalCrossentropy,
)
from lmrun.config.losses import OF_PROBABILITIES, TargetKind
from lmrun.errors import UsageError
from lmrun.losses.second_derivative import factor_of

Tensor = Any
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Chosen:
    """A loss.

    Attributes:
        section: Of the config; functions stand in it as they are.
        kind: What the targets are.
        keras: What `keras.Model.compile` takes; None where a loss of lmrun's has to be built first.
        own: Whether the user's own function decides what the targets are.
        weights: `loss_weights` of several outputs.
    """

    section: Mapping[str, Any]
    kind: TargetKind
    keras: Any = None
    own: bool = False
    weights: Any = None


NAMES = {
    "mean_squared_error": "mse",
    "MSE": "mse",
    "MSELoss": "mse",
    "mean_absolute_error": "mae",
    "MAE": "mae",
    "l1": "mae",
    "L1": "mae",
    "L1Loss": "mae",
    "huber_loss": "huber",
    "HuberLoss": "huber",
    "bce": "binary_crossentropy",
    "BCELoss": "binary_crossentropy",
    "BCEWithLogitsLoss": "binary_crossentropy",
    "CrossEntropyLoss": "sparse_categorical_crossentropy",
}
"""Other names of lmrun's losses, PyTorch's among them; the name of any other loss of Keras is looked up
there."""
FEWER: dict[str, tuple[Callable[..., Residuals], bool]] = {
    "ReducedOutputsMeanSquaredError": (ReducedOutputsMeanSquaredError, False),
    "reduced_outputs_mean_squared_error": (ReducedOutputsMeanSquaredError, False),
    "SquaredCategoricalCrossentropy": (SquaredCategoricalCrossentropy, True),
    "squared_categorical_crossentropy": (SquaredCategoricalCrossentropy, True),
    "CategoricalMeanSquaredError": (CategoricalMeanSquaredError, True),
    "categorical_mean_squared_error": (CategoricalMeanSquaredError, True),
}
"""Losses with fewer residuals than outputs, and whether they are of probabilities."""
CLASSES: dict[type, str] = {
    keras.losses.MeanSquaredError: "mse",
    keras.losses.MeanAbsoluteError: "mae",
    keras.losses.Huber: "huber",
    keras.losses.BinaryCrossentropy: "binary_crossentropy",
    keras.losses.CategoricalCrossentropy: "categorical_crossentropy",
    keras.losses.SparseCategoricalCrossentropy: "sparse_categorical_crossentropy",
}
FUNCTIONS: dict[Any, str] = {
    keras.losses.mean_squared_error: "mse",
    keras.losses.mean_absolute_error: "mae",
    keras.losses.huber: "huber",
    keras.losses.binary_crossentropy: "binary_crossentropy",
    keras.losses.categorical_crossentropy: "categorical_crossentropy",
    keras.losses.sparse_categorical_crossentropy: "sparse_categorical_crossentropy",
}


OF_KERAS = {"mse": "mean_squared_error", "mae": "mean_absolute_error", "huber": "huber"}
"""The losses of these that Keras has, too, by their names."""


@dataclass(frozen=True)
class Crossentropy:
    """A cross-entropy of Keras' and its form here.

    Attributes:
        kind: Of the targets.
        activation: The last activation of a model that ends in probabilities.
        keras: The class.
        value: Of the form for probabilities.
        factor: The same.
    """

    kind: TargetKind
    activation: str
    keras: type
    value: str
    factor: str


CROSSENTROPIES = {
    "binary_crossentropy": Crossentropy(
        "binary",
        "sigmoid",
        keras.losses.BinaryCrossentropy,
        f"{OF_PROBABILITIES}:binary",
        f"{OF_PROBABILITIES}:binary_factor",
    ),
    "categorical_crossentropy": Crossentropy(
        "one_hot",
        "softmax",
        keras.losses.CategoricalCrossentropy,
        f"{OF_PROBABILITIES}:categorical",
        f"{OF_PROBABILITIES}:categorical_factor",
    ),
    "sparse_categorical_crossentropy": Crossentropy(
        "labels",
        "softmax",
        keras.losses.SparseCategoricalCrossentropy,
        f"{OF_PROBABILITIES}:sparse_categorical",
        f"{OF_PROBABILITIES}:categorical_factor",
    ),
}
KEPT = {"label_smoothing": 0.0, "axis": -1}
"""Arguments of Keras' cross-entropies, and their values in lmrun."""


def choose(
    loss: Any, shapes: tuple[Shape | None, Shape | None], is_share: Callable[[str], bool] = lambda _: False
) -> Chosen:
    """Understand a loss.

    Args:
        loss: The name or mapping of a config; a name, class, object or function of Keras' form; or None.
        shapes: Of the samples of y_true and of y_pred, for functions of Keras' form; None for flat ones.
        is_share: Whether the outputs are probabilities, made by an activation that is named.

    Raises:
        UsageError: What was given is no loss, or one that is no mean over the rows.
    """
    if isinstance(loss, type) and issubclass(loss, keras.losses.Loss):
        loss = loss()
    if isinstance(loss, str) and loss in FEWER:
        make, of_shares = FEWER[loss]
        loss = make(from_logits=not is_share("softmax")) if of_shares else make()
    if isinstance(loss, str):
        loss = _named(loss)
    if loss is None:
        loss = "mse"
    if not (isinstance(loss, str | Mapping | keras.losses.Loss) or callable(loss)):
        raise UsageError(
            f"loss: should be a name, a mapping, a loss of Keras' or a function of y_true and y_pred, not "
            f"{type(loss).__name__}."
        )
    if config_of(loss).get("ignore_class") is not None:
        raise UsageError(
            "loss: ignore_class leaves rows out of the mean; give those rows a sample_weight of 0 instead."
        )
    if getattr(loss, "reduction", None) == "sum":
        raise UsageError(
            "loss: reduction='sum' is not what lmrun minimizes, which is the mean over the rows; leave it "
            "out. The minimum is the same, and target_loss is one of the mean."
        )
    if isinstance(loss, Mapping):
        name = loss.get("name")
        if _of_positions(name, shapes):
            raise UsageError(
                f"loss: the model predicts classes for each of several positions, {shapes[1]} per row; give "
                f"loss='{name}', which averages over them, without the mapping."
            )
        if name == "custom":
            return Chosen(loss, loss.get("targets", "values"), own=True)
        kind = CROSSENTROPIES[name].kind if name in CROSSENTROPIES else "values"
        return Chosen(loss, kind)
    if isinstance(loss, str):
        return _by_name(loss, is_share, None, shapes)
    name = CLASSES.get(type(loss)) or (
        FUNCTIONS.get(loss) if not isinstance(loss, keras.losses.Loss) else None
    )
    if name is not None and _as_lmrun(loss):
        return _by_name(name, is_share, loss, shapes)
    return _own(loss, shapes)


def _named(name: str) -> Any:
    """Return lmrun's name of a loss, a loss of Keras', or the name as it is where neither knows it."""
    name = NAMES.get(name, name)
    try:
        found = keras.losses.get(name)
    except ValueError:
        return name
    return FUNCTIONS.get(found) or CLASSES.get(type(found)) or found


def config_of(loss: Any) -> dict[str, Any]:
    """Return the arguments of a loss object of Keras'; none for a function.

    Some classes, such as Huber, leave out of their own what their base class tells.
    """
    if not isinstance(loss, keras.losses.Loss):
        return {}
    told = [vars(kind)["get_config"](loss) for kind in type(loss).__mro__ if "get_config" in vars(kind)]
    return {name: value for config in told for name, value in config.items()}


def _as_lmrun(loss: Any) -> bool:
    """Whether the arguments of a loss of Keras' are those that lmrun has, too."""
    config = config_of(loss)
    return all(config.get(key, value) == value for key, value in KEPT.items())


def _of_positions(name: Any, shapes: tuple[Shape | None, Shape | None]) -> bool:
    """Whether a cross-entropy of exclusive classes is one for each of several positions in a sample."""
    exclusive = name in CROSSENTROPIES and CROSSENTROPIES[name].activation == "softmax"
    return exclusive and len(shapes[1] or ()) > 1


def _by_name(
    name: str, is_share: Callable[[str], bool], loss: Any, shapes: tuple[Shape | None, Shape | None]
) -> Chosen:
    config = config_of(loss)
    if name not in CROSSENTROPIES:
        section = {"name": name, **({"delta": float(config["delta"])} if "delta" in config else {})}
        return Chosen(section, "values", loss or OF_KERAS.get(name))
    known = CROSSENTROPIES[name]
    logits = config.get("from_logits") or not is_share(known.activation)
    evaluated = known.keras(from_logits=bool(logits))
    if _of_positions(name, shapes):
        return _own(evaluated, shapes)
    if logits:
        return Chosen({"name": name}, known.kind, evaluated)
    section = {"name": "custom", "value": known.value, "factor": known.factor, "targets": known.kind}
    return Chosen(section, known.kind, evaluated)


def _own(loss: Any, shapes: tuple[Shape | None, Shape | None]) -> Chosen:
    """A function of y_true and y_pred, or an object that has one."""
    if not isinstance(loss, Residuals) and callable(residuals := getattr(loss, "residuals", None)):
        # An object as the packages for Levenberg-Marquardt have them, whose call is the mean of the squares.
        loss = Residuals(residuals, getattr(loss, "name", "residuals"))
    if isinstance(loss, Residuals):
        residual = _turned(loss.function, shapes, flat)
        return Chosen({"name": "custom", "residual": residual}, "values", loss, own=True)
    function = loss.call if isinstance(loss, keras.losses.Loss) else loss
    value = _turned(function, shapes, by_row)
    section = {"name": "custom", "value": value, "factor": factor_of(value)}
    return Chosen(section, "values", loss, own=True)


def _turned(
    function: Callable[[Tensor, Tensor], Tensor],
    shapes: tuple[Shape | None, Shape | None],
    reduce: Callable[[Tensor], Tensor],
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the function of flat outputs and targets that does what a function of Keras' form does."""
    of_targets, of_outputs = shapes

    def turned(outputs: Tensor, targets: Tensor) -> Tensor:
        return reduce(function(_shaped(targets, of_targets), _shaped(outputs, of_outputs)))

    turned.__name__ = getattr(function, "__name__", "function")
    return turned


def _shaped(values: Tensor, shape: Shape | None) -> Tensor:
    return values if shape is None or len(shape) < 2 else tf.reshape(values, [values.shape[0], *shape])
