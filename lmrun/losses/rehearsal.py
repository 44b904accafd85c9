"""Try a user's function out on a few rows before a run, and say in words what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from lmrun.errors import ConfigError
from lmrun.losses.derivatives import pull
from lmrun.user_code import USER_ERRORS, told

Tensor = Any
Function = Callable[[Tensor, Tensor], Tensor]


class Sample(NamedTuple):
    """What a run begins with, a few rows of it.

    Attributes:
        outputs: Of the initial model [rows, outputs].
        targets: [rows, targets], or labels [rows].
    """

    outputs: Tensor
    targets: Tensor


def rehearse(
    function: Function,
    key: str,
    sample: Sample,
    shape: tuple[int | str, ...],
    *,
    differentiable: bool = False,
) -> tuple[int, ...]:
    """Call a function as training does: eagerly for its words, then compiled.

    Args:
        function: Of outputs and targets.
        key: The config's key, for messages.
        sample: What it is called with.
        shape: What it has to return; the names in it stand for any length above 0.
        differentiable: Whether its derivative by the outputs is needed.

    Returns:
        The shape that it returned.

    Raises:
        ConfigError: It fails, or returns something else.
    """
    try:
        problem = next(_problems(function, sample, shape, differentiable), None)
    except (*USER_ERRORS, tf.errors.OpError) as error:
        given = f"outputs {_described(sample.outputs)} and targets {_described(sample.targets)}"
        problem = f"fails for {given}: {told(error)}"
    if problem:
        raise ConfigError([f"{key}: the function {problem}"])
    return tuple(function(*sample).shape)


def _problems(
    function: Function, sample: Sample, shape: tuple[int | str, ...], differentiable: bool
) -> Iterator[str]:
    if not callable(function):
        yield f"cannot be called; it is {_described(function)}"
    returned = function(*sample)
    wanted = f"{sample.outputs.dtype.name} [{', '.join(str(size) for size in shape)}]"
    if not tf.is_tensor(returned) or returned.dtype != sample.outputs.dtype or not _fits(returned, shape):
        yield f"should return {wanted}, not {_described(returned)}"
    if not np.all(np.isfinite(returned)):
        yield f"is not finite at the start: {_first_bad(returned)}"
    alone = function(*(rows[:1] for rows in sample))
    if alone.shape[0] != 1 or not np.allclose(alone, returned[:1], rtol=1e-3):
        yield "gives a row another value when it stands alone; each row is to be treated by itself"
    if differentiable:
        yield from _problems_of_derivative(function, sample)
    # As in training: where a program that only Python can follow fails.
    tf.function(function, jit_compile=True, autograph=False)(*sample)


def _problems_of_derivative(function: Function, sample: Sample) -> Iterator[str]:
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(sample.outputs)
        returned = function(*sample)
    derivative = tape.gradient(returned, sample.outputs)
    if derivative is None:
        yield "does not depend on the outputs; compute with TensorFlow from them"
    elif not np.all(np.isfinite(derivative)):
        yield f"has a derivative by the outputs that is not finite at the start: {_first_bad(derivative)}"
    compiled = tf.function(
        lambda outputs, targets: pull(lambda z: function(z, targets), outputs, tf.ones_like(returned)),
        jit_compile=True,
        autograph=False,
    )
    compiled(*sample)


def _fits(returned: Tensor, shape: tuple[int | str, ...]) -> bool:
    sizes = tuple(returned.shape)
    return len(sizes) == len(shape) and all(
        size > 0 if isinstance(wanted, str) else size == wanted
        for size, wanted in zip(sizes, shape, strict=True)
    )


def _first_bad(values: Tensor) -> str:
    array = np.asarray(values)
    row = int(np.argwhere(~np.isfinite(array))[0][0])
    return f"{array[~np.isfinite(array)][0]:g} in row {row + 1}"


def _described(value: Any) -> str:
    if tf.is_tensor(value):
        return f"{value.dtype.name} [{', '.join(str(size) for size in value.shape)}]"
    return f"an object of type {type(value).__name__}"
