"""The page with the table, from the results of all faults."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.reliability.table import general

INTRODUCTION = """\
# What breaks, and what is lost

Written by `python -m benchmarks.reliability`; nothing here is typed in. Each fault is injected into whole
runs of `lmrun train` (Levenberg-Marquardt on the full batch with validation rows, in mini-batches, and on a
formula; a checkpoint after every step), which then go on with `lmrun train --resume`. *Lost* is in what the
run then differs from one that nothing happened to, bit for bit: last and best weights, all columns of
`metrics.csv` but `seconds`, and the summary less its times. Every process is lmrun's command line, forked
after TensorFlow was imported. *Tracebacks* counts what a user should not see, *unsaid* damage and refusals
without their sentence.

Kills: SIGKILL takes what the process holds, not what the operating system does. A power failure may take
more; files are forced to the disk before their names change, but nobody has pulled a plug here.
"""


def write_page(results: Mapping[str, Path], output: Path) -> None:
    """Write the page from the results that are there."""
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in results.values() if path.exists()]
    faults = [fault for document in documents for fault in document["faults"]]
    parts = [INTRODUCTION, *_table(faults), "", "## What lmrun says", ""]
    for fault in faults:
        parts += _sentences(fault)
    output.write_text("\n".join([*parts, *_machines(documents), ""]), encoding="utf-8")


def _table(faults: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| fault | how | times injected | lost | tracebacks | unsaid | notes |",
        "|---|---|---|---|---|---|---|",
    ]
    for fault in faults:
        cells = (
            fault["name"],
            fault["how"],
            f"{fault['injected']:,}",
            fault["lost_in_words"],
            str(fault["clumsy"]),
            str(fault["unsaid"]),
            "; ".join(fault["notes"]),
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return lines


SHOWN = 3


def _sentences(fault: dict[str, Any]) -> list[str]:
    """The commonest sentences, numbers replaced by N."""
    counts: Counter[str] = Counter()
    for sentence, count in fault["says"].items():
        counts[general(sentence)] += count
    if not counts:
        return []
    lines = [f"**{fault['name']}**", ""]
    lines += [f"- {count} times: `{sentence}`" for sentence, count in counts.most_common(SHOWN)]
    return [*lines, ""]


def _machines(documents: list[dict[str, Any]]) -> list[str]:
    machines = [document["machine"] for document in documents]
    return [
        "Measured on "
        + "; ".join(
            sorted(
                {
                    f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}, commit "
                    f"{machine['commit']}"
                    for machine in machines
                }
            )
        )
        + f"; from {min(machine['started'] for machine in machines)} to "
        f"{max(machine['started'] for machine in machines)}."
    ]
