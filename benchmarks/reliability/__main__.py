"""Inject every fault and write docs/reliability.md: `python -m benchmarks.reliability`.

    python -m benchmarks.reliability                        all of them (about ten minutes)
    python -m benchmarks.reliability --only moments         one of them again, the others as they were
    python -m benchmarks.reliability --only moments=3 --folder try --output try/page.md

Results are kept in `.bench/reliability`; the page is written from what lies there. Exits with 1 where
something was lost that must not be, a user saw a traceback, or lmrun kept silent about damage. Linux only;
root can mount a disk that is full, others forbid files to grow.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.environments import ROOT
from benchmarks.machine import describe
from benchmarks.reliability import damage, kills, locks, storage, values
from benchmarks.reliability.children import warm_up
from benchmarks.reliability.page import write_page
from benchmarks.reliability.problems import Bench
from benchmarks.reliability.table import Fault

Injector = Callable[[Bench, int], Sequence[Fault]]
FAULTS: dict[str, tuple[int, Injector]] = {
    "moments": (100, lambda bench, times: [kills.at_moments(bench, times)]),
    "operations": (100, lambda bench, times: [kills.at_operations(bench, times)]),
    **{name: (50, injector) for name, injector in damage.INJECTORS.items()},
    "full-disk": (60, lambda bench, times: [storage.full_disk(bench, times)]),
    "read-only": (60, lambda bench, times: [storage.read_only(bench, times)]),
    "clock": (60, lambda bench, times: [values.clock_jumps(bench, times)]),
    "two-processes": (40, lambda bench, times: [locks.two_processes(bench, times)]),
    "data": (200, lambda bench, times: [values.in_data(bench, times)]),
    "weights": (60, lambda bench, times: [values.in_parameters(bench, times)]),
    "loss": (60, lambda bench, times: [values.in_loss(bench, times)]),
}
"""Each fault with how often it is injected, in the order of the table."""
RESULTS = ROOT / ".bench" / "reliability"


def main(
    only: Annotated[
        list[str] | None, typer.Option(help=f"NAME or NAME=TIMES, of {', '.join(FAULTS)}.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides moments and places.")] = 0,
    folder: Annotated[Path, typer.Option(help="Where results lie.")] = RESULTS,
    output: Annotated[Path, typer.Option(help="The page.")] = ROOT / "docs" / "reliability.md",
) -> None:
    """Inject faults and write the table."""
    os.environ["LMRUN_CACHE"] = "off"
    wanted = [name.partition("=")[::2] for name in only or FAULTS]
    unknown = {name for name, _ in wanted} - set(FAULTS)
    if unknown:
        raise typer.BadParameter(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(FAULTS)}")
    folder.mkdir(parents=True, exist_ok=True)
    warm_up()
    fine = True
    with tempfile.TemporaryDirectory() as place:
        bench = Bench(Path(place))
        for name, times in wanted:
            own, injector = FAULTS[name]
            # Each fault has random numbers that do not depend on the others.
            bench.random.seed(f"{seed} {name}")
            faults = injector(bench, int(times or own))
            for fault in faults:
                print(
                    f"{fault.name}: {fault.injected} times, lost: {fault.lost_in_words}, fine: {fault.fine}"
                )
                fine = fine and fault.fine
            document = {"machine": describe(), "faults": [fault.document for fault in faults]}
            (folder / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    write_page({name: folder / f"{name}.json" for name in FAULTS}, output)
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    typer.run(main)
