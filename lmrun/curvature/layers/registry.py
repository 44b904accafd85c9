"""The rules by layer type."""

from __future__ import annotations

import logging
from functools import cache

import keras
import tensorflow as tf

from lmrun.curvature.layers.activation import Activation, Elementwise, PRelu
from lmrun.curvature.layers.base import Rule
from lmrun.curvature.layers.columns import Columns
from lmrun.curvature.layers.convolution import Convolution
from lmrun.curvature.layers.dense import Dense
from lmrun.curvature.layers.depthwise import Depthwise, Separable
from lmrun.curvature.layers.embedding import Embedding
from lmrun.curvature.layers.formula import Formula
from lmrun.curvature.layers.frozen import Frozen
from lmrun.curvature.layers.generic import Generic
from lmrun.curvature.layers.merge import Average, Concatenate, Merge
from lmrun.curvature.layers.normalization import (
    BatchNormalization,
    GroupNormalization,
    LayerNormalization,
    Normalization,
    Rescaling,
)
from lmrun.curvature.layers.pooling import AveragePooling, GlobalAveragePooling, GlobalMaxPooling, MaxPooling
from lmrun.curvature.layers.shapes import Flatten, Identity, InKerasLayout, Reshape
from lmrun.models.arguments import Arguments
from lmrun.models.columns import Columns as ColumnsLayer
from lmrun.models.formula import Formula as FormulaLayer

LOGGER = logging.getLogger("lmrun")

RULES: dict[type[keras.Layer], Rule] = {
    FormulaLayer: Formula(),
    ColumnsLayer: Columns(),
    keras.layers.Dense: Dense(),
    keras.layers.Conv1D: Convolution(),
    keras.layers.Conv2D: Convolution(),
    keras.layers.Conv3D: Convolution(),
    keras.layers.DepthwiseConv1D: Depthwise(),
    keras.layers.DepthwiseConv2D: Depthwise(),
    keras.layers.SeparableConv1D: Separable(),
    keras.layers.SeparableConv2D: Separable(),
    keras.layers.Embedding: Embedding(),
    keras.layers.Activation: Activation(),
    keras.layers.ReLU: Elementwise(),
    keras.layers.LeakyReLU: Elementwise(),
    keras.layers.ELU: Elementwise(),
    keras.layers.PReLU: PRelu(),
    keras.layers.Softmax: InKerasLayout(linear=False),
    keras.layers.MaxPooling1D: MaxPooling(),
    keras.layers.MaxPooling2D: MaxPooling(),
    keras.layers.MaxPooling3D: MaxPooling(),
    keras.layers.AveragePooling1D: AveragePooling(),
    keras.layers.AveragePooling2D: AveragePooling(),
    keras.layers.AveragePooling3D: AveragePooling(),
    keras.layers.GlobalMaxPooling1D: GlobalMaxPooling(),
    keras.layers.GlobalMaxPooling2D: GlobalMaxPooling(),
    keras.layers.GlobalMaxPooling3D: GlobalMaxPooling(),
    keras.layers.GlobalAveragePooling1D: GlobalAveragePooling(),
    keras.layers.GlobalAveragePooling2D: GlobalAveragePooling(),
    keras.layers.GlobalAveragePooling3D: GlobalAveragePooling(),
    keras.layers.BatchNormalization: BatchNormalization(),
    keras.layers.LayerNormalization: LayerNormalization(),
    keras.layers.GroupNormalization: GroupNormalization(),
    keras.layers.UnitNormalization: InKerasLayout(linear=False),
    keras.layers.Normalization: Normalization(),
    keras.layers.Rescaling: Rescaling(),
    keras.layers.Add: Merge(tf.add, linear=True),
    keras.layers.Subtract: Merge(tf.subtract, linear=True),
    keras.layers.Multiply: Merge(tf.multiply, linear=False),
    keras.layers.Maximum: Merge(tf.maximum, linear=False),
    keras.layers.Minimum: Merge(tf.minimum, linear=False),
    keras.layers.Average: Average(),
    keras.layers.Concatenate: Concatenate(),
    keras.layers.Flatten: Flatten(),
    keras.layers.Reshape: Reshape(),
    keras.layers.Permute: InKerasLayout(linear=True),
    keras.layers.RepeatVector: InKerasLayout(linear=True),
    keras.layers.ZeroPadding1D: InKerasLayout(linear=True),
    keras.layers.ZeroPadding2D: InKerasLayout(linear=True),
    keras.layers.ZeroPadding3D: InKerasLayout(linear=True),
    keras.layers.Cropping1D: InKerasLayout(linear=True),
    keras.layers.Cropping2D: InKerasLayout(linear=True),
    keras.layers.Cropping3D: InKerasLayout(linear=True),
    keras.layers.UpSampling1D: InKerasLayout(linear=True),
    keras.layers.UpSampling2D: InKerasLayout(linear=True),
    keras.layers.UpSampling3D: InKerasLayout(linear=True),
    keras.layers.Identity: Identity(),
    keras.layers.Dropout: Identity(),
    keras.layers.SpatialDropout1D: Identity(),
    keras.layers.SpatialDropout2D: Identity(),
    keras.layers.SpatialDropout3D: Identity(),
    keras.layers.AlphaDropout: Identity(),
    keras.layers.GaussianDropout: Identity(),
    keras.layers.GaussianNoise: Identity(),
    keras.layers.ActivityRegularization: Identity(),
}

STATISTICS: dict[type[keras.Layer], int] = {keras.layers.BatchNormalization: 2}
"""How many of a layer's weights are never parameters."""


def rule_of(layer: keras.Layer | keras.Operation, arguments: Arguments) -> Rule:
    """Return the rule of a layer; the generic one for types and arguments that have none of their own.

    Args:
        layer: A built layer, or an operation of `keras.ops`.
        arguments: How it is called.
    """
    rule = RULES.get(type(layer))
    if rule is None or not arguments.plain or not rule.applies(layer):
        return generic(layer, arguments)
    trainable = len(layer.trainable_weights)
    if trainable == len(layer.weights) - STATISTICS.get(type(layer), 0):
        return rule
    return generic(layer, arguments) if trainable else Frozen(rule)


def generic(layer: keras.Layer | keras.Operation, arguments: Arguments) -> Rule:
    """Return the generic rule, and say so once per type."""
    tell(
        f"{type(layer).__name__} has no Jacobian rule of its own, or not with its arguments: lmrun takes the "
        "generic path, which gives the same numbers and is slower."
    )
    return Generic(arguments)


@cache
def tell(sentence: str) -> None:
    """Say something once in a process."""
    LOGGER.warning(sentence)
