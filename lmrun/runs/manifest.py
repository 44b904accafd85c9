"""What is needed to tell where a run came from: versions, machine, command, commit, times."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import lmrun
from lmrun.runs.files import read_json, write_sealed_json
from lmrun.runs.layout import RunDirectory

SCHEMA_VERSION = 1
_PACKAGES = ("tensorflow", "keras", "numpy", "scipy")
_GIT_SECONDS = 5.0


def build_manifest(
    *,
    command: Sequence[str],
    dataset: str,
    optimizer: str,
    device: str,
    data_checksum: str,
    seed: int,
    precision: str,
    user_code: Mapping[str, str],
    columns: Mapping[str, Any],
) -> dict[str, Any]:
    """Describe a run that starts now; TensorFlow is not imported for its version.

    Args:
        command: The command line as typed, one word per item.
        dataset: Its name: `lmrun ls` reads this file alone.
        optimizer: Its name.
        device: The device that computes.
        data_checksum: SHA-256 of the data.
        seed: The effective seed.
        precision: `float32` or `float64`.
        user_code: SHA-256 of every file of the user's own code.
        columns: Names of `inputs` and `targets`, the `task`, and the number of exclusive `classes`.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "command": list(command),
        "working_directory": os.getcwd(),
        "dataset": dataset,
        "optimizer": optimizer,
        "seed": seed,
        "precision": precision,
        "device": device,
        "data_checksum": data_checksum,
        "user_code": dict(user_code),
        "columns": dict(columns),
        "versions": {
            "lmrun": lmrun.__version__,
            "python": platform.python_version(),
            **{package: _version(package) for package in _PACKAGES},
        },
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "git": _git_state(),
        "started": now(),
        "finished": None,
    }


def finish_manifest(run: RunDirectory) -> None:
    """Add the time of the end; a clock that was set back meanwhile lets no run end before it began.

    Raises:
        RunDirectoryError: The manifest is missing or damaged, or cannot be written.
    """
    manifest = read_json(run.manifest)
    write_sealed_json(run.manifest, {**manifest, "finished": max(now(), str(manifest.get("started") or ""))})


def now() -> str:
    """Return the time in UTC as ISO 8601 with microseconds; texts sort as the times do."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git_state() -> dict[str, Any] | None:
    """The current directory's commit and whether tracked files differ from it; None without either."""
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return None
    changes = _git("status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": None if changes is None else bool(changes)}


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ("git", *arguments),
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=True,
            stdin=subprocess.DEVNULL,
            # A look at the state must not take the lock of the user's index.
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
