"""The network's forward pass in NumPy: one yardstick for all contestants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[Any]
Layers = Sequence[dict[str, Any]]

ROWS = 2000
"""Rows at a time, so that the patches of an image network stay small."""


def _convolve(values: Array, kernel: Array, bias: Array, strides: Sequence[int]) -> Array:
    """Convolve [rows, h, w, c] without padding; the kernel is [kh, kw, c, filters]."""
    windows = sliding_window_view(values, kernel.shape[:2], axis=(1, 2))[:, :: strides[0], :: strides[1]]
    return np.tensordot(windows, kernel, axes=([4, 5, 3], [0, 1, 2])) + bias


def _elu(values: Array) -> Array:
    return np.where(values > 0, values, np.expm1(np.minimum(values, 0)))


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"tanh": np.tanh, "elu": _elu}


def predict(layers: Layers, weights: Sequence[Array], inputs: Array) -> Array:
    """Predict [rows, outputs]."""
    values, rest = inputs, iter(weights)
    for layer in layers:
        match layer["kind"]:
            case "dense":
                values = values @ next(rest) + next(rest)
            case "conv":
                values = _convolve(values, next(rest), next(rest), layer["strides"])
            case "activation":
                values = ACTIVATIONS[layer["function"]](values)
            case "flatten":
                values = values.reshape(len(values), -1)
    return values


def mean_squared_error(layers: Layers, weights: Sequence[Array], inputs: Array, targets: Array) -> float:
    """Return the mean over all rows and outputs, in float64."""
    wide = [np.asarray(array, np.float64) for array in weights]
    errors = predict(layers, wide, np.asarray(inputs, np.float64)) - targets
    return float(np.mean(errors**2))


def accuracy(layers: Layers, weights: Sequence[Array], inputs: Array, labels: Array) -> float:
    """Return the share of rows whose largest output is that of their label."""
    right = 0
    for start in range(0, len(inputs), ROWS):
        stop = start + ROWS
        right += int(
            np.sum(predict(layers, weights, inputs[start:stop]).argmax(axis=1) == labels[start:stop])
        )
    return right / len(inputs)
