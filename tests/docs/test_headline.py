"""The numbers of the race in the README are those that were measured."""

import json
from pathlib import Path

import pytest

from benchmarks.headline import table

ROOT = Path(__file__).parents[2]


@pytest.fixture
def raced():
    return json.loads((ROOT / "docs" / "benchmark-peers.json").read_text(encoding="utf-8"))


def test_the_readme_has_the_table(raced):
    assert table(raced) in (ROOT / "README.md").read_text(encoding="utf-8"), (
        "python -m benchmarks.headline prints what belongs there"
    )


def test_the_table_follows_the_race(raced):
    (peer, *_) = [run for run in raced["problems"]["sinc"]["runs"] if run["package"] != "lmrun"]
    for run in raced["problems"]["sinc"]["runs"]:
        if run["entrant"] == peer["entrant"]:
            run["lowest_error"] = 1.25e-13
        elif run["entrant"] == "lmrun":
            run["seconds_to"]["1.5e-08"] = 77.0
    (line,) = [line for line in table(raced).splitlines() if line.startswith("| sinc")]
    assert "**77 s**" in line
    assert "1.2e-13 in 10 s" in line


def test_runs_that_failed_did_not_get_there(raced):
    for run in raced["problems"]["sinc"]["runs"]:
        if run["entrant"] == "lmrun" and run["seed"] > 10:
            del run["seconds_to"], run["lowest_error"]
            run["failure"] = "It crashed."
    (line,) = [line for line in table(raced).splitlines() if line.startswith("| sinc")]
    *_, ours, _, error = line.removesuffix(" |").split(" | ")
    assert ours.startswith("> ")
    assert error == "**–**"
