"""Start one worker process, wait for it, and read its record; one that fails is a row, not a crash."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from benchmarks import environments, machine

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONUNBUFFERED": "1", "KERAS_BACKEND": "tensorflow"}

ERROR = re.compile(r"[\w.]+(Error|Exception)\b")
"""How the last line of a traceback begins."""
TURN_SECONDS = 30.0


class WorkerFailedError(Exception):
    """A worker did not write its record; the message says why."""


class Turns:
    """Lock files that others who compute on this machine also wait for; entered for each worker.

    They are given back on leaving after TURN_SECONDS, so that several short workers make one turn.

    Args:
        paths: The files, in the order in which they are locked; None stands for none.
    """

    def __init__(self, *paths: Path | None) -> None:
        self.paths = [path for path in paths if path is not None]
        self._files: list[IO[str]] = []
        self._since = 0.0

    def __enter__(self) -> None:
        if self._files:
            return
        for path in self.paths:
            self._files.append(path.open("w"))
            fcntl.flock(self._files[-1], fcntl.LOCK_EX)
        self._since = time.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if time.monotonic() - self._since >= TURN_SECONDS:
            while self._files:
                self._files.pop().close()


def end_workers_with_me() -> None:
    """Let a SIGTERM end the worker of the moment, too, as Ctrl-C does."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def run(
    interpreter: Path,
    module: str,
    arguments: Sequence[str],
    *,
    record: Path,
    variables: Mapping[str, str],
    timeout: float,
    turns: Turns,
) -> dict[str, Any]:
    """Run a module in a process of its own and return the JSON document that it writes.

    The document gets `others`: how many cores other processes used meanwhile, on average; and
    `process_seconds`: from its start to its end, imports included.

    Args:
        interpreter: Of the worker's environment.
        module: The worker.
        arguments: Its command line.
        record: The file that it writes.
        variables: Environment variables besides the present ones.
        timeout: In seconds.
        turns: Held while it runs.

    Raises:
        WorkerFailedError: It ends without a record, or not in time.
    """
    record.unlink(missing_ok=True)
    command = [str(interpreter), "-m", module, *arguments]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output, turns:
        begin, others = time.monotonic(), machine.seconds_of_others()
        process = subprocess.Popen(
            command,
            cwd=environments.ROOT,
            env={**os.environ, **QUIET, **variables},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise WorkerFailedError(f"did not end within {timeout:.0f} s") from None
        finally:
            _end(process)
        seconds = time.monotonic() - begin
        others = (machine.seconds_of_others() - others) / seconds
        output.seek(0)
        text = output.read()
    if process.returncode != 0 or not record.exists():
        raise WorkerFailedError(_reason(process.returncode, text))
    document: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
    return document | {"others": max(0.0, others), "process_seconds": seconds}


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the worker and what it has started, where it still runs."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _reason(code: int, text: str) -> str:
    """Return the error that a worker's output names last, else its last line."""
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if ERROR.match(line)]
    return (errors or lines or [f"ended with {code} and said nothing"])[-1][:300]
