"""The network as a pure JAX function of one flat vector, and its per-sample Jacobian."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.contestants.protocol import Array


def flatten(weights: list[Array]) -> Array:
    """Join the weights to one vector [n]."""
    return np.concatenate([np.ravel(array) for array in weights])


def make_outputs(layers: list[dict[str, Any]], weights: list[Array]) -> Callable[[Any, Any], Any]:
    """Return the function (params [n], inputs [rows, ...]) -> outputs [rows, outputs]; dense layers only."""
    shapes = [array.shape for array in weights]
    ends = np.cumsum([array.size for array in weights])

    def outputs(params: Any, inputs: Any) -> Any:
        parts = jnp.split(params, ends[:-1])
        rest = iter([part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)])
        values = inputs
        for layer in layers:
            values = jnp.tanh(values) if layer["kind"] == "activation" else values @ next(rest) + next(rest)
        return values

    return outputs


def make_residuals(layers: list[dict[str, Any]], weights: list[Array], inputs: Array, targets: Array) -> Any:
    """Return the function params [n] -> residuals [rows * outputs]."""
    outputs = make_outputs(layers, weights)
    rows, truth = jnp.asarray(inputs), jnp.asarray(targets)

    def residuals(params: Any) -> Any:
        return (outputs(params, rows) - truth).ravel()

    return residuals


def make_jacobian(layers: list[dict[str, Any]], weights: list[Array], inputs: Array) -> Any:
    """Return the function params [n] -> Jacobian [rows, n] of one output: vectorized backward passes."""
    outputs = make_outputs(layers, weights)
    rows = jnp.asarray(inputs)

    def one(params: Any, row: Any) -> Any:
        return outputs(params, row[None])[0, 0]

    gradients = jax.vmap(jax.grad(one), in_axes=(None, 0))

    def jacobian(params: Any) -> Any:
        return gradients(params, rows)

    return jacobian
