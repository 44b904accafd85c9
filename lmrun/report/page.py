"""The page: what stands on it, and how it becomes one HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from plotly.offline import get_plotlyjs

import lmrun
from lmrun.errors import UsageError
from lmrun.report.charts import Chart
from lmrun.runs.facts import Fact
from lmrun.runs.files import write_text_atomically


@dataclass(frozen=True)
class Table:
    """Names down the side, groups across the top.

    Attributes:
        header: Of every column but the first.
        rows: Name, cells, and the place of the best cell where there is one.
    """

    header: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str], int | None]]


@dataclass(frozen=True)
class RunSection:
    """One run, folded away.

    Attributes:
        name: Of the run.
        facts: How it ended.
        config: Its resolved config.
        manifest: Where it came from.
    """

    name: str
    facts: Sequence[Fact]
    config: str
    manifest: Sequence[Fact]


@dataclass(frozen=True)
class Page:
    """All that the page says.

    Attributes:
        title: Its heading.
        lead: The sentence that a reader came for.
        warnings: What to be careful with.
        measures: The table of a comparison.
        differences: The settings in which the groups differ.
        charts: In their order.
        runs: In their order.
    """

    title: str
    lead: str
    charts: Sequence[Chart]
    runs: Sequence[RunSection]
    warnings: Sequence[str] = ()
    measures: Table | None = None
    differences: Table | None = None


def render(page: Page) -> str:
    """Return the page as HTML that needs no other file and no network; texts are escaped."""
    assets = files(__package__) / "assets"
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    parts: Mapping[str, Any] = {
        "page": page,
        "version": lmrun.__version__,
        "style": (assets / "page.css").read_text(encoding="utf-8"),
        "script": (assets / "page.js").read_text(encoding="utf-8"),
        "plotly": get_plotlyjs(),
    }
    template = environment.from_string((assets / "page.html").read_text(encoding="utf-8"))
    return template.render(parts)


def write(page: Page, output: Path) -> Path:
    """Write the page and return its path; a folder that is missing is made.

    Raises:
        UsageError: The ending is not .html, or the folder cannot be made.
        RunDirectoryError: The file cannot be written.
    """
    check_ending(output)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"Cannot make {output.parent}: {error.strerror}. Choose another -o.") from error
    write_text_atomically(output, render(page))
    return output


def check_ending(output: Path) -> None:
    """Refuse a file that no browser would take for a page.

    Raises:
        UsageError: The ending is not .html.
    """
    if output.suffix.lower() not in {".html", ".htm"}:
        raise UsageError(f"Cannot write {output}: a report is an HTML page. Let its name end with .html.")
