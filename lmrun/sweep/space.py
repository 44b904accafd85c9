"""The points of a sweep: what is set, in an order that never changes."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from numpy.random import Generator

from lmrun.config.base import Path
from lmrun.config.sweep import KINDS, DrawConfig, RandomConfig, SweepConfig
from lmrun.seeding import Stream, generator


@dataclass(frozen=True)
class Choice:
    """One key of the config, and what it is set to.

    Attributes:
        key: Such as `optimizer.damping.initial`.
        value: Plain data.
        written: Where the value, or how it is drawn, stands in the sweep's file.
    """

    key: str
    value: Any
    written: Path

    @property
    def text(self) -> str:
        """The choice as an override, `KEY=VALUE`."""
        return f"{self.key}={flow(self.value)}"


def flow(value: Any) -> str:
    """Write plain data as YAML in one line, so that reading it gives the same."""
    match value:
        case dict():
            return "{" + ", ".join(f"{flow(key)}: {flow(one)}" for key, one in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(flow, value)) + "]"
        case float() if not math.isfinite(value):
            return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
        case str():
            return value if _is_word(value) else _quoted(value)
    return json.dumps(value)


def _quoted(text: str) -> str:
    """A text in double quotes, in which YAML escapes what cannot be printed."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(one if one.isprintable() else f"\\U{ord(one):08X}" for one in escaped) + '"'


def _is_word(text: str) -> bool:
    """Whether a text needs no quotes."""
    from lmrun.config.document import scalar

    plain = text.replace("_", "").replace("-", "").replace("/", "").replace(".", "")
    return plain.isalnum() and text[0].isalpha() and isinstance(scalar(text), str)


def points(config: SweepConfig) -> Iterator[tuple[Choice, ...]]:
    """Yield the choices of every point, the seeds of the runs left out.

    The points of the grid come in the order of nested loops, the last key fastest; inside each come all
    draws.
    """
    axes = [
        [Choice(key, value, ("grid", key, place)) for place, value in enumerate(values)]
        for key, values in config.grid.items()
    ]
    drawn = [()] if config.random is None else list(_draws(config.random))
    for chosen, draw in product(product(*axes), drawn):
        yield (*chosen, *draw)


def _draws(config: RandomConfig) -> Iterator[tuple[Choice, ...]]:
    for sample in range(config.samples):
        yield tuple(
            Choice(key, draw(config.seed, sample, key, how), ("random", "keys", key))
            for key, how in config.keys.items()
        )


def draw(seed: int, sample: int, key: str, how: DrawConfig) -> Any:
    """Draw one value: it depends on nothing but the seed, the sample's number, the key and its distribution.

    So more samples, or another key, leave what was drawn before as it was.
    """
    kind = next(kind for kind in KINDS if getattr(how, kind) is not None)
    stream = generator(seed, Stream.SWEEP, sample, zlib.crc32(key.encode()))
    return DRAWS[kind](stream, getattr(how, kind))


def _uniform(stream: Generator, ends: Sequence[float]) -> float:
    return float(stream.uniform(ends[0], ends[1]))


def _log_uniform(stream: Generator, ends: Sequence[float]) -> float:
    low, high = ends
    # Rounding may lead beyond the ends.
    return min(max(math.exp(stream.uniform(math.log(low), math.log(high))), low), high)


def _integer(stream: Generator, ends: Sequence[int]) -> int:
    return int(stream.integers(ends[0], ends[1], endpoint=True))


def _choice(stream: Generator, values: Sequence[Any]) -> Any:
    return values[int(stream.integers(len(values)))]


DRAWS: Mapping[str, Callable[[Generator, Any], Any]] = {
    "uniform": _uniform,
    "log_uniform": _log_uniform,
    "integer": _integer,
    "choice": _choice,
}
"""How a value of each kind is drawn."""
