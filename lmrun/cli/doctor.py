"""`lmrun doctor`: what lmrun finds around it, and whether it computes what it should."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lmrun.cli.choosing import AsJson, RunsDir

if TYPE_CHECKING:
    from lmrun.diagnosis.facts import Fact
    from lmrun.diagnosis.selftest import Test

SCHEMA_VERSION = 1
MARKS = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "failed": "[red]FAILED[/]"}


def doctor(runs_dir: RunsDir = Path("runs"), as_json: AsJson = False) -> None:
    """Report versions, devices, BLAS, memory and more, and run a self-test (exit code 1 if it fails)."""
    from lmrun.quiet import load_tensorflow

    load_tensorflow()
    from lmrun.diagnosis.facts import facts
    from lmrun.diagnosis.selftest import self_test

    found, tests = list(facts(runs_dir)), list(self_test())
    passed = all(test.passed for test in tests)
    if as_json:
        from lmrun.runs.files import to_json

        typer.echo(to_json(document(found, tests, passed)), nl=False)
    else:
        _show(found, tests)
    if not passed:
        if not as_json:
            typer.echo("The self-test failed: do not trust this installation's numbers.", err=True)
        raise typer.Exit(1)


def document(found: list[Fact], tests: list[Test], passed: bool) -> dict[str, Any]:
    """Return what `--json` prints."""
    return {
        "schema_version": SCHEMA_VERSION,
        "ok": passed,
        "facts": [{**fact._asdict(), "values": dict(fact.values)} for fact in found],
        "self_test": [test._asdict() for test in tests],
    }


def _show(found: list[Fact], tests: list[Test]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for fact in found:
        table.add_row(fact.name, MARKS[fact.state], escape(fact.words))
    for test in tests:
        words = f"{test.words}, {test.seconds:.1f} s"
        table.add_row(test.name, MARKS["ok" if test.passed else "failed"], escape(words))
    console = Console(highlight=False)
    if not console.is_terminal:
        # A pipe has no edge to wrap at.
        console = Console(highlight=False, width=400)
    console.print(table)
