"""The calls of which a Keras model consists, read through Keras' public interface."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import keras

from lmrun.models.arguments import Arguments, taken_apart


class NotFollowedError(Exception):
    """Why a model cannot be taken apart; its text is the end of a sentence."""


@dataclass(frozen=True)
class Use:
    """One call of a layer, or of an operation of `keras.ops`.

    Attributes:
        layer: What is called.
        arguments: How.
        sources: The numbers of the values that it reads.
        target: The number of the value that it makes.
        shape: That of the value, [rows, ...].
        size: How many elements the values that it makes have per sample; lengths not known count as one.
    """

    layer: keras.Layer | keras.Operation
    arguments: Arguments
    sources: tuple[int, ...]
    target: int
    shape: tuple[int | None, ...]
    size: int


class Recording:
    """The calls of a model, models inside it included, in the order of their evaluation.

    Values 0, 1, ... are the model's inputs; each call makes the next one.

    Args:
        model: A built `keras.Sequential`, or a functional `keras.Model`.

    Raises:
        NotFollowedError: The model has more between its layers than one value per call.
    """

    def __init__(self, model: keras.Model) -> None:
        self.uses: list[Use] = []
        if not _can_be_followed(model):
            raise NotFollowedError(f"{type(model).__name__} has a `call` of its own")
        self._inputs = len(model.inputs)
        self.results = self._follow(model, range(self._inputs))
        """The numbers of the outputs."""

    def _follow(self, model: keras.Model, sources: Sequence[int]) -> tuple[int, ...]:
        """Record a model's calls and return the numbers of its outputs."""
        calls: list[tuple[Any, tuple[Any, ...], dict[str, Any], Any]] = []

        def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
            outputs = layer(*args, **kwargs)
            calls.append((layer, args, kwargs, outputs))
            return outputs

        # The same graph without the model's loss and metrics, which would be cloned too.
        bare = keras.Model(model.inputs, model.outputs)
        clone = keras.models.clone_model(bare, clone_function=lambda layer: layer, call_function=call)
        numbers = {id(value): number for value, number in zip(clone.inputs, sources, strict=True)}
        for layer, args, kwargs, outputs in calls:
            arguments, values = taken_apart(args, kwargs)
            read = tuple(numbers[id(value)] for value in values)
            made = keras.tree.flatten(outputs)
            results = self._record(layer, arguments, read, made)
            if len(made) > len(results):
                raise NotFollowedError(f"{type(layer).__name__} returns several values")
            numbers |= zip(map(id, made), results, strict=True)
        return tuple(numbers[id(value)] for value in clone.outputs)

    def _record(
        self, layer: Any, arguments: Arguments, sources: tuple[int, ...], made: Sequence[keras.KerasTensor]
    ) -> tuple[int, ...]:
        """Record one call and return the numbers of its outputs."""
        if _can_be_followed(layer) and arguments.plain:
            return self._follow(layer, sources)
        if isinstance(layer, keras.layers.Masking) or getattr(layer, "mask_zero", False):
            raise NotFollowedError(f"{type(layer).__name__} hides values by masks")
        target = self._inputs + len(self.uses)
        self.uses.append(Use(layer, arguments, sources, target, tuple(made[0].shape), elements(made)))
        return (target,)


def elements(values: Sequence[keras.KerasTensor]) -> int:
    """Return how many elements symbolic values have per sample; lengths that are not known count as one."""
    return sum(math.prod(size or 1 for size in value.shape[1:]) for value in values)


def _can_be_followed(layer: Any) -> bool:
    """Whether something is a model of layers and nothing more; a subclass may have a `call` of its own."""
    return type(layer) in (keras.Sequential, _functional())


@cache
def _functional() -> type[keras.Model]:
    """Return the class of functional models, which Keras does not name in public."""
    value = keras.Input((1,))
    return type(keras.Model(value, value))
