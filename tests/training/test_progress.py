import io
import math
import os
import pty
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from lmrun.training.progress import (
    Limits,
    PlainProgress,
    SilentProgress,
    TerminalProgress,
    make_progress,
    seconds_left,
    sparkline,
)
from lmrun.training.progress_text import ASCII_BLOCKS, BLOCKS, clock, fit, number, rate
from lmrun.training.progress_track import History, Track

ROW = {"step": 3, "epoch": 3, "seconds": 1.5, "loss": 0.25, "damping": 1e-3, "gain_ratio": 0.5}
floats = st.none() | st.floats()


class Clock:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def frame(progress: TerminalProgress, width: int, encoding: str = "utf-8") -> list[str]:
    class Stream(io.StringIO):
        @property
        def encoding(self) -> str:  # type: ignore[override]
            return encoding

    stream = Stream()
    Console(file=stream, width=width, color_system=None, legacy_windows=False).print(progress)
    return stream.getvalue().splitlines()


def terminal(now: Clock) -> TerminalProgress:
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    progress = TerminalProgress(console, now)
    progress._title = "sinc · lm · seed 10"
    progress._track.start(Limits(max_steps=43, target_loss=1e-8))
    return progress


def test_sparkline_is_logarithmic() -> None:
    assert sparkline([1e7, 1e6, 1e5, 1e4, 1e3, 1e2, 1e1, 1e0], 20) == "█▇▆▅▄▃▂▁"
    assert sparkline([1e0, 1e-7], 20) == "█▁"


def test_sparkline_takes_the_geometric_mean_of_a_cell() -> None:
    # Cells: 10^7, 10^3.5 (of 10^6 and 10^1), 10^0.
    assert sparkline([1e7, 1e7, 1e6, 1e1, 1.0, 1.0], 3) == "█▅▁"


def test_sparkline_gaps_and_the_bottom() -> None:
    assert sparkline([10.0, None, math.nan, math.inf, 0.0, -1.0, 1.0], 9) == "█   ▁▁▁"
    assert sparkline([0.0, -1.0], 9) == "▁▁"
    assert sparkline([None, math.nan], 9) == "  "
    assert sparkline([2.0, 2.0, 2.0], 9) == "▄▄▄"
    assert sparkline([1e3, 0.0], 1) == "▄"


@pytest.mark.parametrize("width", [0, -3])
def test_sparkline_without_room(width: int) -> None:
    assert sparkline([1.0, 2.0], width) == ""
    assert sparkline([], 5) == ""


@given(st.lists(floats), st.integers(1, 30))
def test_sparkline_never_breaks(values: list[float | None], width: int) -> None:
    line = sparkline(values, width)
    assert len(line) == min(width, len(values))
    assert set(line) <= set(BLOCKS + " ")


@given(st.lists(st.floats(1e-300, 1e300), min_size=1, max_size=10), st.floats(0.1, 10))
def test_sparkline_levels_follow_the_values(values: list[float], factor: float) -> None:
    levels = [BLOCKS.index(character) for character in sparkline(values, 10)]
    pairs = [(a, b) for a in zip(values, levels, strict=True) for b in zip(values, levels, strict=True)]
    assert all(a[1] <= b[1] for a, b in pairs if a[0] <= b[0])


def left(limits: Limits, age: float = 0.0, rate: float | None = 2.0) -> float | None:
    return seconds_left(
        limits, step=10, epoch=5, seconds=7.0, steps_per_second=rate, epochs_per_second=1.0, age=age
    )


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(), None),
        (Limits(target_loss=1e-8), None),
        (Limits(max_steps=30), 10.0),
        (Limits(max_epochs=9), 4.0),
        (Limits(max_seconds=10.0), 3.0),
        (Limits(max_steps=30, max_epochs=9, max_seconds=10.0), 3.0),
        (Limits(max_steps=30, max_epochs=9, max_seconds=100.0), 4.0),
        (Limits(max_steps=14, max_epochs=9, max_seconds=100.0), 2.0),
        (Limits(max_steps=5), 0.0),
        (Limits(max_seconds=5.0), 0.0),
    ],
)
def test_seconds_left_to_the_nearest_limit(limits: Limits, expected: float | None) -> None:
    assert left(limits) == expected


def test_seconds_left_without_a_rate_and_between_rows() -> None:
    assert left(Limits(max_steps=30), rate=None) is None
    assert left(Limits(max_steps=30), rate=0.0) is None
    assert left(Limits(max_steps=30, max_seconds=10.0), rate=None) == 3.0
    assert left(Limits(max_steps=30), age=4.0) == 6.0
    assert left(Limits(max_steps=30), age=40.0) == 0.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.9, "0:00"),
        (61, "1:01"),
        (3599.9, "59:59"),
        (3600, "1:00:00"),
        (86400 + 3661, "1 d 1:01:01"),
        (90 * 86400, "90 d 0:00:00"),
    ],
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (0.0, "0"),
        (1e-8, "1.000e-08"),
        (0.001, "1.000e-03"),
        (0.01, "0.01000"),
        (2.0, "2.000"),
        (-123.456, "-123.5"),
        (9999.0, "9999"),
        (12345.0, "1.234e+04"),
    ],
)
def test_number(value: float | None, text: str) -> None:
    assert number(value) == text


def test_rate() -> None:
    assert [rate(value) for value in (0.0123, 45.23, 123456.7)] == [
        "0.0123 steps/s",
        "45.2 steps/s",
        "123,457 steps/s",
    ]


def test_fit_keeps_what_fits() -> None:
    items = ["loss 1", "best 2", "x"]
    assert fit(items, 100, " | ") == items
    assert fit(items, 19, " | ") == items
    assert fit(items, 18, " | ") == items[:2]
    assert fit(items, 14, " | ") == items[:1]
    assert fit(items, 3, " | ") == ["los"]
    assert fit(items, -1, " | ") == [""]
    assert fit([], 10) == []


@given(st.lists(st.integers(0, 50), max_size=12))
def test_history_keeps_even_distances(blocks: list[int]) -> None:
    history = History(capacity=16)
    total = 0
    for size in blocks:
        history.extend([float(total + index) for index in range(size)])
        total += size
    stride = 1
    while math.ceil(total / stride) > 16:
        stride *= 2
    assert history.values == [float(value) for value in range(0, total, stride)]


def test_track_remembers_best_and_last_known_values() -> None:
    now = Clock()
    track = Track(now)
    track.start(Limits(max_seconds=60.0))
    assert track.steps_per_second is None
    assert track.left == 60.0
    track.update([])
    track.update([{**ROW, "step": 0, "epoch": 0, "seconds": 1.0, "loss": math.nan, "validation_loss": 7.0}])
    track.update([{**ROW, "loss": 0.25}, {**ROW, "step": 4, "epoch": 4, "seconds": 3.0, "loss": None}])
    now.time += 2
    assert track.best == 0.25
    assert track.latest["validation_loss"] == 7.0
    assert track.steps_per_second == 4 / 2.0
    assert track.seconds == 5.0
    assert track.left == 55.0
    track.finish()
    assert track.left is None


def test_track_forgets_an_old_rate() -> None:
    track = Track(Clock())
    for index in range(100):
        steps = index if index < 50 else 50 + 10 * (index - 50)
        track.update([{"step": steps, "epoch": 1, "seconds": float(index), "loss": 1.0}])
    assert track.steps_per_second == pytest.approx(10.0)


def test_track_sees_only_the_time_of_a_block() -> None:
    track = Track(Clock())
    rows = [
        {"step": index, "epoch": index, "seconds": index * 1e-5, "loss": 1.0 + index} for index in range(5000)
    ]
    track.update(rows[:1])
    track.update(rows[1:])
    assert track.steps_per_second == pytest.approx(1e5)
    assert track.best == 1.0


def test_updates_are_cheap() -> None:
    progress = terminal(Clock())
    row = dict(ROW)
    best = math.inf
    for _ in range(5):
        begin = time.process_time()
        for _ in range(200):
            progress.update([row])
        best = min(best, (time.process_time() - begin) / 200)
    assert best < 50e-6


def test_a_frame() -> None:
    now = Clock()
    progress = terminal(now)
    progress.update([{**ROW, "step": 0, "epoch": 0, "seconds": 0.5, "loss": 2.5, "gain_ratio": None}])
    progress.update([{**ROW, "validation_loss": 12345.0}])
    now.time += 1.0
    assert frame(progress, 100) == [
        "sinc · lm · seed 10" + " " * 45 + "0:02 · 0:12 left",
        "loss 0.2500 · best 0.2500 · validation 1.234e+04 · target 1e-08",
        "█▁",
        "step 3 of 43 · 3 steps/s · damping 1.00e-03 · gain ratio 0.500",
    ]


@pytest.mark.parametrize("width", [1, 5, 20, 34, 60, 200])
def test_frames_of_any_width_have_four_lines_that_fit(width: int) -> None:
    progress = terminal(Clock())
    progress.update([{**ROW, "step": step, "epoch": step} for step in range(300)])
    lines = frame(progress, width)
    assert len(lines) == 4
    assert max(map(len, lines)) <= min(width, 80)
    assert lines[2].strip() == "▄" * min(width, 80)


def test_a_narrow_frame_keeps_the_most_important() -> None:
    progress = terminal(Clock())
    progress.update([{**ROW, "step": 0, "epoch": 0, "seconds": 0.5, "loss": None}])
    progress.update([ROW])
    assert frame(progress, 34) == [
        "sinc · lm · seed  0:01 · 0:13 left",
        "loss 0.2500 · best 0.2500",
        " ▄",
        "step 3 of 43 · 3 steps/s",
    ]


def test_a_frame_before_the_first_row() -> None:
    assert frame(terminal(Clock()), 60)[1:] == ["loss - · best - · target 1e-08", "", "step 0 of 43"]


def test_a_terminal_without_unicode() -> None:
    progress = terminal(Clock())
    progress.update([{**ROW, "loss": 1.0}, ROW])
    lines = frame(progress, 80, "ascii")
    assert lines[0].startswith("sinc | lm | seed 10 ")
    assert lines[2] == ASCII_BLOCKS[-1] + ASCII_BLOCKS[0]
    assert all(line.isascii() for line in lines)


def test_plain_lines_come_at_their_interval() -> None:
    now, stream = Clock(), io.StringIO()
    progress = PlainProgress(10.0, stream, now)
    progress.start("sinc · lm · seed 10", Limits(max_steps=6))
    progress.update([{**ROW, "step": 0, "epoch": 0, "seconds": 0.0, "loss": 1.0}])
    now.time += 9.9
    progress.update([{**ROW, "step": 2, "epoch": 2, "seconds": 9.9}])
    assert stream.getvalue() == "sinc · lm · seed 10\n"
    now.time += 0.1
    progress.update([{**ROW, "seconds": 10.0}])
    line = (
        "step 3 of 6, 0.3 steps/s, damping 1.00e-03, gain ratio 0.500, "
        "loss 0.2500, best 0.2500, 0:10, 0:10 left"
    )
    assert stream.getvalue().splitlines()[1:] == [line]
    progress.finish("Done.")
    assert stream.getvalue().splitlines()[1:] == [line, "Done."]


def test_plain_ends_with_the_last_state() -> None:
    stream = io.StringIO()
    progress = PlainProgress(10.0, stream, Clock())
    progress.start("title", Limits(max_steps=6, max_seconds=60.0))
    progress.update([ROW])
    progress.finish("")
    assert stream.getvalue().splitlines() == [
        "title",
        "step 3 of 6, damping 1.00e-03, gain ratio 0.500, loss 0.2500, best 0.2500, 0:01",
    ]


def test_plain_shows_epochs_of_mini_batches_and_accuracy() -> None:
    stream = io.StringIO()
    progress = PlainProgress(10.0, stream, Clock())
    progress.start("title", Limits(max_epochs=5))
    progress.update([{"step": 1200, "epoch": 2, "seconds": 3.0, "loss": 0.1, "validation_accuracy": 0.9812}])
    progress.finish("")
    assert stream.getvalue().splitlines()[1] == (
        "step 1,200, epoch 2 of 5, loss 0.1000, best 0.1000, validation accuracy 98.12%, 0:03"
    )


def test_a_broken_stream_does_not_end_the_training() -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    closed = io.StringIO()
    closed.close()
    for stream in (Broken(), closed):
        progress = PlainProgress(0.0, stream, Clock())
        progress.start("title", Limits())
        progress.update([ROW])
        progress.finish("Done.")


def test_a_stream_without_unicode() -> None:
    raw = io.BytesIO()
    progress = PlainProgress(0.0, io.TextIOWrapper(raw, encoding="ascii"), Clock())
    progress.start("sinc · lm", Limits())
    assert raw.getvalue() == b"sinc ? lm\n"


def test_make_progress_without_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert isinstance(make_progress(True, 10.0), SilentProgress)
    progress = make_progress(False, 10.0)
    assert isinstance(progress, PlainProgress)
    progress.start("title", Limits())
    progress.finish("Done.")
    assert capsys.readouterr() == ("", "title\nDone.\n")


def test_silence(capfd: pytest.CaptureFixture[str]) -> None:
    progress = make_progress(True, 0.0)
    progress.start("title", Limits())
    progress.update([ROW])
    progress.finish("Done.")
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def slave() -> Iterator[tuple[int, int]]:
    ends = pty.openpty()
    yield ends
    os.close(ends[0])


def test_on_a_pseudo_terminal(slave: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    master, end = slave
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "70")
    with os.fdopen(end, "w", encoding="utf-8") as stream:
        progress = make_progress(False, 10.0, stream)
        assert isinstance(progress, TerminalProgress)
        progress.start("sinc · lm · seed 10", Limits(max_steps=6))
        progress.update([ROW])
        progress.finish("The end.")
        raw = b""
        while not raw.endswith(b"The end.\r\n"):
            raw += os.read(master, 100_000)
    written = raw.decode()
    assert written.index("\x1b[?25l") < written.rindex("\x1b[?25h")
    assert "step\x1b[0m 3 of 6" in written
    assert written.count("sinc · lm · seed 10") <= 3


def test_a_dumb_terminal_gets_plain_lines(slave: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with os.fdopen(slave[1], "w", encoding="utf-8") as stream:
        assert isinstance(make_progress(False, 10.0, stream), PlainProgress)
