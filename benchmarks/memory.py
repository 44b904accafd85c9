"""How near the estimate of memory comes: `python -m benchmarks.memory` writes docs/memory.md.

Each case is trained in a process of its own (`benchmarks.peaks`). `--only WORD` measures the cases whose
command has the word in it and keeps the others as they were measured before (`.bench/memory.json`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Annotated, Any, NamedTuple

import typer

from benchmarks.environments import FOLDER, ROOT
from benchmarks.machine import describe

PAGE = ROOT / "docs" / "memory.md"
MEASURED = FOLDER / "memory.json"
MIB = 2**20
LIMIT = 0.25
"""How far an estimate may be off, as a share of what was measured."""
FULL = ("training.batch_size=full", "training.max_steps=3")
MILLION = ("dataset.points=1000000",)
WIDE = ("model.hidden=[50,40]", "optimizer.projection=none")
WIDER = ("model.hidden=[80,60]", "optimizer.projection=none")
SINGLE = "precision=float32"
CASES: tuple[tuple[str, ...], ...] = (
    ("rosenbrock-curve",),
    ("rosenbrock-mlp",),
    ("noisy-sine",),
    ("sinc", "training.max_seconds=10"),
    ("sinc", *FULL),
    ("sinc", *FULL, SINGLE),
    ("sinc", "optimizer=adam", "training.max_epochs=3"),
    ("rosenbrock-nd", "training.max_seconds=15"),
    ("rosenbrock-nd", *FULL),
    ("rosenbrock-nd", *MILLION, *FULL),
    ("rosenbrock-nd", *MILLION, *FULL, SINGLE),
    ("rosenbrock-nd", *MILLION, "training.max_steps=10"),
    ("rosenbrock-nd", *MILLION, "optimizer=adam", "training.max_steps=50"),
    ("rosenbrock-nd", *FULL, *WIDE),
    ("rosenbrock-nd", *FULL, *WIDE, SINGLE),
    ("rosenbrock-nd", *FULL, *WIDE, "optimizer.solver=qr"),
    ("rosenbrock-nd", *FULL, *WIDE, "optimizer.solver=cg"),
    ("rosenbrock-nd", *FULL, *WIDER),
    ("rosenbrock-nd", *FULL, *WIDER, SINGLE),
    ("rosenbrock-nd", *FULL, *WIDER, "dataset.points=1500"),
    ("rosenbrock-nd", *FULL, "dataset.points=2000", "model.hidden=[30,20]", "optimizer=newton"),
    ("mnist-cnn", "training.max_epochs=1"),
    ("mnist-cnn", "optimizer=adam", "training.max_epochs=1"),
    ("million-parameters", "training.max_seconds=10"),
    ("million-parameters", "training.max_seconds=10", "precision=float64"),
)
"""Shipped configs and what is changed in them."""

INTRODUCTION = """\
# Memory

Written by `python -m benchmarks.memory`; nothing here is typed in. Before a run, lmrun estimates what the
training will add to the memory of its process, and refuses what would not fit. Here every case is trained in
a fresh process of its own that finds nothing compiled (`LMRUN_CACHE=off`).

* *Before*: resident memory with Python, TensorFlow and lmrun loaded, and no data.
* *Loaded*: the same with data and model.
* *Estimate*: the peak that is expected from there on: what the process holds then, and what the training is
  estimated to add.
* *Measured*: the peak of the resident memory from there to the end of the run, all files written. What there
  was while the data was made does not count, neither here nor there.
* *Added*: both without what was loaded: what the training itself takes, compilation included. Where that is
  small, it is the libraries' own.

Everything is in MiB. An estimate may be off by {limit:.0%} of what was measured.
"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Row(NamedTuple):
    """One case in bytes."""

    before: int
    loaded: int
    estimate: int
    measured: int
    form: str

    @property
    def ratio(self) -> float:
        """Of estimate to measurement."""
        return self.estimate / self.measured


def measure(case: tuple[str, ...]) -> dict[str, Any]:
    """Train a case in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.peaks", *case]
    # The most is held by a run that finds nothing compiled.
    environment = {**os.environ, "LMRUN_CACHE": "off"}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def row_of(found: dict[str, Any]) -> Row:
    """Compare estimate and measurement."""
    plan = found["plan"]
    loaded = plan["resident"]
    form = plan["form"] or "first order"
    return Row(found["libraries"], loaded, loaded + plan["needed"], found["peak"], form)


def write(measured: dict[str, dict[str, Any]]) -> bool:
    """Write the page; whether all estimates are near enough."""
    known = describe()
    lines = [INTRODUCTION.format(limit=LIMIT)]
    lines.append(
        f"{known['processor']}, {known['cores']} cores, Python {known['python']}, commit {known['commit']}, "
        f"{known['started']}.\n"
    )
    lines.append(
        "| run | form | before | loaded | estimate | measured | ratio | added: estimate | measured |"
    )
    lines.append("|---|---|---|---|---|---|---|---|---|")
    near = True
    for case in CASES:
        name = " ".join(case)
        if name not in measured:
            continue
        row = row_of(measured[name])
        near = near and abs(row.ratio - 1) <= LIMIT
        sizes = [row.before, row.loaded, row.estimate, row.measured]
        cells = [f"`{name}`", row.form, *(f"{size / MIB:,.0f}" for size in sizes), f"{row.ratio:.2f}"]
        cells += [f"{(size - row.loaded) / MIB:,.0f}" for size in sizes[2:]]
        lines.append("| " + " | ".join(cells) + " |")
    ratios = [row_of(found).ratio for found in measured.values()]
    lines.append(f"\nThe ratios lie between {min(ratios):.2f} and {max(ratios):.2f}.")
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return near


@app.command()
def main(
    *,
    only: Annotated[str, typer.Option(help="Measure the cases with this word.", show_default=False)] = "",
    only_write: Annotated[bool, typer.Option("--write", help="Write the page from what is there.")] = False,
) -> None:
    """Measure, and write docs/memory.md; exit code 1 where an estimate is too far off."""
    measured = json.loads(MEASURED.read_text(encoding="utf-8")) if MEASURED.exists() else {}
    for case in () if only_write else CASES:
        name = " ".join(case)
        if only in name:
            measured[name] = measure(case)
            print(name, f"{row_of(measured[name]).ratio:.2f}", flush=True)
            FOLDER.mkdir(exist_ok=True)
            MEASURED.write_text(json.dumps(measured), encoding="utf-8")
    if not write({name: found for name, found in measured.items() if name in map(" ".join, CASES)}):
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
