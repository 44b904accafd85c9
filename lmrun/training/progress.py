"""How a run shows its progress: live on a terminal, a line now and then elsewhere, or not at all."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol, TextIO

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.text import Text

from lmrun.training.progress_text import (
    ASCII_BLOCKS,
    BLOCKS,
    SEPARATOR,
    Limits,
    fit,
    seconds_left,
    sparkline,
)
from lmrun.training.progress_track import Row, Track

__all__ = [
    "Limits",
    "PlainProgress",
    "Progress",
    "SilentProgress",
    "TerminalProgress",
    "make_progress",
    "seconds_left",
    "sparkline",
]

WIDEST = 80
SHORTEST_TITLE = 10
REFRESHES_PER_SECOND = 5
Items = Sequence[tuple[str, str]]


class Progress(Protocol):
    """What the loop tells a display; `finish` must be called, also after an error."""

    def start(self, title: str, limits: Limits) -> None:
        """Begin: what is trained, and what will end it."""

    def update(self, rows: Sequence[Row]) -> None:
        """Take the latest rows of the metrics in."""

    def finish(self, message: str) -> None:
        """End, and say how the run ended; an empty message says nothing."""


def make_progress(quiet: bool, log_seconds: float, stream: TextIO | None = None) -> Progress:
    """Return the display that suits a stream.

    Args:
        quiet: Show nothing.
        log_seconds: From one line to the next where the stream is no terminal.
        stream: Where to write; stderr when left out.
    """
    stream = sys.stderr if stream is None else stream
    if quiet:
        return SilentProgress()
    # Asked here, as Rich takes a pipe for a terminal when FORCE_COLOR is set.
    if stream.isatty():
        console = Console(file=stream, highlight=False)
        if not console.is_dumb_terminal:
            return TerminalProgress(console)
    return PlainProgress(log_seconds, stream)


class SilentProgress:
    """Nothing."""

    def start(self, title: str, limits: Limits) -> None:
        """Show nothing."""

    def update(self, rows: Sequence[Row]) -> None:
        """Show nothing."""

    def finish(self, message: str) -> None:
        """Show nothing."""


class PlainProgress:
    """One plain line per interval.

    Args:
        log_seconds: From one line to the next.
        stream: Where to write; a stream that breaks does not end the training.
        now: A clock in seconds.
    """

    def __init__(self, log_seconds: float, stream: TextIO, now: Callable[[], float] = time.monotonic) -> None:
        self._log_seconds = log_seconds
        self._stream = stream
        self._now = now
        self._track = Track(now)
        self._written = now()
        self._news = False

    def start(self, title: str, limits: Limits) -> None:
        """Write the title."""
        self._track.start(limits)
        self._written = self._now()
        self._write(title)

    def update(self, rows: Sequence[Row]) -> None:
        """Write a line when the last one is old enough."""
        self._track.update(rows)
        self._news = True
        if self._now() - self._written >= self._log_seconds:
            self._write_state()

    def finish(self, message: str) -> None:
        """Write the last state, where it was not written yet, and the message."""
        self._track.finish()
        if self._news:
            self._write_state()
        if message:
            self._write(message)

    def _write_state(self) -> None:
        track = self._track
        self._write(", ".join(_texts([*track.course(), *track.losses(), *track.times()])))
        self._written = self._now()
        self._news = False

    def _write(self, line: str) -> None:
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        with suppress(OSError, ValueError):
            self._stream.write(line.encode(encoding, "replace").decode(encoding) + "\n")
            self._stream.flush()


class TerminalProgress:
    """A live display of four lines, redrawn by a thread of its own: it goes on through long steps.

    Args:
        console: A Rich console on a terminal.
        now: A clock in seconds.
    """

    def __init__(self, console: Console, now: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._track = Track(now)
        self._title = ""
        self._live = Live(
            self,
            console=console,
            refresh_per_second=REFRESHES_PER_SECOND,
            redirect_stdout=False,
            redirect_stderr=console.file is sys.stderr,
        )

    def start(self, title: str, limits: Limits) -> None:
        """Show the display."""
        self._title = title
        self._track.start(limits)
        with suppress(OSError):
            self._live.start(refresh=True)

    def update(self, rows: Sequence[Row]) -> None:
        """Take rows in; they are seen at the next refresh."""
        self._track.update(rows)

    def finish(self, message: str) -> None:
        """Leave the last state on the screen and write the message below."""
        self._track.finish()
        with suppress(OSError):
            self._live.stop()
            if message:
                self._console.print(Text(message))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the lines for the terminal's width of this moment."""
        track, width = self._track, min(options.max_width, WIDEST)
        separator = " | " if options.ascii_only else SEPARATOR
        blocks = ASCII_BLOCKS if options.ascii_only else BLOCKS
        title = self._title.replace(SEPARATOR, separator)
        yield Group(
            _ends(title, separator.join(_texts(track.times())), width),
            _line(track.losses(), width, separator),
            Text(sparkline(track.history.values, width, blocks), style="cyan", no_wrap=True),
            _line(track.course(), width, separator),
        )


def _texts(items: Items) -> list[str]:
    return [f"{label} {text}" if label else text for label, text in items]


def _ends(left: str, right: str, width: int) -> Text:
    """A title at the left, cut where it must be, and where there is room for both a text at the right end."""
    room = width - len(right) - 2
    if room < SHORTEST_TITLE:
        return Text(left[:width], style="bold", no_wrap=True)
    title = left if len(left) <= room else left[:room]
    gap = width - len(title) - len(right)
    return Text.assemble((title, "bold"), " " * gap, (right, "dim"), no_wrap=True)


def _line(items: Items, width: int, separator: str) -> Text:
    """The leading items that fit, their labels dim."""
    shown = fit(_texts(items), width, separator)
    line = Text(no_wrap=True)
    for text, (label, _) in zip(shown, items, strict=False):
        line.append(separator if line else "", "dim").append(text[: len(label)], "dim").append(
            text[len(label) :]
        )
    return line
