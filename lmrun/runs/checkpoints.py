"""Checkpoints: arrays bit for bit and the numbers beside them, in one file that is whole or not there."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmrun.errors import RunDirectoryError
from lmrun.runs.files import cannot_write, replacing
from lmrun.runs.layout import CHECKPOINT_PATTERN, RunDirectory

SCHEMA_VERSION = 1
_HEAD = "checkpoint"
_KEPT_BEFORE = 1
# All that reading a file of arbitrary bytes as a ZIP of arrays is known to raise.
_DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    NotImplementedError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run after a step.

    Attributes:
        step: Number of steps done.
        arrays: By name, of any shape and any dtype but object.
        metadata: Whatever JSON can say, NaN and infinities included.
        documents: Copies of the run's text files by their names, for when those are damaged.
    """

    step: int
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    documents: dict[str, str] = field(default_factory=dict)


def write_checkpoint(
    run: RunDirectory,
    step: int,
    arrays: Mapping[str, NDArray[Any]],
    metadata: Mapping[str, Any],
    documents: Mapping[str, str] | None = None,
) -> None:
    """Write the checkpoint of a step and keep the one before it; all others go.

    Those of later steps go as well: they belong to a course that the run has left, as after a resume from an
    earlier checkpoint because the latest one was damaged.

    Raises:
        StorageError: It cannot be written; the older ones are still there.
        TypeError: An array holds objects, or the metadata cannot be said in JSON.
    """
    values = [np.asarray(array) for array in arrays.values()]
    if any(value.dtype.hasobject for value in values):
        raise TypeError("a checkpoint holds numbers and text, not objects")
    head = json.dumps(
        {
            "schema_version": SCHEMA_VERSION,
            "step": step,
            "arrays": list(arrays),
            "metadata": dict(metadata),
            "documents": dict(documents or {}),
        }
    )
    # Members are numbered, as a parameter's name may hold what a ZIP member's must not.
    members: dict[str, Any] = {
        _HEAD: np.array(head),
        **{_member(index): value for index, value in enumerate(values)},
    }
    # In memory first: on a full disk an archive that is half written complains once more as it is closed.
    content = io.BytesIO()
    np.savez(content, **members)
    try:
        run.checkpoints.mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(run.checkpoints, error) from error
    with replacing(run.checkpoint(step)) as temporary:
        temporary.write_bytes(content.getbuffer())
    _remove_all_but(run, step)


def read_checkpoint(run: RunDirectory) -> Checkpoint | None:
    """Return the newest checkpoint that can be read, or None where none was written.

    Raises:
        RunDirectoryError: There are checkpoints, but each one is damaged.
    """
    any_there = False
    for _, checkpoint in checkpoints_of(run):
        if checkpoint is not None:
            return checkpoint
        any_there = True
    if any_there:
        raise RunDirectoryError(f"All checkpoints in {run.checkpoints} are damaged. Train the run again.")
    return None


def checkpoints_of(run: RunDirectory) -> Iterator[tuple[Path, Checkpoint | None]]:
    """Yield the checkpoints, the newest first; None for one that is damaged."""
    for path in _newest_first(run):
        yield path, _read(path)


def _read(path: Path) -> Checkpoint | None:
    try:
        with zipfile.ZipFile(path) as file:
            # Checked as a whole first: a damaged header must not ask for a huge array.
            if file.testzip() is not None:
                return None
        with np.load(path, allow_pickle=False) as members:
            head = json.loads(str(members[_HEAD]))
            if head["schema_version"] != SCHEMA_VERSION:
                return None
            arrays = {name: members[_member(index)] for index, name in enumerate(head["arrays"])}
            return Checkpoint(head["step"], arrays, head["metadata"], head.get("documents", {}))
    except _DAMAGE:
        return None


def _member(index: int) -> str:
    return f"array-{index}"


def _newest_first(run: RunDirectory) -> list[Path]:
    return sorted(run.checkpoints.glob(CHECKPOINT_PATTERN), reverse=True)


def _remove_all_but(run: RunDirectory, step: int) -> None:
    written = run.checkpoint(step)
    paths = _newest_first(run)
    kept = {written, *[path for path in paths if path < written][:_KEPT_BEFORE]}
    for path in paths:
        if path not in kept:
            # One too many does no harm.
            with suppress(OSError):
                path.unlink()
