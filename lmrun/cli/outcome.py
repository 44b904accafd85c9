"""How a finished run is shown on the terminal."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from lmrun.cli.parameters import effective_lines, show_parameters


def _number(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.6g}"


def rows(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """Return label and text of each line; what does not apply to a run is left out."""
    found = [
        ("loss", f"{_number(summary['initial_loss'])} → {_number(summary['loss'])}"),
    ]
    if summary["best_validation_loss"] is not None:
        best = f"{_number(summary['best_validation_loss'])} at step {summary['best_step']:,}"
        found.append(("best validation", f"{best}, whose weights are kept"))
    elif summary["best_step"] != summary["steps"]:
        found.append(("best loss", f"{_number(summary['best_loss'])} at step {summary['best_step']:,}"))
    for name, value in (summary["test"] or {}).items():
        found.append((f"test {name}", _number(value)))
    found.append(("steps", f"{summary['steps']:,} in {summary['seconds']:.2f} s"))
    if not summary.get("fit"):
        found += [(name, f"{value:.12g}") for name, value in summary["params"].items()]
    found += effective_lines(summary)
    found.append(("run", summary["run"]))
    if summary["status"] == "interrupted":
        found.append(("resume", f"lmrun train --resume {summary['run']}"))
    else:
        found.append(("plot", f"lmrun plot {summary['run']}"))
    return found


def show_outcome(summary: dict[str, Any], *, parameters: bool = True) -> None:
    """Print the outcome of a run on stderr, the table of a formula's parameters below it where wanted."""
    console = Console(file=sys.stderr, highlight=False)
    console.print(Text(summary["message"], style="bold"), soft_wrap=True)
    for remark in summary.get("remarks", []):
        console.print(Text(remark, style="yellow"), soft_wrap=True)
    lines = rows(summary)
    width = max(len(label) for label, _ in lines) + 2
    for label, text in lines:
        # Not a table, which would break long paths and commands that users copy.
        console.print(Text.assemble((label.ljust(width), "dim"), text), soft_wrap=True)
    if parameters:
        show_parameters(summary.get("fit"), console)
