"""Keras models for the tests: every layer type and argument, and every way to connect them."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lmrun.models.columns import Columns
from lmrun.models.network import Network

L = keras.layers
FLOAT = {"dtype": "float64"}
LINE, IMAGE, GROUPED, SOLID = (5, 2), (5, 4, 2), (2, 2, 4), (3, 3, 2, 2)

LAYERS: dict[str, tuple[tuple[int, ...], Callable[[], Any]]] = {
    "dense": ((3,), lambda: L.Dense(3, **FLOAT)),
    "dense without bias": ((3,), lambda: L.Dense(3, use_bias=False, **FLOAT)),
    "dense with activation": ((3,), lambda: L.Dense(3, activation="tanh", **FLOAT)),
    "dense with softmax": ((3,), lambda: L.Dense(3, activation="softmax", **FLOAT)),
    "dense with a function": ((3,), lambda: L.Dense(3, activation=lambda x: x * tf.sin(x), **FLOAT)),
    "dense with a layer": ((3,), lambda: L.Dense(3, activation=L.LeakyReLU(0.3, **FLOAT), **FLOAT)),
    "dense over a line": (LINE, lambda: L.Dense(3, **FLOAT)),
    "dense over an image": (IMAGE, lambda: L.Dense(3, activation="softmax", **FLOAT)),
    "frozen dense": ((3,), lambda: L.Dense(3, activation="tanh", trainable=False, **FLOAT)),
    "columns": ((7,), lambda: Columns(1, (3, 2), **FLOAT)),
    "conv 1d": (LINE, lambda: L.Conv1D(3, 2, **FLOAT)),
    "conv 1d same strides": (LINE, lambda: L.Conv1D(3, 3, strides=2, padding="same", **FLOAT)),
    "conv 1d dilation": (LINE, lambda: L.Conv1D(2, 2, dilation_rate=3, **FLOAT)),
    "conv valid": (IMAGE, lambda: L.Conv2D(3, (3, 2), **FLOAT)),
    "conv same": (IMAGE, lambda: L.Conv2D(2, (3, 2), padding="same", activation="relu", **FLOAT)),
    "conv strides": (IMAGE, lambda: L.Conv2D(2, (2, 3), strides=(2, 1), **FLOAT)),
    "conv same strides": (IMAGE, lambda: L.Conv2D(2, (4, 3), strides=2, padding="same", **FLOAT)),
    "conv dilation": (IMAGE, lambda: L.Conv2D(2, 2, dilation_rate=(2, 3), padding="same", **FLOAT)),
    "conv without bias": (IMAGE, lambda: L.Conv2D(2, 2, use_bias=False, **FLOAT)),
    "conv with softmax": (IMAGE, lambda: L.Conv2D(3, 3, activation="softmax", **FLOAT)),
    "conv of the whole image": (IMAGE, lambda: L.Conv2D(3, (5, 4), **FLOAT)),
    "conv 3d": (SOLID, lambda: L.Conv3D(2, (2, 2, 1), strides=(1, 2, 1), **FLOAT)),
    "frozen conv": (IMAGE, lambda: L.Conv2D(3, (3, 2), trainable=False, **FLOAT)),
    "depthwise 1d": (LINE, lambda: L.DepthwiseConv1D(2, **FLOAT)),
    "depthwise 1d strides": (LINE, lambda: L.DepthwiseConv1D(3, strides=2, padding="same", **FLOAT)),
    "depthwise": (IMAGE, lambda: L.DepthwiseConv2D((3, 2), depth_multiplier=3, **FLOAT)),
    "depthwise strides": (IMAGE, lambda: L.DepthwiseConv2D(2, strides=2, use_bias=False, **FLOAT)),
    "depthwise same": (
        IMAGE,
        lambda: L.DepthwiseConv2D(3, padding="same", dilation_rate=2, activation="tanh", **FLOAT),
    ),
    "separable 1d": (LINE, lambda: L.SeparableConv1D(3, 2, depth_multiplier=2, **FLOAT)),
    "separable": (IMAGE, lambda: L.SeparableConv2D(3, 2, padding="same", activation="tanh", **FLOAT)),
    "separable strides": (
        IMAGE,
        lambda: L.SeparableConv2D(3, 2, strides=2, depth_multiplier=2, use_bias=False, **FLOAT),
    ),
    "max pool 1d": (LINE, lambda: L.MaxPooling1D(2, **FLOAT)),
    "max pool": (IMAGE, lambda: L.MaxPooling2D(2, **FLOAT)),
    "max pool same": (IMAGE, lambda: L.MaxPooling2D((3, 2), strides=2, padding="same", **FLOAT)),
    "average pool 1d": (LINE, lambda: L.AveragePooling1D(2, strides=1, **FLOAT)),
    "average pool": (IMAGE, lambda: L.AveragePooling2D(2, strides=(2, 1), **FLOAT)),
    "average pool same": (IMAGE, lambda: L.AveragePooling2D(3, strides=2, padding="same", **FLOAT)),
    "global max pool 1d": (LINE, lambda: L.GlobalMaxPooling1D(**FLOAT)),
    "global max pool": (IMAGE, lambda: L.GlobalMaxPooling2D(keepdims=True, **FLOAT)),
    "global max pool 3d": (SOLID, lambda: L.GlobalMaxPooling3D(**FLOAT)),
    "global average pool 1d": (LINE, lambda: L.GlobalAveragePooling1D(**FLOAT)),
    "global average pool": (IMAGE, lambda: L.GlobalAveragePooling2D(keepdims=True, **FLOAT)),
    "global average pool 3d": (SOLID, lambda: L.GlobalAveragePooling3D(**FLOAT)),
    "activation": (LINE, lambda: L.Activation("softplus", **FLOAT)),
    "softmax activation": (LINE, lambda: L.Activation("softmax", **FLOAT)),
    "relu": (IMAGE, lambda: L.ReLU(max_value=1.0, negative_slope=0.1, threshold=0.2, **FLOAT)),
    "leaky relu": (LINE, lambda: L.LeakyReLU(0.2, **FLOAT)),
    "elu": (LINE, lambda: L.ELU(0.7, **FLOAT)),
    "prelu": (IMAGE, lambda: L.PReLU(**FLOAT)),
    "prelu shared": (IMAGE, lambda: L.PReLU(shared_axes=[1, 2], **FLOAT)),
    "softmax": (LINE, lambda: L.Softmax(**FLOAT)),
    "softmax along the line": (LINE, lambda: L.Softmax(axis=1, **FLOAT)),
    "batch normalization": (IMAGE, lambda: L.BatchNormalization(**FLOAT)),
    "batch normalization of columns": ((3,), lambda: L.BatchNormalization(epsilon=0.1, **FLOAT)),
    "batch normalization without scale": (LINE, lambda: L.BatchNormalization(scale=False, **FLOAT)),
    "batch normalization without both": (
        LINE,
        lambda: L.BatchNormalization(scale=False, center=False, **FLOAT),
    ),
    "frozen batch normalization": (LINE, lambda: L.BatchNormalization(trainable=False, **FLOAT)),
    "layer normalization": (LINE, lambda: L.LayerNormalization(**FLOAT)),
    "layer normalization without center": ((3,), lambda: L.LayerNormalization(center=False, **FLOAT)),
    "group normalization": (GROUPED, lambda: L.GroupNormalization(2, **FLOAT)),
    "instance normalization": (IMAGE, lambda: L.GroupNormalization(-1, center=False, **FLOAT)),
    "unit normalization": (LINE, lambda: L.UnitNormalization(**FLOAT)),
    "normalization": (LINE, lambda: L.Normalization(mean=[1.0, 2.0], variance=[0.3, 2.0], **FLOAT)),
    "inverse normalization": (LINE, lambda: L.Normalization(mean=1.0, variance=4.0, invert=True, **FLOAT)),
    "adapted normalization": (LINE, lambda: adapted(L.Normalization(**FLOAT))),
    "normalization along the line": (LINE, lambda: adapted(L.Normalization(axis=1, **FLOAT))),
    "rescaling": (IMAGE, lambda: L.Rescaling(0.3, offset=-1.0, **FLOAT)),
    "rescaling of channels": (IMAGE, lambda: L.Rescaling([0.3, 2.0], offset=[-1.0, 1.0], **FLOAT)),
    "flatten": (IMAGE, lambda: L.Flatten(**FLOAT)),
    "reshape": (IMAGE, lambda: L.Reshape((4, 10), **FLOAT)),
    "reshape to columns": (IMAGE, lambda: L.Reshape((-1,), **FLOAT)),
    "reshape of columns": ((12,), lambda: L.Reshape((2, 3, -1), **FLOAT)),
    "permute": (IMAGE, lambda: L.Permute((3, 1, 2), **FLOAT)),
    "repeat": ((3,), lambda: L.RepeatVector(2, **FLOAT)),
    "pad 1d": (LINE, lambda: L.ZeroPadding1D((0, 2), **FLOAT)),
    "pad": (IMAGE, lambda: L.ZeroPadding2D(((1, 0), (0, 2)), **FLOAT)),
    "pad 3d": (SOLID, lambda: L.ZeroPadding3D(1, **FLOAT)),
    "crop 1d": (LINE, lambda: L.Cropping1D((2, 1), **FLOAT)),
    "crop": (IMAGE, lambda: L.Cropping2D(((1, 0), (0, 2)), **FLOAT)),
    "crop 3d": (SOLID, lambda: L.Cropping3D(((1, 0), (0, 1), (0, 0)), **FLOAT)),
    "repeat 1d": (LINE, lambda: L.UpSampling1D(2, **FLOAT)),
    "repeat 2d": (IMAGE, lambda: L.UpSampling2D((2, 1), **FLOAT)),
    "repeat 3d": (SOLID, lambda: L.UpSampling3D((1, 1, 2), **FLOAT)),
    "identity": (LINE, lambda: L.Identity(**FLOAT)),
    "dropout": ((3,), lambda: L.Dropout(0.5, seed=1, **FLOAT)),
    "dropout 1d": (LINE, lambda: L.SpatialDropout1D(0.5, seed=1, **FLOAT)),
    "dropout 2d": (IMAGE, lambda: L.SpatialDropout2D(0.5, seed=1, **FLOAT)),
    "dropout 3d": (SOLID, lambda: L.SpatialDropout3D(0.5, seed=1, **FLOAT)),
    "alpha dropout": ((3,), lambda: L.AlphaDropout(0.5, seed=1, **FLOAT)),
    "gaussian dropout": ((3,), lambda: L.GaussianDropout(0.5, seed=1, **FLOAT)),
    "noise": ((3,), lambda: L.GaussianNoise(0.5, seed=1, **FLOAT)),
    "activity": ((3,), lambda: L.ActivityRegularization(l2=0.1, **FLOAT)),
}
"""The shape that the layer sees, and the layer. What has a rule of its own."""


@keras.saving.register_keras_serializable(package="tests")
class Rational(L.Layer):
    """y = (a + b x) / (1 + (c . x)^2), as a user might write it."""

    def build(self, input_shape: Any) -> None:
        self.a = self.add_weight(shape=(), name="a")
        self.b = self.add_weight(shape=(), name="b")
        self.c = self.add_weight(shape=(input_shape[-1], 1), name="c")

    def call(self, inputs: Any) -> Any:
        return (self.a + self.b * inputs) / (1 + (inputs @ self.c) ** 2)


class Doubled(L.Dense):
    """A layer that computes differently from its base."""

    def call(self, inputs: Any) -> Any:
        return 2 * super().call(inputs)


GENERIC: dict[str, tuple[tuple[int, ...], Callable[[], Any]]] = {
    "lstm": ((3, 2), lambda: L.LSTM(2, **FLOAT)),
    "gru sequences": ((3, 2), lambda: L.GRU(2, return_sequences=True, **FLOAT)),
    "simple rnn": ((3, 2), lambda: L.SimpleRNN(1, **FLOAT)),
    "bidirectional": ((3, 2), lambda: L.Bidirectional(L.SimpleRNN(2, **FLOAT), **FLOAT)),
    "time distributed": (LINE, lambda: L.TimeDistributed(L.Dense(3, **FLOAT), **FLOAT)),
    "rational": ((3,), lambda: Rational(**FLOAT)),
    "subclass": ((3,), lambda: Doubled(4, **FLOAT)),
    "einsum dense": (LINE, lambda: L.EinsumDense("abc,cd->abd", (5, 3), bias_axes="d", **FLOAT)),
    "batch normalization along the line": (LINE, lambda: L.BatchNormalization(axis=1, **FLOAT)),
    "transposed conv": (IMAGE, lambda: L.Conv2DTranspose(2, 2, strides=2, **FLOAT)),
    "causal conv": (LINE, lambda: L.Conv1D(2, 3, padding="causal", **FLOAT)),
    "lambda": (LINE, lambda: L.Lambda(lambda x: x[:, ::-1] ** 2, **FLOAT)),
    "dense with prelu": ((3,), lambda: called(L.Dense(2, activation=L.PReLU(**FLOAT), **FLOAT))),
}
"""What has none."""


def adapted(layer: keras.layers.Normalization) -> keras.layers.Normalization:
    layer.adapt(np.random.default_rng(5).normal(size=(20, *LINE)))
    return layer


def called(layer: Any) -> Any:
    """Keras builds an activation with weights at the first call only."""
    layer(np.zeros((1, 3)))
    return layer


def between_layers(shape: tuple[int, ...], layer: Any) -> keras.Model:
    """Put a layer between two others: derivatives go through it, and into it."""
    before = L.Dense(shape[-1], activation="tanh", **FLOAT)
    return keras.Sequential(
        [
            keras.Input(shape, **FLOAT),
            before,
            layer,
            L.Flatten(**FLOAT),
            L.Dense(2, use_bias=False, **FLOAT),
        ]
    )


def dense(units: int, **arguments: Any) -> keras.layers.Dense:
    return L.Dense(units, **{"activation": "tanh", **FLOAT, **arguments})


def functional(outputs: Callable[[Any], Any], shape: tuple[int, ...] = (3,)) -> keras.Model:
    x = keras.Input(shape, **FLOAT)
    return keras.Model(x, outputs(x))


def shared(x: Any) -> Any:
    layer = dense(3)
    return dense(1)(layer(layer(x)) + layer(x))


def siamese(x: Any) -> Any:
    tower = keras.Sequential([keras.Input((3,), **FLOAT), dense(2), dense(3)])
    return L.Subtract(**FLOAT)([tower(x), tower(tower(x))])


def nested(x: Any) -> Any:
    y = keras.Input((3,), **FLOAT)
    inner = keras.Model(y, [dense(2)(y), dense(3)(y)])
    left, right = inner(dense(3)(x))
    return L.Concatenate(**FLOAT)([left, inner(right)[0]])


def attention(x: Any) -> Any:
    queries = dense(2)(x)
    return L.MultiHeadAttention(1, 2, **FLOAT)(queries, x, key=dense(2)(x))


def tied(x: Any) -> Any:
    table = L.Dense(3, use_bias=False, **FLOAT)
    return Tied(table)(table(x))


class Tied(L.Layer):
    """Multiply by the transpose of another layer's kernel, with a bias of its own."""

    def __init__(self, other: Any) -> None:
        super().__init__(**FLOAT)
        self.other = other
        self.bias = self.add_weight(shape=(3,), name="bias")

    def call(self, inputs: Any) -> Any:
        return inputs @ keras.ops.transpose(self.other.kernel) + self.bias


class Residual(keras.Sequential):
    """A chain with a `call` of its own."""

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        return inputs + super().call(inputs, training=training, mask=mask)


def merged(kind: Any, **arguments: Any) -> Callable[[Any], Any]:
    return lambda x: kind(**arguments, **FLOAT)([dense(3)(x), dense(3)(x), x])


FUNCTIONAL: dict[str, Callable[[], keras.Model]] = {
    "add": lambda: functional(merged(L.Add)),
    "multiply": lambda: functional(merged(L.Multiply)),
    "maximum": lambda: functional(merged(L.Maximum)),
    "minimum": lambda: functional(merged(L.Minimum)),
    "average": lambda: functional(merged(L.Average)),
    "concatenate": lambda: functional(merged(L.Concatenate)),
    "concatenate lines": lambda: functional(merged(L.Concatenate, axis=1), (2, 3)),
    "concatenate images": lambda: functional(merged(L.Concatenate, axis=-2), (2, 3, 3)),
    "add columns to a line": lambda: functional(
        lambda x: L.Add(**FLOAT)([dense(2)(x), dense(2)(L.Flatten(**FLOAT)(x))]), (3, 2)
    ),
    "several outputs": lambda: functional(lambda x: [dense(2)(x), dense(1, activation="softplus")(x)]),
    "outputs of several axes": lambda: functional(lambda x: {"b": dense(2)(x), "a": x * dense(1)(x)}, (2, 3)),
    "shared layer": lambda: functional(shared),
    "shared model": lambda: functional(siamese),
    "nested model": lambda: functional(nested),
    "operations": lambda: functional(
        lambda x: keras.ops.exp(2.0 * dense(2)(x) - x[:, :2] / 3) @ keras.ops.ones((2, 1), "float64")
    ),
    "attention": lambda: functional(attention, (3, 2)),
    "sequential of models": lambda: keras.Sequential(
        [keras.Input((3,), **FLOAT), functional(shared), keras.Sequential([dense(2), dense(2)])]
    ),
    "training dropout": lambda: functional(
        lambda x: dense(1)(L.Dropout(0.5, **FLOAT)(dense(3)(x), training=False))
    ),
}
"""Models that are taken apart into their layers."""

WHOLE: dict[str, Callable[[], keras.Model]] = {
    "split": lambda: functional(
        lambda x: [dense(1)(part) for part in keras.ops.split(dense(4)(x), 2, axis=1)]
    ),
    "states": lambda: functional(lambda x: L.LSTM(2, return_state=True, **FLOAT)(x)[1:], (2, 2)),
    "masks": lambda: keras.Sequential(
        [keras.Input((3, 2), **FLOAT), L.Masking(0.0, **FLOAT), L.SimpleRNN(2, **FLOAT)]
    ),
    "tied weights": lambda: functional(tied),
    "a call of its own": lambda: Residual([keras.Input((3,), **FLOAT), dense(3), dense(3)]),
}
"""Models of which only the forward pass is known."""


def randomized(model: keras.Model, seed: int = 3) -> Network:
    """Make a network of a model; no weight is zero, and no statistic as it starts."""
    rng = np.random.default_rng(seed)
    for variable in model.non_trainable_variables:
        if variable.dtype == "float64":
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    network = Network(model)
    network.assign(rng.normal(scale=0.6, size=network.size))
    return network
