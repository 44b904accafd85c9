"""From a sweep's file to the list of its runs: pure, so that the same file is always the same sweep."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lmrun.config.base import Path as KeyPath
from lmrun.config.base import Problem
from lmrun.config.document import Document, Finding, Place, parse, place_of, read_text
from lmrun.config.dump import as_yaml, to_yaml
from lmrun.config.load import LoadedConfig, load_document, validate_as
from lmrun.config.overrides import Override, parse_overrides, path_of
from lmrun.config.shipped import find_config
from lmrun.config.sweep import SweepConfig
from lmrun.errors import ConfigError, UsageError
from lmrun.runs.create import check_name
from lmrun.sweep.layout import PREFIX
from lmrun.sweep.space import Choice, points

MOST_NAME = 40
"""Of a sweep's name, which is a tag of its runs."""
MOST_RUNS = 100_000
MOST_PROBLEMS = 20
"""That are told at once."""


@dataclass(frozen=True)
class _Base:
    """The config that all runs begin from: its data with their places, its text, its file."""

    document: Document
    text: str
    path: Path


@dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep.

    Attributes:
        name: Of its directory.
        point: The number of its settings, the seed left out: runs with the same differ in their seeds alone.
        choices: What the sweep sets, by key, the seed left out.
        seed: The effective seed.
        overrides: The same as `KEY=VALUE`.
        config: The resolved config, as the run's directory keeps it.
    """

    name: str
    point: int
    choices: Mapping[str, Any]
    seed: int
    overrides: tuple[str, ...]
    config: str


@dataclass(frozen=True)
class Plan:
    """A sweep.

    Attributes:
        name: Of its directory; the tag of its runs.
        settings: The sweep's file, validated.
        source: That file as it was.
        base: The text of the config that all runs begin from.
        base_path: Its file.
        runs: In the order in which they are trained.
    """

    name: str
    settings: SweepConfig
    source: str
    base: str
    base_path: Path
    runs: tuple[PlannedRun, ...]

    def is_that_of(self, other: Plan) -> bool:
        """Whether another plan leads to the same results by the same names."""
        mine, theirs = (_decisive(plan.settings) for plan in (self, other))
        return self.runs == other.runs and mine == theirs


def read_sweep(path: Path) -> tuple[SweepConfig, Document, str]:
    """Read a sweep's file; return it with the places of its values, and its text.

    Raises:
        ConfigError: It is not valid; all problems at once.
    """
    source = read_text(path)
    document = parse(source, str(path))
    if document.data is None:
        raise ConfigError([str(finding) for finding in sorted(document.findings)])
    return validate_as(document, SweepConfig), document, source


def make_plan(path: Path, overrides: Sequence[str] = (), name: str | None = None) -> Plan:
    """Plan the sweep of a file.

    Args:
        path: The sweep's file.
        overrides: `KEY=VALUE` changes of the config, in all runs.
        name: The sweep's name after `sweep-`; left out, the file's, and digits that tell its runs.

    Raises:
        UsageError: There is no such file, or the name is none.
        ConfigError: The file, or the config of a run, is not valid; all problems at once.
    """
    settings, document, source = read_sweep(path)
    base = _base(settings, document, path)
    found = _Resolving(settings, document, base, path.absolute().parent, parse_overrides(overrides)).all()
    # A choice may be drawn twice; one of two equal runs says it all.
    runs = list({run.config: run for run in reversed(found)}.values())[::-1]
    sweep = PREFIX + (_name(path, settings, runs) if name is None else name)
    if len(check_name(sweep)) > MOST_NAME:
        raise UsageError(f"The name '{sweep}' is too long: use at most {MOST_NAME - len(PREFIX)} characters.")
    width = max(4, len(str(len(runs))))
    named = tuple(replace(run, name=f"{sweep}-{number:0{width}}") for number, run in enumerate(runs, start=1))
    return Plan(sweep, settings, source, base.text, base.path, named)


def _name(path: Path, settings: SweepConfig, runs: Sequence[PlannedRun]) -> str:
    """A name that is another one wherever other results would come out."""
    content = [[run.config for run in runs], *_decisive(settings)]
    digits = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:8]
    stem = re.sub(r"[^A-Za-z0-9_]+", "-", path.stem).strip("-") or "of"
    return f"{stem[: MOST_NAME - len(PREFIX) - 9]}-{digits}"


def _decisive(settings: SweepConfig) -> list[Any]:
    """What results depend on besides the runs' configs."""
    rule = None if settings.stop_early is None else settings.stop_early.model_dump(mode="json")
    return [settings.resources.cpus, rule]


def _base(settings: SweepConfig, document: Document, path: Path) -> _Base:
    if isinstance(settings.base, str):
        beside = path.absolute().parent / Path(settings.base).expanduser()
        file = beside if beside.is_file() else _shipped(settings.base, document)
        text = read_text(file)
        base = parse(text, str(file))
        if base.data is None:
            raise ConfigError([str(finding) for finding in sorted(base.findings)])
        return _Base(base, text, file.absolute())
    inside = "base"

    def below(places: Mapping[KeyPath, Place]) -> dict[KeyPath, Place]:
        return {known[1:]: place for known, place in places.items() if known[:1] == (inside,)}

    part = Document(document.data[inside], below(document.keys), below(document.values))
    return _Base(part, as_yaml(settings.base), path.absolute())


def _shipped(name: str, document: Document) -> Path:
    try:
        return find_config(name)
    except UsageError as error:
        place = place_of(document, Problem(("base",), ""))
        raise ConfigError([str(Finding(place, ("base",), str(error)))]) from None


@dataclass
class _Resolving:
    """Resolve the config of every run; the problems of all show at once.

    Attributes:
        settings: The sweep's file.
        document: The same with the places of its values.
        base: The config that all begin from.
        folder: Of the sweep's file: relative paths in it start there.
        typed: Changes of all runs.
        problems: Each problem, how many points have it, and the first of them.
    """

    settings: SweepConfig
    document: Document
    base: _Base
    folder: Path
    typed: Sequence[Override]
    problems: dict[str, tuple[int, tuple[Choice, ...]]] = field(default_factory=dict)

    def all(self) -> list[PlannedRun]:
        """Return all runs, still without names.

        Raises:
            ConfigError: Some are not valid.
            UsageError: There are too many.
        """
        found: list[PlannedRun] = []
        number = 0
        for number, chosen in enumerate(points(self.settings), start=1):
            try:
                found += self._point(number, chosen)
            except ConfigError as error:
                for problem in error.problems:
                    count, first = self.problems.get(problem, (0, chosen))
                    self.problems[problem] = (count + 1, first)
            if max(len(found), number) > MOST_RUNS:
                raise UsageError(
                    f"The sweep has more than {MOST_RUNS:,} runs; take fewer values, or samples."
                )
        if self.problems:
            raise ConfigError(self._told(number))
        return found

    def _point(self, number: int, chosen: Sequence[Choice]) -> Iterator[PlannedRun]:
        """All seeds of one point."""
        overrides = [self._override(choice) for choice in chosen] + list(self.typed)
        seeds = self.settings.seeds
        if seeds is None:
            yield _planned(number, chosen, self._load(overrides))
            return
        if isinstance(seeds, int):
            first = self._load(overrides).config.seed
            seeds = tuple(range(first, first + seeds))
        for seed in seeds:
            loaded = self._load([*overrides, self._override(Choice("seed", seed, ("seeds",)))])
            yield _planned(number, chosen, loaded)

    def _load(self, overrides: Sequence[Override]) -> LoadedConfig:
        ordered = [
            replace(one, place=replace(one.place, order=order))
            for order, one in enumerate(overrides, start=1)
        ]
        base = self.base.document
        copied = Document(deepcopy(base.data), {**base.keys}, {**base.values}, [*base.findings])
        return load_document(copied, self.base.text, self.base.path, ordered)

    def _override(self, choice: Choice) -> Override:
        place = place_of(self.document, Problem(choice.written, ""))
        path = path_of(choice.key)
        assert path is not None, "the schema has looked at the keys"
        value = deepcopy(choice.value)
        return Override(path, value, replace(place, folder=self.folder), text=choice.text)

    def _told(self, total: int) -> list[str]:
        """The problems, and for those that not all points have, one that has it."""
        told = []
        for problem, (count, chosen) in list(self.problems.items())[:MOST_PROBLEMS]:
            point = ", ".join(choice.text for choice in chosen)
            told.append(problem if count == total or not point else f"{problem} (with {point})")
        more = len(self.problems) - len(told)
        return [*told, *([f"and {more:,} problems more"] if more else [])]


def _planned(number: int, chosen: Sequence[Choice], loaded: LoadedConfig) -> PlannedRun:
    return PlannedRun(
        name="",
        point=number,
        choices={choice.key: choice.value for choice in chosen},
        seed=loaded.config.seed,
        overrides=loaded.overrides,
        config=to_yaml(loaded.config),
    )
