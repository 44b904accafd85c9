"""A new run directory: complete before it can be seen, and never in the place of another."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lmrun.errors import RunDirectoryError, UsageError
from lmrun.runs.checksums import FILES, checksums_of
from lmrun.runs.files import cannot_write, sync, temporary_name, write_sealed_json, write_text_atomically
from lmrun.runs.layout import RunDirectory

LATEST = "latest"
"""The word for the newest run; no run may have it as its name."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,119}")
_DRAWS = 100


def create_run(
    runs_dir: Path,
    *,
    dataset: str,
    optimizer: str,
    seed: int,
    name: str | None,
    config_yaml: str,
    source: str,
    overrides: Sequence[str],
    manifest: Mapping[str, Any],
) -> RunDirectory:
    """Make the directory of a new run with everything that is known before its first step.

    It is built under a hidden name and then renamed: a process killed on the way leaves no half-made run.

    Args:
        runs_dir: The folder of all runs; made where it is missing.
        dataset: The dataset's name.
        optimizer: The optimizer's name.
        seed: The effective seed.
        name: The run's name; None for `YYYYMMDD-HHMMSS-dataset-optimizer-sSEED-xxxx` (UTC, random hexadecimal
            digits).
        config_yaml: The resolved config.
        source: The user's file as it was.
        overrides: The `KEY=VALUE` overrides in their order.
        manifest: What `build_manifest` returns.

    Raises:
        UsageError: `name` has other characters than letters, digits, `.`, `_` and `-`, or is a reserved word.
        RunDirectoryError: A run of this name exists, or the directory cannot be written.
    """
    names = [check_name(name)] if name is not None else _draws(dataset, optimizer, seed)
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        hidden = runs_dir / temporary_name(names[0])
        hidden.mkdir()
    except OSError as error:
        raise RunDirectoryError(
            f"Cannot make a run in {runs_dir}: {error.strerror}. Choose another folder with --runs-dir."
        ) from error
    try:
        _fill(RunDirectory(hidden), config_yaml, source, overrides, manifest)
        for candidate in names:
            if _rename_to_new(hidden, runs_dir / candidate):
                sync(runs_dir)
                return RunDirectory(runs_dir / candidate)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    raise RunDirectoryError(
        f"{runs_dir / names[0]} exists and is not overwritten. Choose another name, or remove it first."
    )


def check_name(name: str) -> str:
    """Return a run's name as it is.

    Raises:
        UsageError: It is not a valid name.
    """
    if name == LATEST or not _NAME.fullmatch(name):
        raise UsageError(
            f"'{name}' cannot be the name of a run: use up to 120 letters, digits, '.', '_' and '-', "
            f"starting with a letter or digit, and not the word '{LATEST}'."
        )
    return name


def draw_name(dataset: str, optimizer: str, seed: int) -> str:
    """Return a name that a run without one could get; another draw gives another name."""
    started = f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    return f"{started}-{dataset}-{optimizer}-s{seed}-{secrets.token_hex(2)}"


def _draws(dataset: str, optimizer: str, seed: int) -> list[str]:
    return [draw_name(dataset, optimizer, seed) for _ in range(_DRAWS)]


def _fill(
    run: RunDirectory, config_yaml: str, source: str, overrides: Sequence[str], manifest: Mapping[str, Any]
) -> None:
    for folder in run.folders:
        try:
            folder.mkdir()
        except OSError as error:
            raise cannot_write(folder, error) from error
    write_text_atomically(run.config, config_yaml)
    write_text_atomically(run.source, source)
    write_text_atomically(run.overrides, "".join(f"{override}\n" for override in overrides))
    files = checksums_of(run, (run.config, run.source, run.overrides))
    write_sealed_json(run.manifest, {**manifest, FILES: files})


def _rename_to_new(hidden: Path, target: Path) -> bool:
    # rename() would take the place of an empty directory, hence the look before; one that another process
    # makes in between is a full run, which rename() refuses.
    if os.path.lexists(target):
        return False
    try:
        os.rename(hidden, target)
    except OSError as error:
        if os.path.lexists(target):
            return False
        raise RunDirectoryError(
            f"Cannot make {target}: {error.strerror}. Choose another --runs-dir."
        ) from error
    return True
