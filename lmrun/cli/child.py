"""One run of a comparison, trained in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

import typer

from lmrun.config.dump import to_yaml
from lmrun.config.load import LoadedConfig
from lmrun.errors import LmrunError, RunDirectoryError
from lmrun.runs.create import draw_name
from lmrun.runs.layout import RunDirectory
from lmrun.runs.metrics import last_row
from lmrun.runs.summary import read_summary
from lmrun.training.interrupt import PARENT

LOOK_SECONDS = 0.3
INTERRUPTED = 130


@dataclass(frozen=True)
class Wanted:
    """One run that a comparison needs.

    Attributes:
        item: The optimizer's name as it was asked for.
        loaded: Its config.
    """

    item: str
    loaded: LoadedConfig

    @property
    def text(self) -> str:
        """The resolved config, as the run directory keeps it."""
        return to_yaml(self.loaded.config)


def train(need: Wanted, config: str, overrides: Sequence[str], runs_dir: Path, counted: str) -> RunDirectory:
    """Train one run, showing its latest row; an interruption ends it after its step, and this command.

    Raises:
        LmrunError: It could not be trained; its text is that of the process.
    """
    settings = need.loaded.config
    name = draw_name(settings.dataset.name, settings.optimizer.name, settings.seed)
    # Without -P a file of the user's own named like a module of the library would come first.
    command = [sys.executable, "-P", "-m", "lmrun", *typed(need, config, overrides, runs_dir, name)]
    title, run = f"{need.item}, seed {settings.seed} ({counted})", RunDirectory(runs_dir / name)
    # A file, not a pipe: whatever the process writes, nobody has to read it meanwhile.
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        # Whatever ends this process, SIGKILL included, ends its child's run with a checkpoint.
        environment = {**os.environ, PARENT: str(os.getpid())}
        process = subprocess.Popen(command, stdout=said, stderr=said, env=environment)
        try:
            with _sigterm_as_interrupt():
                _watch(process, title, run)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        finally:
            if process.poll() is None:
                # It finishes its step and writes a checkpoint.
                process.terminate()
                process.wait()
        if process.returncode == INTERRUPTED:
            raise typer.Exit(INTERRUPTED)
        summary = read_summary(run) if run.exists else None
        if summary is None:
            raise _failed(title, said, process.returncode)
    seconds, loss = summary.get("seconds"), summary.get("best_loss")
    words = "not finite" if loss is None else f"{loss:.2e}"
    typer.echo(f"{title}: loss {words}, {seconds:.1f} s, {summary.get('status')}", err=True)
    return run


def typed(need: Wanted, config: str, overrides: Sequence[str], runs_dir: Path, name: str) -> list[str]:
    """Return what trains a run under a name, as it would be typed after `lmrun`."""
    arguments = [config, f"optimizer={need.item}", *overrides, f"seed={need.loaded.config.seed}"]
    return ["train", *arguments, "--quiet", "--name", name, "--runs-dir", str(runs_dir)]


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Let SIGTERM end the child as Ctrl-C does, instead of leaving it alone."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _watch(process: subprocess.Popen[bytes], title: str, run: RunDirectory) -> None:
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    with console.status(f"{title}: starting") as status:
        while process.poll() is None:
            time.sleep(LOOK_SECONDS)
            try:
                row = last_row(run)
            except RunDirectoryError:
                # What the process writes just now is none of its watcher's business.
                continue
            if "loss" in row:
                words = f"step {row['step']:,.0f}, {row['seconds']:.1f} s, loss {row['loss']:.3e}"
                status.update(f"{title}: {words}")


def _failed(title: str, said: IO[str], code: int) -> LmrunError:
    said.seek(0)
    reason = said.read().strip()
    if code < 0:
        name = signal.Signals(-code).name
        reason += f"\nIts process was ended by {name}; if nobody did that, the memory ran out."
    error = LmrunError(f"{title} could not be trained:\n{reason.strip()}")
    error.exit_code = code if code > 0 else 1  # type: ignore[misc]
    return error
