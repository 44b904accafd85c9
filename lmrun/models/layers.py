"""Keras layers with seeded initial weights and their activation as a layer of its own.

A linear layer that ends before its activation has a Jacobian that is one product: see `curvature.jacobian`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np


@dataclass(frozen=True)
class LayerFactory:
    """Make layers of one floating-point type, initializer and random stream."""

    dtype: str
    initializer: str
    bias: bool
    rng: np.random.Generator

    def _common(self) -> dict[str, Any]:
        seed = int(self.rng.integers(2**31))
        config = {"class_name": self.initializer, "config": {"seed": seed}}
        return {
            "kernel_initializer": keras.initializers.get(config),
            "use_bias": self.bias,
            "dtype": self.dtype,
        }

    def _activation(self, name: str) -> list[keras.Layer]:
        return [] if name == "linear" else [keras.layers.Activation(name, dtype=self.dtype)]

    def dense(self, units: int, activation: str) -> list[keras.Layer]:
        """A fully connected layer, [rows, inputs] to [rows, units]."""
        return [keras.layers.Dense(units, **self._common()), *self._activation(activation)]

    def conv(
        self,
        filters: int,
        kernel_size: tuple[int, int],
        strides: tuple[int, int],
        padding: str,
        activation: str,
    ) -> list[keras.Layer]:
        """A convolution, [rows, height, width, channels] to [rows, height', width', filters]."""
        layer = keras.layers.Conv2D(filters, kernel_size, strides=strides, padding=padding, **self._common())
        return [layer, *self._activation(activation)]
