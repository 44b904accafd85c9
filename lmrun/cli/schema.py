"""`lmrun schema`: the JSON Schema of config files."""

from __future__ import annotations

import json

import typer


def schema() -> None:
    """Print the JSON Schema of config files, for completion and checks in an editor."""
    from lmrun.config.json_schema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))
