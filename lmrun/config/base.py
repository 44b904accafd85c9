"""What every section of the config shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

PositiveInt = Annotated[int, Field(gt=0)]
NonNegativeInt = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Field(ge=0, allow_inf_nan=False)]
FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
"""A share of the rows: 0 is none of them, 1 would leave nothing to train on."""


Path = tuple[str | int, ...]
"""The keys and list indices that lead to a value."""


class Problem(NamedTuple):
    """What is wrong, and where: `path` from the section on; `on_key` to point at the key, not its value."""

    path: Path
    message: str
    on_key: bool = False


class SectionError(ValueError):
    """Raised by validators: several problems, each with its own place."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{dotted(problem.path)}: {problem.message}" for problem in self.problems))


def raise_problems(problems: Sequence[Problem]) -> None:
    """Raise `SectionError` if there are any problems."""
    if problems:
        raise SectionError(problems)


def dotted(path: Path) -> str:
    """Write a path as the user does: `model.hidden[0]`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).removeprefix(".")


class Section(BaseModel):
    """A part of the config: immutable, strictly typed, refusing keys that it does not know.

    The sentence below each field is its help text and its line in the reference (`config.descriptions`;
    pydantic's own reading of it would cost each start of the program a tenth of a second). `defer_build`
    builds the validator of the whole config only.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, validate_default=True, defer_build=True
    )


def name_only(value: Any) -> Any:
    """Read the short form `adam` as `{name: adam}`."""
    return {"name": value} if isinstance(value, str) else value


ShortForm = BeforeValidator(name_only)


def by_only(value: Any) -> Any:
    """Read the short form `layer` as `{by: layer}`."""
    return {"by": value} if isinstance(value, str) else value


ByShortForm = BeforeValidator(by_only)


def sequence(value: Any) -> Any:
    """Turn a YAML list into the tuple that a strict, immutable field holds."""
    return tuple(value) if isinstance(value, list) else value


AsTuple = BeforeValidator(sequence)
