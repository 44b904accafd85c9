"""Configs of experiments whose model and data a program hands over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from lmrun.config.base import Section
from lmrun.config.document import Document, Place
from lmrun.config.load import validate
from lmrun.config.models import FormulaConfig
from lmrun.config.schema import Config, resolve


class KerasConfig(Section):
    """A Keras model of the user's own."""

    name: Literal["keras"]
    restarts: Annotated[int, Field(ge=0)] = 0
    """Further starts, from other weights by the layers' own initializers."""


class PythonConfig(Config):
    """One experiment of a program."""

    model: Annotated[KerasConfig | FormulaConfig, Field(discriminator="name")]  # type: ignore[assignment]
    """A formula, or a Keras model, which no file describes."""


def from_python(data: Mapping[str, Any], label: str) -> Config:
    """Validate and resolve what a program asks for, with the keys of a config file.

    Args:
        data: The sections.
        label: What messages name instead of a file, such as `lmrun.fit`.

    Raises:
        ConfigError: They are not valid; all problems at once.
    """
    plain = {name: plain_data(value) for name, value in data.items() if value is not None}
    document = Document(data=plain, values={(): Place(0, 1, 1, label)})
    return resolve(validate(document, PythonConfig))


def plain_data(value: Any) -> Any:
    """Return mappings, sequences and NumPy's numbers as a YAML file has them."""
    match value:
        case Mapping():
            return {str(key): plain_data(one) for key, one in value.items()}
        case list() | tuple():
            return [plain_data(one) for one in value]
        case _ if hasattr(value, "item") and getattr(value, "shape", None) == ():
            return value.item()
    return value
