"""Random configs, formulas and YAML against lmrun: each runs, or fails with an error that says where.

    python -m benchmarks.fuzz                        # 10,000 configs, a minute for each parser
    python -m benchmarks.fuzz --configs 500 --part 3   # the third 500 of them, added to what is there
    python -m benchmarks.fuzz --write                # docs/fuzzing.md again

Each part of the configs has a seed and a process of its own; its findings go to `.bench/fuzz`, the page is
written from all that are there. Exit code 1 where anything was found.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

import lmrun  # noqa: F401 - first: it sets what NumPy and TensorFlow read from the environment
from benchmarks.environments import FOLDER, ROOT
from benchmarks.machine import describe

PAGE = ROOT / "docs" / "fuzzing.md"
FINDINGS = FOLDER / "fuzz"
PARTS = 20
"""Processes that all configs are dealt out to."""
SHOWN = 20
"""Finds that the page lists at most."""

INTRODUCTION = """\
# Fuzzing

Written by `python -m benchmarks.fuzz`; nothing here is typed in. What is a find: an exception that is no
`LmrunError`, an error that names no line, key or file, a text that takes longer than {seconds:.0f} s of
the processor or more than {mebibytes:.0f} MiB of memory, and one that lets its parser run code, import a
module, start a process, open a file or a connection (Python's audit events).
"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def run_part(part: int, count: int) -> None:
    """Send a part's configs on their way, in this process."""
    from benchmarks.fuzz_configs import Course, send
    from lmrun.quiet import load_tensorflow

    load_tensorflow()
    with tempfile.TemporaryDirectory() as folder:
        course = Course(Path(folder))
        send(course, count, part)
    store(f"configs-{part:03d}", course.found.document())


def run_texts(seconds: float) -> None:
    """Feed both parsers."""
    from benchmarks.fuzz_texts import PARSERS, fuzz

    for name in PARSERS:
        store(f"texts-{name.lower()}", {"parser": name, **fuzz(name, seconds, 10).document()})


def store(name: str, document: dict[str, Any]) -> None:
    """Write a part's findings."""
    FINDINGS.mkdir(parents=True, exist_ok=True)
    (FINDINGS / f"{name}.json").write_text(json.dumps(document, indent=1), encoding="utf-8")


def stored(kind: str) -> list[dict[str, Any]]:
    """Read the findings of all parts of a kind."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FINDINGS.glob(f"{kind}-*.json"))]


def write() -> bool:
    """Write the page; whether nothing was found."""
    from benchmarks.fuzz_texts import BYTES, SECONDS

    known = describe()
    lines = [INTRODUCTION.format(seconds=SECONDS, mebibytes=BYTES / 2**20)]
    lines.append(
        f"{known['processor']}, Python {known['python']}, commit {known['commit']}, {known['started']}."
    )
    clean = True
    for section in (configs_section(stored("configs")), texts_section(stored("texts"))):
        lines += section[0]
        clean = clean and not section[1]
        lines += [f"* {find}" for find in section[1][:SHOWN]] or ["Nothing was found."]
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return clean


def configs_section(parts: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Return the table of the configs, and the finds."""
    from benchmarks.fuzz_configs import KEYED, LOCATED

    outcomes: Counter[str] = sum((Counter(part["outcomes"]) for part in parts), Counter())
    longest = {
        stage: max(part["longest"].get(stage, 0) for part in parts) for stage in ("read", "built", "trained")
    }
    lines = [
        "\n## Configs\n",
        f"{outcomes.total():,} configs are drawn from lmrun's own JSON Schema, half of them with one or "
        "two faults. Each is read and checked; what is valid is built as by `lmrun train --dry-run`; what "
        "needs no compiler, and a sample of what does, is trained for a step or two.\n",
        "| outcome | configs |",
        "|---|---|",
        *(f"| {outcome} | {count:,} |" for outcome, count in sorted(outcomes.items())),
        "",
        "The slowest: " + ", ".join(f"{stage} in {took:.1f} s" for stage, took in longest.items()) + ".\n",
    ]
    finds = [
        f"{crash['stage']}: `{crash['trace'].strip().splitlines()[-1]}`"
        for part in parts
        for crash in part["crashes"]
    ]
    # What names a place is judged anew: the findings may be older than the rule.
    finds += [
        f"says no place: {message}"
        for part in parts
        for message in part["unlocated"]
        if not (LOCATED.match(message) or KEYED.match(message))
    ]
    return lines, list(dict.fromkeys(finds))


def texts_section(parts: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Return the table of the texts, and the finds."""
    lines = [
        "\n## Formulas and YAML\n",
        "| parser | texts | taken | slowest | most memory | kinds |",
        "|---|---|---|---|---|---|",
    ]
    finds = []
    for part in parts:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in part["kinds"].items())
        cells = [part["parser"], f"{part['texts']:,}", f"{part['taken']:,}", f"{part['slowest']:.2f} s"]
        cells += [f"{part['largest'] / 2**20:.1f} MiB", kinds]
        lines.append("| " + " | ".join(cells) + " |")
        finds += [
            f"{part['parser']}: `{failure['reason'].strip().splitlines()[-1]}`"
            for failure in part["failures"]
        ]
    lines.append("")
    return lines, list(dict.fromkeys(finds))


@app.command()
def main(
    *,
    configs: Annotated[int, typer.Option(help="Configs, or those of the part.")] = 10_000,
    seconds: Annotated[float, typer.Option(help="For each of the two parsers.")] = 60,
    part: Annotated[int | None, typer.Option(help="One part only.", show_default=False)] = None,
    only_write: Annotated[bool, typer.Option("--write", help="Write the page from the findings.")] = False,
) -> None:
    """Fuzz, and write docs/fuzzing.md."""
    if part is not None:
        if configs:
            run_part(part, configs)
        else:
            run_texts(seconds)
        return
    if not only_write:
        for number in range(PARTS):
            share = ["--configs", str(configs // PARTS), "--part", str(number)]
            # A part that ends in any other way than by its end is a find of its own.
            subprocess.run([sys.executable, "-m", "benchmarks.fuzz", *share], cwd=ROOT, check=True)
        run_texts(seconds)
    if not write():
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
