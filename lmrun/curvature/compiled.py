"""Functions compiled by XLA, called with little ado."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from threading import RLock
from typing import Any, Generic, ParamSpec, TypeVar

import numpy as np
import tensorflow as tf

from lmrun.curvature.content import flat_call

P = ParamSpec("P")
R = TypeVar("R")
Tensor = Any
_TRACING = RLock()
"""Python traces one function at a time anyway; in turn, XLA has the first one the sooner."""


class Compiled(Generic[P, R]):
    """A function of tensors, compiled once per combination of their shapes.

    A call of TensorFlow's own compiled functions takes 0.2 ms before any work is done, as long as half a step
    of a small network. Here the shapes alone choose among the compiled functions (all else, the
    floating-point type first, is as in the first call), and the chosen one is called flat, in 0.03 ms. No
    tape records such a call.

    Args:
        function: Takes tensors, or None, by position; returns a tensor, or a structure of tensors and None.
            Arrays among the arguments become tensors.
        fuse: Whether XLA compiles; TensorFlow's executor runs the function otherwise.
    """

    def __init__(self, function: Callable[P, R], *, fuse: bool = True) -> None:
        self._function = tf.function(function, jit_compile=fuse, autograph=False)
        self._defaults = tuple(
            parameter.default for parameter in inspect.signature(function).parameters.values()
        )
        self._known: dict[tuple[Any, ...], Callable[[Sequence[Tensor]], R]] = {}

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call, compiling first where the shapes are new."""
        given: list[Any] = [_tensor(arg) for arg in args]
        given += self._defaults[len(args) :]
        shapes = tuple([None if arg is None else arg.shape for arg in given])
        known = self._known.get(shapes) or self._traced(shapes, given)
        return known([arg for arg in given if arg is not None])

    def _traced(self, shapes: tuple[Any, ...], given: Sequence[Any]) -> Callable[[Sequence[Tensor]], R]:
        with _TRACING:
            if shapes not in self._known:
                self._known[shapes] = _flat(self._function.get_concrete_function(*given))
            return self._known[shapes]


class CompiledNest(Generic[P, R]):
    """The same for a function whose arguments are structures of tensors; their leaves alone are passed on.

    Args:
        function: Takes structures of tensors and None by position; so many leaves have one structure.
        fuse: See `Compiled`.
    """

    def __init__(self, function: Callable[P, R], *, fuse: bool = True) -> None:
        self._function: Callable[..., R] = function
        self._structures: dict[int, Any] = {}
        self._compiled: Compiled[..., R] = Compiled(self._nested, fuse=fuse)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call, compiling first where the shapes are new."""
        leaves = tf.nest.flatten(args)
        if len(leaves) not in self._structures:
            # Without the tensors, which would stay in the memory.
            self._structures[len(leaves)] = tf.nest.map_structure(lambda leaf: 0, args)
        tf.nest.assert_same_structure(self._structures[len(leaves)], args)
        return self._compiled(*leaves)

    def _nested(self, *leaves: Tensor) -> R:
        return self._function(*tf.nest.pack_sequence_as(self._structures[len(leaves)], leaves))


def _tensor(arg: Any) -> Any:
    return tf.constant(arg) if isinstance(arg, np.ndarray) else arg


def _flat(concrete: Any) -> Callable[[Sequence[Tensor]], Any]:
    """Return a function from the tensors among the arguments to the concrete function's structure."""
    call, structure = flat_call(concrete), concrete.structured_outputs
    if isinstance(structure, tf.Tensor):
        return lambda given: call(given)[0]
    leaves = tf.nest.flatten(structure)

    def structured(given: Sequence[Tensor]) -> Any:
        outputs = iter(call(given))
        return tf.nest.pack_sequence_as(
            structure, [None if leaf is None else next(outputs) for leaf in leaves]
        )

    return structured
