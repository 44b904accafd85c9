"""The outputs of a Keras model: their shapes, their names, and the structure in which it returns them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from lmrun.errors import DataError
from lmrun.models.adopted import AdoptedNetwork


def output_shapes(network: AdoptedNetwork) -> list[tuple[int, ...]]:
    """Return the shapes of a sample of every output.

    Raises:
        DataError: A length depends on the inputs.
    """
    shapes = [tuple(one.shape[1:]) for one in network.model.outputs]
    if any(size is None for shape in shapes for size in shape):
        raise DataError(f"model: its outputs have the shapes {shapes}; lmrun needs shapes without None.")
    return shapes


def structure_of(model: keras.Model) -> tuple[list[str], Callable[[Sequence[Any]], Any]]:
    """Return the names of a model's outputs, and what puts something for each into their structure.

    They are the keys of a mapping, else the names of the layers that make them, else numbers.

    Args:
        model: Sequential or functional.
    """
    count = len(model.outputs)
    whole = model.output if isinstance(model, keras.Function) else model.outputs[0]
    if isinstance(whole, Mapping):
        places = keras.tree.pack_sequence_as(whole, list(range(count)))
        names = {place: str(name) for name, place in places.items() if isinstance(place, int)}
        if len(names) == count:
            ordered = [names[place] for place in range(count)]
            return ordered, lambda parts: {name: parts[ordered.index(name)] for name in map(str, whole)}
    last = [model.layers[-1].name] if isinstance(model, keras.Sequential) else []
    names_of_layers = [str(name) for name in getattr(model, "output_names", last)]
    distinct = len(names_of_layers) == count == len(set(names_of_layers))
    named = names_of_layers if distinct else [str(number) for number in range(count)]
    if count == 1 and not isinstance(whole, list | tuple):
        return named, lambda parts: parts[0]
    return named, lambda parts: parts[0] if len(parts) == 1 else list(parts)
