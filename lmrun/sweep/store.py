"""What a sweep remembers: its plan, written once, and events, appended. The rest lies in its runs."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from lmrun.config.document import Document, Place
from lmrun.config.load import validate_as
from lmrun.config.sweep import SweepConfig
from lmrun.errors import ConfigError, RunDirectoryError
from lmrun.runs.files import read_json, write_sealed_json, write_text_atomically
from lmrun.sweep.layout import SweepDirectory
from lmrun.sweep.plan import Plan, PlannedRun

SCHEMA_VERSION = 1
ATTEMPTS = 2
"""A run whose process was killed is tried once more, in a new process: it may have been another's fault."""

FAILED, CRASHED, RETRIED = "failed", "crashed", "retried"


@dataclass(frozen=True)
class Failure:
    """Why a run could not be trained.

    Attributes:
        reason: A sentence.
        code: The exit code that `lmrun train` would have had.
    """

    reason: str
    code: int


def write_plan(sweep: SweepDirectory, plan: Plan) -> None:
    """Make the directory of a sweep.

    Raises:
        RunDirectoryError: It cannot be written.
    """
    try:
        sweep.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunDirectoryError(
            f"Cannot make {sweep.path}: {error.strerror}. Choose another folder with --runs-dir."
        ) from error
    write_text_atomically(sweep.source, plan.source)
    document = {
        "schema_version": SCHEMA_VERSION,
        "settings": plan.settings.model_dump(mode="json", exclude={"base", "grid", "random"}),
        "base": plan.base,
        "base_path": str(plan.base_path),
        "runs": [asdict(run) for run in plan.runs],
    }
    # Last: where this file is, the sweep exists.
    write_sealed_json(sweep.plan, document)


def read_plan(sweep: SweepDirectory) -> Plan:
    """Read a sweep's plan as it was made; the user's files may have changed since.

    Raises:
        RunDirectoryError: It is damaged.
    """
    document = read_json(sweep.plan)
    try:
        settings = {**document["settings"], "base": document["base_path"]}
        source = sweep.source.read_text(encoding="utf-8")
        return Plan(
            name=sweep.name,
            settings=validate_as(
                Document(settings, values={(): Place(0, 1, 1, str(sweep.plan))}), SweepConfig
            ),
            source=source,
            base=str(document["base"]),
            base_path=Path(document["base_path"]),
            runs=TypeAdapter(tuple[PlannedRun, ...]).validate_python(document["runs"]),
        )
    except (KeyError, TypeError, OSError, UnicodeDecodeError, ValidationError, ConfigError) as error:
        raise RunDirectoryError(f"{sweep.plan} is damaged: {error}. Restore it, or sweep again.") from error


def plan_is_good(sweep: SweepDirectory) -> bool:
    """Whether a sweep has a plan that can be read."""
    try:
        return sweep.exists and bool(read_plan(sweep).runs)
    except RunDirectoryError:
        return False


def append(sweep: SweepDirectory, event: str, runs: Sequence[str], reason: str = "", code: int = 0) -> None:
    """Write an event of runs down, and let it reach the disk.

    Raises:
        RunDirectoryError: It cannot be written.
    """
    lines = [
        json.dumps({"event": event, "run": run, "reason": reason, "code": code}, ensure_ascii=False) + "\n"
        for run in runs
    ]
    try:
        with sweep.events.open("a+b") as file:
            # What a kill left half written is no line to continue.
            end = file.seek(0, os.SEEK_END)
            if end:
                file.seek(end - 1)
                lines[:0] = [] if file.read(1) == b"\n" else ["\n"]
            file.write("".join(lines).encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise RunDirectoryError(
            f"Cannot write {sweep.events}: {error.strerror}. Check the folder's permissions and free space."
        ) from error


def failures(sweep: SweepDirectory) -> dict[str, Failure]:
    """Return why runs could not be trained, by their names; half-written lines are none.

    Raises:
        RunDirectoryError: The file cannot be read.
    """
    found: dict[str, Failure] = {}
    crashes: dict[str, int] = {}
    for event in _events(sweep):
        kind, run = event.get("event"), str(event.get("run"))
        code = event.get("code")
        failure = Failure(str(event.get("reason")), code if isinstance(code, int) and code else 1)
        if kind == RETRIED:
            found.pop(run, None)
            crashes.pop(run, None)
        elif kind == FAILED:
            found[run] = failure
        elif kind == CRASHED:
            crashes[run] = crashes.get(run, 0) + 1
            if crashes[run] >= ATTEMPTS:
                found[run] = failure
    return found


def _events(sweep: SweepDirectory) -> Iterator[Mapping[str, Any]]:
    try:
        lines = sweep.events.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return
    except OSError as error:
        raise RunDirectoryError(f"Cannot read {sweep.events}: {error.strerror}.") from error
    for line in lines:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict):
            yield event


def remove_sweep(sweep: SweepDirectory) -> None:
    """Remove the directory of a sweep; its runs stay.

    Raises:
        RunDirectoryError: It is being trained, or cannot be removed.
    """
    with driving(sweep):
        try:
            shutil.rmtree(sweep.path)
        except OSError as error:
            raise RunDirectoryError(f"Cannot remove {sweep.path}: {error.strerror}.") from error


@contextmanager
def driving(sweep: SweepDirectory) -> Iterator[None]:
    """Hold a sweep: one process drives it.

    Raises:
        RunDirectoryError: Another process does.
    """
    lock = FileLock(sweep.lock)
    try:
        lock.acquire(timeout=0.3)
    except Timeout as error:
        raise RunDirectoryError(
            f"The sweep {sweep.name} is being trained by another process; wait for it, or stop it first."
        ) from error
    except OSError as error:
        raise RunDirectoryError(f"Cannot hold {sweep.lock}: {error.strerror}.") from error
    try:
        yield
    finally:
        lock.release()
