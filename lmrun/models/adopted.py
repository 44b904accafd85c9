"""A Keras model of the user's own as a network: any kind, any number of inputs, in either precision."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lmrun.errors import DataError
from lmrun.models.columns import Columns
from lmrun.models.network import Network, Tensor

FAILURES = (TypeError, ValueError, NotImplementedError, AttributeError, KeyError, RuntimeError)
"""What Keras is known to raise about a model that cannot be traced or made again."""


class AdoptedNetwork(Network):
    """A network whose weights are written into the user's model, too.

    Args:
        owner: The user's model.
        trained: What is trained in its place; its weights are those of the owner, in the same order.
        traced: The owner as a Sequential or functional model.

    Raises:
        DataError: See `Network`.
    """

    def __init__(self, owner: keras.Model, trained: keras.Model, traced: keras.Model) -> None:
        super().__init__(trained)
        self.owner = owner
        self.traced = traced

    def reread(self) -> None:
        """Take the owner's present weights over."""
        for mine, theirs in zip(self.model.weights, self.owner.weights, strict=True):
            if mine is not theirs:
                mine.assign(tf.cast(tf.convert_to_tensor(theirs), mine.dtype))

    def owned(self) -> NDArray[np.floating]:
        """Return the trainable weights of the user's model as one vector [n]."""
        return np.concatenate(
            [np.ravel(np.asarray(tf.convert_to_tensor(one))) for one in self.owner.trainable_variables]
        )

    def drawn(self, seed: int) -> NDArray[np.floating]:
        """Return other initial weights [n], by the layers' own initializers.

        Args:
            seed: Decides them, whatever seeds the initializers have.

        Raises:
            DataError: A layer cannot be made again from its config.
        """
        return Network(with_seed(self.model, seed)).params()

    @property
    def whole(self) -> keras.Model:
        """The user's model."""
        return self.owner

    def assign(self, params: NDArray[np.floating]) -> None:
        """Write a flat vector [n] into both models' variables."""
        super().assign(params)
        for mine, theirs in zip(self.model.weights, self.owner.weights, strict=True):
            if mine is not theirs:
                theirs.assign(tf.cast(tf.convert_to_tensor(mine), theirs.dtype))

    def outputs_of(self, params: Tensor, inputs: NDArray[Any]) -> NDArray[np.floating]:
        """Predict some rows [rows, ...] to [rows, outputs]."""
        return np.asarray(self.outputs(tf.constant(params), tf.constant(inputs)))

    def named_params(self) -> dict[str, float]:
        """None has a name that a user knows."""
        return {}


def adopt(model: keras.Model, inputs: Mapping[str, tuple[int, ...]], precision: str | None) -> AdoptedNetwork:
    """Make a network of a model.

    Args:
        model: Sequential, functional, or of a class of its own whose `call` Keras can trace.
        inputs: The name of each input and the shape of its samples, in the model's order. Several inputs
            stand side by side in one flat input of the network, [rows, columns].
        precision: `float32` or `float64`; None for that of the model's weights. In another precision than its
            own, the model is made again, and its weights are rounded at the end.

    Raises:
        DataError: A model that cannot be fitted, or made again.
    """
    whole = traced = as_functional(model, inputs)
    types = {str(variable.dtype) for variable in traced.trainable_variables}
    # Keras rounds to the type of an input, whatever that of the layers is.
    rounded = {str(value.dtype) for value in traced.inputs if str(value.dtype).startswith("float")}
    if precision is not None and types and types | rounded != {precision}:
        traced = in_precision(traced, precision)
    dtype = precision or min(types, default=keras.config.floatx())
    if len(traced.inputs) > 1:
        traced = with_flat_input(traced, list(inputs.values()), dtype)
    return AdoptedNetwork(model, traced, whole)


def as_functional(model: keras.Model, inputs: Mapping[str, tuple[int, ...]]) -> keras.Model:
    """Return a Sequential or functional model of the same layers and weights.

    Raises:
        DataError: The model's `call` cannot be traced with inputs of these shapes.
    """
    shapes = list(inputs.values())

    def traced() -> keras.Model:
        if isinstance(model, keras.Sequential):
            model.build((None, *shapes[0]))
            return model
        places = {name: keras.Input(shape=shape, name=name) for name, shape in inputs.items()}
        several = list(places.values())
        # Whoever reads its inputs by their names is given names.
        given = several[0] if len(several) == 1 else places if all_named(inputs) else several
        return keras.Model(several, model(given))

    if isinstance(model, keras.Sequential | keras.Function) and model.built:
        return model
    return _or_data_error(traced, f"{type(model).__name__} cannot be evaluated for inputs of {shapes}")


def all_named(inputs: Mapping[str, Any]) -> bool:
    """Whether the names are the user's, not numbers."""
    return not any(name.isdecimal() for name in inputs)


def in_precision(model: keras.Model, dtype: str) -> keras.Model:
    """Return a copy of a model that computes in another floating-point type.

    Raises:
        DataError: A layer cannot be made again from its config.
    """

    def again(layer: keras.Layer) -> keras.Layer:
        config = layer.get_config()
        return layer_again(layer, {**config, "dtype": dtype} if "dtype" in config else config)

    def copied() -> keras.Model:
        copy = _made_again(model, again, dtype)
        copy.set_weights(model.get_weights())
        return copy

    return _or_data_error(copied, f"{type(model).__name__} cannot be made again in {dtype}")


def layer_again(layer: keras.Layer, config: Mapping[str, Any]) -> keras.Layer:
    """Make a layer again from a config like its own, with the same activation.

    Of a function Keras keeps the name, by which a user's own could be taken for one of Keras', or for none.
    """
    function = vars(layer).get("activation")
    if not isinstance(function, FunctionType) or "activation" not in config:
        return type(layer).from_config(config)
    made = type(layer).from_config({**config, "activation": "linear"})
    made.activation = function
    return made


def with_seed(model: keras.Model, seed: int) -> keras.Model:
    """Return a copy of a model with initial weights of another seed.

    Raises:
        DataError: A layer cannot be made again from its config.
    """
    numbers = itertools.count()

    def seeded(value: Any) -> Any:
        """Give each initializer in a config a seed of its own."""
        if isinstance(value, Mapping):
            # numpy's counter-based streams are far apart for neighbouring seeds; Keras takes 31 bits.
            drawn = {"seed": int(np.random.default_rng([seed, next(numbers)]).integers(2**31))}
            return {key: seeded(one) for key, one in value.items()} | (drawn if "seed" in value else {})
        return [seeded(one) for one in value] if isinstance(value, list) else value

    def again(layer: keras.Layer) -> keras.Layer:
        return layer_again(layer, seeded(layer.get_config()))

    what = f"{type(model).__name__} cannot be made again with other initial weights"
    return _or_data_error(lambda: _made_again(model, again), what)


def _made_again(
    model: keras.Model, again: Callable[[keras.Layer], keras.Layer], dtype: str | None = None
) -> keras.Model:
    """Copy a model, and the models inside it.

    Args:
        model: Sequential or functional.
        again: Makes a layer again.
        dtype: Of the floating-point inputs, to which Keras rounds; None for that of the model.
    """
    made: dict[int, Any] = {}

    def layer(one: keras.Layer) -> keras.Layer:
        if id(one) not in made:
            inner = isinstance(one, keras.Model) and isinstance(one, keras.Sequential | keras.Function)
            made[id(one)] = whole(one) if inner else again(one)
        return made[id(one)]

    def place(value: Any) -> Any:
        kind = dtype if dtype and str(value.dtype).startswith("float") else value.dtype
        return keras.Input(batch_shape=value.shape, dtype=kind, name=value.name)

    def whole(one: keras.Model) -> keras.Model:
        places = keras.tree.map_structure(place, one.input)
        return keras.models.clone_model(one, input_tensors=places, clone_function=layer)

    return whole(keras.Model(model.inputs if len(model.inputs) > 1 else model.inputs[0], model.outputs))


def ends_in(model: keras.Model | None, activation: str) -> bool:
    """Whether the last layer of a model has an activation."""
    layers = getattr(model, "layers", None)
    while layers and isinstance(layers[-1], keras.Model):
        layers = layers[-1].layers
    if not layers:
        return False
    last = layers[-1]
    if isinstance(last, keras.layers.Softmax):
        return activation == "softmax"
    return getattr(getattr(last, "activation", None), "__name__", "") == activation


def with_flat_input(model: keras.Model, shapes: Sequence[tuple[int, ...]], dtype: str) -> keras.Model:
    """Return a model that reads all inputs side by side, [rows, columns], each flattened in Keras' order."""
    sizes = [math.prod(shape) for shape in shapes]
    flat = keras.Input(shape=(sum(sizes),), dtype=dtype)
    starts = np.cumsum([0, *sizes[:-1]]).tolist()
    parts = [Columns(start, shape, dtype=dtype)(flat) for start, shape in zip(starts, shapes, strict=True)]
    # A list in, whatever structure the user's model reads.
    bare = keras.Model(model.inputs, model.outputs)
    return keras.Model(flat, bare(parts))


def _or_data_error(make: Callable[[], keras.Model], what: str) -> keras.Model:
    try:
        return make()
    except (*FAILURES, tf.errors.OpError) as error:
        words = " ".join(str(error).split())
        raise DataError(f"model: {what}: {words}") from error
