"""`lmrun compare`: train what is missing, and say which is better."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lmrun.cli.choosing import AsJson, RunsDir, complete_items
from lmrun.errors import UsageError


def compare(
    items: Annotated[
        list[str],
        typer.Argument(
            metavar="ITEM...",
            help="Optimizers, trained on the config; runs; sweeps; or a stored comparison, to show it again.",
            show_default=False,
            autocompletion=complete_items,
        ),
    ],
    config: Annotated[
        str, typer.Option("--config", "-c", help="A YAML file, or the name of a shipped config.")
    ] = "sinc",
    override: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="A change of the config; may be repeated.", show_default=False
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Train each optimizer from so many seeds.")] = 5,
    max_seconds: Annotated[
        float | None, typer.Option(min=0.0, help="Train no run for longer.", show_default=False)
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Train again what has been trained before.")] = False,
    runs_dir: RunsDir = Path("runs"),
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the table as CSV on stdout.")] = False,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the table as Markdown on stdout.")
    ] = False,
) -> None:
    """Compare optimizers or runs: statistics over seeds, time to targets, a verdict."""
    if as_json + as_csv + as_markdown > 1:
        raise UsageError("--json, --csv and --markdown exclude each other.")
    from lmrun.compare.document import find_comparison, read_comparison, read_table

    stored = find_comparison(items[0], runs_dir) if len(items) == 1 else None
    if stored is not None:
        document = read_comparison(stored)
    else:
        from lmrun.cli.comparing import gather
        from lmrun.cli.swept import with_runs_of_sweeps
        from lmrun.compare.document import compare as compare_results
        from lmrun.compare.document import store
        from lmrun.compare.groups import title
        from lmrun.plotting.groups import plot_groups

        overrides = [*(override or ())]
        if max_seconds is not None:
            overrides.append(f"training.max_seconds={max_seconds:g}")
        results = gather(
            with_runs_of_sweeps(items, runs_dir), config, overrides, seeds, fresh=fresh, runs_dir=runs_dir
        )
        compared = compare_results(results, items)
        stored, document = (
            store(
                runs_dir, compared, lambda path: plot_groups(compared.groups, path, title(compared.groups))
            ),
            compared.document,
        )
    if as_json:
        from lmrun.runs.files import to_json

        typer.echo(to_json({**document, "comparison": str(stored.path)}), nl=False)
    elif as_csv or as_markdown:
        typer.echo(read_table(stored.csv if as_csv else stored.markdown), nl=False)
        for sentence in document["warnings"]:
            typer.echo(f"Careful: {sentence}", err=True)
    else:
        _show(document, stored.path, stored.figure)


def _show(document: dict[str, Any], path: Path, figure: Path) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for group in document["groups"]:
        table.add_column(Text(group["label"]), justify="right")
    for row in document["table"]:
        cells = [
            Text(text, style="bold green" if place == row["best"] else "")
            for place, text in enumerate(row["texts"])
        ]
        table.add_row(Text(row["name"], style="dim"), *cells)
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=200)
    console.print(table)
    console.print()
    console.print(Text(document["verdict"]["text"], style="bold"))
    for sentence in document["warnings"]:
        console.print(Text(f"Careful: {sentence}", style="yellow"))
    console.print()
    for label, value in (("figure", figure), ("stored", path), ("again", f"lmrun compare {path}")):
        console.print(Text.assemble((f"{label:<8}", "dim"), str(value)), soft_wrap=True)
