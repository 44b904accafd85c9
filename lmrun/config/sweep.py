"""A sweep: one config, trained again and again with other settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from lmrun.config.base import (
    AsTuple,
    FiniteFloat,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    Problem,
    Section,
    raise_problems,
)
from lmrun.config.datasets import Seed
from lmrun.config.overrides import path_of

Range = Annotated[tuple[FiniteFloat, FiniteFloat], AsTuple]
WholeRange = Annotated[tuple[int, int], AsTuple]
Values = Annotated[tuple[object, ...], AsTuple, Field(min_length=1)]
KINDS = ("uniform", "log_uniform", "integer", "choice")


class DrawConfig(Section):
    """How a value is drawn: one of the four."""

    uniform: Range | None = None
    """Any number from the first to the second, all alike."""
    log_uniform: Range | None = None
    """Any number from the first to the second, whose logarithms are all alike; both above 0."""
    integer: WholeRange | None = None
    """Any whole number from the first to the second, both included."""
    choice: Values | None = None
    """Any of these values."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        raise_problems(list(self._misfits()))
        return self

    def _misfits(self) -> Iterator[Problem]:
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            yield Problem((), f"needs one of {', '.join(KINDS)}, not {len(given)}", on_key=True)
        for kind in given[:1]:
            ends = getattr(self, kind)
            if kind != "choice" and not ends[0] < ends[1]:
                yield Problem((kind,), "its first number should be below its second")
            if kind == "log_uniform" and ends[0] <= 0:
                yield Problem((kind,), "both numbers should be above 0: the logarithm is drawn")


class RandomConfig(Section):
    """Settings that are drawn."""

    samples: PositiveInt
    """How many times all keys are drawn; a larger number keeps those drawn before."""
    seed: Seed = 10
    """Decides what is drawn; the runs have seeds of their own."""
    keys: Annotated[dict[str, DrawConfig], Field(min_length=1)]
    """How each key of the config is drawn."""


class _EndEarly(Section):
    """What the rules share."""

    unit: Literal["steps", "epochs", "seconds"] = "steps"
    """What `first` counts. In mini-batches losses are known per epoch; those at a time are never the same
    twice."""
    first: PositiveInt | PositiveFloat
    """The runs are compared for the first time when all have come so far."""

    @model_validator(mode="after")
    def _whole_steps(self) -> Self:
        if self.unit != "seconds" and not isinstance(self.first, int):
            raise_problems(
                [Problem(("first",), f"should be a whole number of {self.unit}, not {self.first}")]
            )
        return self


class HalvingConfig(_EndEarly):
    """Successive halving: at each comparison the best share goes on.

    Source: Jamieson and Talwalkar (2016); one bracket of Hyperband (Li et al. 2018).
    """

    name: Literal["halving"]
    factor: Annotated[int, Field(ge=2)] = 3
    """One of so many goes on, and is compared again when it has come so many times further."""


class MedianConfig(_EndEarly):
    """The median rule: what never was as good as the median of all settings on average goes no further.

    Source: Vizier (Golovin et al. 2017).
    """

    name: Literal["median"]
    factor: Annotated[int, Field(ge=2)] = 2
    """The runs are compared again when they have come so many times further."""


class ResourcesConfig(Section):
    """What one run takes."""

    cpus: PositiveInt = 1
    """Threads of a run. The last bits of a result depend on this number, and on nothing else here."""
    gpus: NonNegativeFloat = 0
    """GPUs that a run sees; with Ray a share such as 0.5, too."""


class SweepConfig(Section):
    """Many runs of one config."""

    base: str | dict[str, Any]
    """A config: its file (a relative path starts at this file's folder), its name where it is shipped, or
    the config itself."""
    grid: dict[str, Values] = Field(default_factory=dict)
    """Keys of the config, each with the values that it takes: all of them with all of the others'."""
    random: RandomConfig | None = None
    """Settings that are drawn; beside a grid, each of its points takes all draws."""
    seeds: PositiveInt | Annotated[tuple[Seed, ...], AsTuple, Field(min_length=1)] | None = None
    """Train everything from these seeds, or from so many, counted on from the config's own."""
    stop_early: Annotated[HalvingConfig | MedianConfig, Field(discriminator="name")] | None = None
    """End runs that look hopeless."""
    executor: Literal["local", "ray"] = "local"
    """What trains the runs: processes on this machine, or Ray."""
    address: str | None = None
    """Of a running Ray cluster, `auto` or `host:port`; left out, Ray starts one on this machine."""
    workers: PositiveInt | None = None
    """How many runs are trained side by side; left out, as many as there are cores for."""
    resources: ResourcesConfig = ResourcesConfig()
    """What one run takes."""

    @model_validator(mode="after")
    def _keys_are_apart(self) -> Self:
        raise_problems(list(self._misfits()))
        return self

    def _misfits(self) -> Iterator[Problem]:
        drawn = {} if self.random is None else self.random.keys
        for section, keys in ((("grid",), self.grid), (("random", "keys"), drawn)):
            for key in keys:
                if path_of(key) is None:
                    words = "is not a key such as optimizer.damping.initial or model.hidden[0]"
                    yield Problem((*section, key), words, on_key=True)
                if key == "seed" and self.seeds is not None:
                    yield Problem((*section, key), "the seeds stand in 'seeds' already", on_key=True)
        for key in {*self.grid} & {*drawn}:
            yield Problem(("random", "keys", key), "stands in 'grid' already", on_key=True)
