"""Making a run that was stopped or damaged one that can go on, without losing what is still good.

What is found damaged is set aside under another name, never deleted. Killed on the way, it is simply done
again: each change is made as a whole, and leaves something that it would make the same of.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from lmrun.errors import RunDirectoryError
from lmrun.runs.checkpoints import Checkpoint, checkpoints_of, write_checkpoint
from lmrun.runs.checksums import checksum, damaged_files
from lmrun.runs.columns import HEADER, step_of
from lmrun.runs.files import cannot_write, read_json, replacing, write_text_atomically
from lmrun.runs.layout import RunDirectory
from lmrun.runs.lock import alone
from lmrun.runs.log import log_line
from lmrun.runs.summary import read_summary
from lmrun.status import Status

ASIDE = ".damaged"
"""What a file that was set aside ends in."""
ROWS, ROWS_CHECKSUM = "rows", "rows_checksum"
"""What a checkpoint's metadata say of `metrics.csv`: its rows, and the SHA-256 of the file with them."""


def put_right(run: RunDirectory, tell: Callable[[str], None]) -> None:
    """Mend a run that nobody trains, and note what was damaged in its log.

    Args:
        run: See `mend`.
        tell: Is told what was damaged, and what is used in its place.

    Raises:
        RunDirectoryError: Another process is training it; or see `mend`.
        StorageError: Nothing can be written.
    """
    with alone(run):
        for sentence in mend(run):
            log_line(run, sentence)
            tell(sentence)


def mend(run: RunDirectory) -> list[str]:
    """Leave a run whose newest checkpoint, metrics and documents are good; return what was to be said.

    The run is to be held (`lock.alone`). A run that has ended is to be ended again where something of it is
    damaged: its last checkpoint says that it needs no further step.

    Raises:
        RunDirectoryError: The run has ended and nothing is damaged, or what is cannot be mended.
        StorageError: Nothing can be written.
    """
    said: list[str] = []
    good = _checkpoints(run, said)
    if good:
        _documents(run, good[0], said)
    elif _damaged_documents(run):
        raise RunDirectoryError(
            f"{_damaged_documents(run)[0]} is damaged, and there is no checkpoint with a copy of it. "
            "Train again."
        )
    said += _ended(run, bool(said))
    if good:
        _metrics(run, good, said)
    return said


def _checkpoints(run: RunDirectory, said: list[str]) -> list[Checkpoint]:
    """The checkpoints that can be read, the newest first; those that cannot are set aside."""
    found = list(checkpoints_of(run))
    good = [checkpoint for _, checkpoint in found if checkpoint is not None]
    if found and not good:
        raise RunDirectoryError(f"All checkpoints in {run.checkpoints} are damaged. Train the run again.")
    for path, checkpoint in found:
        if checkpoint is None:
            _set_aside(path)
            older = path < run.checkpoint(good[0].step)
            said.append(
                f"{path} is damaged (its checksums are wrong). "
                + (
                    "The newer one is good."
                    if older
                    else f"The run goes on from the good checkpoint of step {good[0].step:,}, and makes the "
                    "steps since then again."
                )
            )
    return good


def _documents(run: RunDirectory, checkpoint: Checkpoint, said: list[str]) -> None:
    """Put back what the run began with."""
    for path in _damaged_documents(run, checkpoint):
        text = checkpoint.documents.get(path.name)
        if text is None:
            continue
        _keep(path)
        write_text_atomically(path, text)
        said.append(
            f"{path} was not the one that the run began with (SHA-256): damaged, or changed since. It is put "
            f"back from the checkpoint; what was there is kept as {path.name}{ASIDE}. For other settings "
            "start a run of their own: lmrun train FILE."
        )


def _damaged_documents(run: RunDirectory, checkpoint: Checkpoint | None = None) -> list[Path]:
    try:
        manifest = read_json(run.manifest)
    except RunDirectoryError:
        # Without it, nothing but the copies says what the others were.
        copies = {} if checkpoint is None else checkpoint.documents
        others = (path for path in run.documents if path != run.manifest)
        return [run.manifest, *(path for path in others if copies.get(path.name) != _text(path))]
    return list(damaged_files(run, manifest, thorough=True, missing=True))


def _text(path: Path) -> str | None:
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return None


def _ended(run: RunDirectory, mended: bool) -> Iterator[str]:
    """Take away the summary of an end that is to be written again."""
    try:
        summary = read_summary(run)
    except RunDirectoryError as error:
        _set_aside(run.summary)
        yield f"{str(error).partition(' Restore')[0]} It is written again."
        return
    if summary is None or summary.get("status") == Status.INTERRUPTED:
        return
    damaged = list(damaged_files(run, summary, thorough=True, missing=True))
    if not damaged and not mended:
        raise RunDirectoryError(
            f"The run {run.name} has ended ({summary.get('status')}); there is nothing to resume. To train "
            f"further, start again with higher limits: lmrun train {run.config} training.max_steps=..."
        )
    for path in damaged:
        if path != run.metrics:
            yield f"{path} is damaged or missing. It is written again from the last checkpoint."
    try:
        run.summary.unlink()
    except OSError as error:
        raise cannot_write(run.summary, error) from error


def _metrics(run: RunDirectory, good: list[Checkpoint], said: list[str]) -> None:
    """Go on from the newest checkpoint whose rows are what they were; save what can be read where none is."""
    newest = good[0]
    for checkpoint in good:
        if rows_are_good(run, checkpoint):
            if checkpoint is not newest:
                _set_aside(run.checkpoint(newest.step))
                said.append(
                    f"{run.metrics} is damaged in rows after step {checkpoint.step:,} (SHA-256). The run "
                    "goes on from the checkpoint of that step, and makes the steps and rows since then again."
                )
            return
    content = run.metrics.read_bytes() if run.metrics.is_file() else b""
    lines = content.decode(errors="replace").split("\n")
    kept = [line for line in lines if (step := step_of(line)) is not None and step <= newest.step]
    _keep(run.metrics)
    text = "".join(f"{line}\n" for line in [HEADER.decode().rstrip(), *kept])
    write_text_atomically(run.metrics, text)
    marks: dict[str, Any] = {ROWS: len(kept), ROWS_CHECKSUM: checksum(text.encode())}
    rows = newest.metadata[ROWS]
    mended = replace(newest, metadata={**newest.metadata, **marks})
    write_checkpoint(run, mended.step, mended.arrays, mended.metadata, mended.documents)
    said.append(
        f"{run.metrics} is damaged (SHA-256), and no checkpoint is older than that. {len(kept):,} of "
        f"{rows:,} rows can be read and are kept, though a digit may be wrong; the training goes on as it "
        f"would have. What was there is kept as {run.metrics.name}{ASIDE}. To have all rows again, train "
        f"again: lmrun train {run.config}"
    )


def rows_are_good(run: RunDirectory, checkpoint: Checkpoint) -> bool:
    """Whether the rows that a checkpoint counts are those that were written; earlier versions do not know."""
    rows, expected = checkpoint.metadata.get(ROWS), checkpoint.metadata.get(ROWS_CHECKSUM)
    if expected is None:
        return True
    digest = hashlib.sha256()
    try:
        with run.metrics.open("rb") as file:
            for _ in range(int(rows or 0) + 1):
                digest.update(file.readline())
    except OSError:
        return False
    return digest.hexdigest() == str(expected)


def _set_aside(path: Path) -> None:
    """Give a damaged file another name."""
    try:
        os.rename(path, _aside(path))
    except OSError as error:
        raise cannot_write(path, error) from error


def _keep(path: Path) -> None:
    """Copy a damaged file that is about to be replaced: without it, the directory would be no run's."""
    if path.is_file():
        with replacing(_aside(path)) as temporary:
            shutil.copyfile(path, temporary)


def _aside(path: Path) -> Path:
    """A name that nothing has."""
    names = itertools.chain([ASIDE], (f"{ASIDE}-{number}" for number in itertools.count(2)))
    candidates = (path.with_name(path.name + name) for name in names)
    return next(candidate for candidate in candidates if not os.path.lexists(candidate))
