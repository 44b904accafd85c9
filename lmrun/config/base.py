"""What every section of the config shares."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

PositiveInt = Annotated[int, Field(gt=0)]
NonNegativeInt = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Field(ge=0, allow_inf_nan=False)]
FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
"""A share of the rows: 0 is none of them, 1 would leave nothing to train on."""


class Section(BaseModel):
    """A part of the config: immutable, strictly typed, refusing keys that it does not know.

    The sentence below each field is its help text and its line in the reference.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True, validate_default=True
    )


def name_only(value: Any) -> Any:
    """Read the short form `adam` as `{name: adam}`."""
    return {"name": value} if isinstance(value, str) else value


ShortForm = BeforeValidator(name_only)


def sequence(value: Any) -> Any:
    """Turn a YAML list into the tuple that a strict, immutable field holds."""
    return tuple(value) if isinstance(value, list) else value


AsTuple = BeforeValidator(sequence)
