"""What there is to say about one run, line by line: for the terminal and for pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lmrun.errors import RunDirectoryError
from lmrun.runs.files import number, read_json
from lmrun.runs.layout import RunDirectory
from lmrun.runs.listing import Entry, numbers

Fact = tuple[str, str]
"""Label and text."""


def documents(run: RunDirectory) -> dict[str, Any]:
    """Return `summary` and `manifest` of a run, None for what is missing or cannot be read."""
    found: dict[str, Any] = {}
    for name, path in (("summary", run.summary), ("manifest", run.manifest)):
        try:
            found[name] = read_json(path) if path.is_file() else None
        except RunDirectoryError:
            # The entry of the run says so; the rest of it is worth showing.
            found[name] = None
    return found


def config_text(run: RunDirectory) -> str:
    """Return the config as it is; nothing where it cannot be read, which the entry says already."""
    try:
        return run.config.read_text(encoding="utf-8", errors="replace").rstrip()
    except OSError:
        return ""


def facts(entry: Entry) -> Iterator[Fact]:
    """Yield how a run ended, or how far it is; what does not apply is left out."""
    found = documents(entry.run)
    summary, manifest = found["summary"] or {}, found["manifest"] or {}
    yield "status", entry.state
    for label, text in (
        ("problem", entry.problem),
        ("", str(summary.get("message") or "")),
        *(("remark", str(remark)) for remark in summary.get("remarks") or []),
        ("tags", " ".join(entry.labels.tags)),
        ("note", entry.labels.note),
    ):
        if text:
            yield label, text
    if entry.best_loss is not None:
        yield "best loss", f"{entry.best_loss:.6g}"
    for name, value in entry.test.items():
        yield f"test {name}", f"{value:.6g}"
    if entry.steps is not None and entry.seconds is not None:
        yield "steps", f"{entry.steps:,} in {entry.seconds:.2f} s"
    parameters, memory = (number(summary.get(key)) for key in ("parameters", "peak_memory_bytes"))
    if parameters is not None:
        yield "parameters", f"{parameters:,.0f}"
    # A fit has its own table of them.
    for name, value in numbers({} if summary.get("fit") else summary.get("params")).items():
        yield name, f"{value:.12g}"
    if memory is not None:
        yield "peak memory", f"{memory / 1e6:,.0f} MB"
    for name in ("started", "finished"):
        if manifest.get(name):
            yield name, f"{str(manifest[name])[:19].replace('T', ' ')} UTC"
    versions = manifest.get("versions")
    if isinstance(versions, dict):
        yield "versions", ", ".join(f"{name} {value}" for name, value in versions.items() if value)
