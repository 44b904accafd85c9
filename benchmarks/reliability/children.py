"""lmrun's command line in forked processes: a start of TensorFlow is paid once, not per fault.

The parent imports everything and computes nothing, so that it has no threads that a fork would lose.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

Setup = Callable[[], None]
PIPE = 1 << 20
"""Bytes that a process may write before anybody reads them."""


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        code: Its exit code; negative for a signal.
        said: What it wrote to stdout and stderr.
        seconds: How long it took.
    """

    code: int
    said: str
    seconds: float

    @property
    def killed(self) -> bool:
        """Whether SIGKILL ended it."""
        return self.code == -signal.SIGKILL

    @property
    def clumsy(self) -> bool:
        """Whether a user saw a traceback, or was told of a mistake in lmrun."""
        return "Traceback" in self.said or "Exception ignored" in self.said or "mistake in lmrun" in self.said


def warm_up() -> None:
    """Import all that a training needs, without a thread of TensorFlow's."""
    os.environ["LMRUN_CACHE"] = "off"
    from lmrun.quiet import load_tensorflow

    load_tensorflow()
    for module in ("keras", "pandas", "lmrun.cli", "lmrun.predict.predictor", "lmrun.training.session"):
        import_module(module)


@dataclass(frozen=True)
class Child:
    """A forked process.

    Attributes:
        pid: Its number.
        said: A pipe that it writes to.
        began: When.
    """

    pid: int
    said: int
    began: float

    def end(self, kill_after: float | None = None) -> Ended:
        """Wait for its end, or bring it about after some seconds."""
        with open(self.said, "rb") as said:
            status = _wait(self.pid, kill_after)
            seconds = time.monotonic() - self.began
            text = said.read().decode(errors="replace")
        return Ended(os.waitstatus_to_exitcode(status), text, seconds)


def start(work: Callable[[], int], setup: Setup | None = None) -> Child:
    """Do something in a forked process.

    Args:
        work: Returns the exit code.
        setup: What to break before.
    """
    began = time.monotonic()
    # Not a file, for which the disk may be full, too.
    said, says = os.pipe()
    fcntl.fcntl(says, fcntl.F_SETPIPE_SZ, PIPE)
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _be_child(work, setup, says)
    os.close(says)
    return Child(child, said, began)


def start_lmrun(*words: Any, setup: Setup | None = None) -> Child:
    """Start a command of lmrun's in a forked process."""
    return start(lambda: _command([str(word) for word in words]), setup)


def lmrun(*words: Any, setup: Setup | None = None, kill_after: float | None = None) -> Ended:
    """Run a command of lmrun's in a forked process, to its end or until it is killed after some seconds."""
    return start_lmrun(*words, setup=setup).end(kill_after)


def _be_child(work: Callable[[], int], setup: Setup | None, said: int) -> None:
    """Never returns."""
    code = 99
    try:
        os.dup2(said, 1)
        os.dup2(said, 2)
        if setup is not None:
            setup()
        code = work()
    finally:
        # What a process does at its end, less the test of the parent's.
        sys.setprofile(None)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _command(words: Sequence[str]) -> int:
    import lmrun.cli

    sys.argv = ["lmrun", *words]
    try:
        lmrun.cli.main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException as error:  # noqa: BLE001 - as Python would show it
        sys.excepthook(type(error), error, error.__traceback__)
        return 1
    return 0


def _wait(child: int, kill_after: float | None) -> int:
    if kill_after is not None:
        deadline = time.monotonic() + kill_after
        while time.monotonic() < deadline:
            found, status = os.waitpid(child, os.WNOHANG)
            if found:
                return status
            time.sleep(0.0005)
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]
