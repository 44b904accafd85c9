"""The arguments of a layer's call, with places for the values that it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

Tensor = Any
PLACE = "a value goes here"


@dataclass(frozen=True)
class Arguments:
    """The arguments of a call.

    Attributes:
        structure: Positional and named arguments as Keras was given them, each value replaced by PLACE.
    """

    structure: tuple[tuple[Any, ...], dict[str, Any]]

    @property
    def plain(self) -> bool:
        """Whether the call reads one value, or one list of values, and nothing else."""
        args, kwargs = self.structure
        values = args[0] if len(args) == 1 and isinstance(args[0], list | tuple) else args
        return not kwargs and (values is not args or len(args) == 1) and all(leaf is PLACE for leaf in values)

    def filled(self, values: Sequence[Tensor]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return positional and named arguments with the values in their places."""
        remaining = iter(values)
        args, kwargs = keras.tree.map_structure(
            lambda leaf: next(remaining) if leaf is PLACE else leaf, self.structure
        )
        return args, kwargs


def taken_apart(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Arguments, list[keras.KerasTensor]]:
    """Separate the values of a functional model from the structure that they stand in.

    `training` is left out: everything is evaluated in inference mode.
    """
    kept = {
        name: value
        for name, value in kwargs.items()
        if name != "training" and not (name == "mask" and _is_nothing(value))
    }
    values: list[keras.KerasTensor] = []

    def place(leaf: Any) -> Any:
        if not isinstance(leaf, keras.KerasTensor):
            return leaf
        values.append(leaf)
        return PLACE

    return Arguments(keras.tree.map_structure(place, (tuple(args), kept))), values


def _is_nothing(mask: Any) -> bool:
    """Whether no value has a mask, be it one or a list of them."""
    return all(one is None for one in keras.tree.flatten(mask))
