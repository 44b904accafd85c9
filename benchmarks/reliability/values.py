"""Numbers that are none, in data, parameters and losses, and clocks that jump."""

from __future__ import annotations

import json
import math
import re
import time
from datetime import datetime, tzinfo
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.reliability.children import Ended, lmrun
from benchmarks.reliability.problems import PROBLEMS, Bench, differences
from benchmarks.reliability.table import Fault
from lmrun.runs.layout import RunDirectory

BAD = ("nan", "inf", "-inf", "", "1e999")
"""Cells of a table."""
CALLS = 5
"""Of the optimizer at least, in every problem."""
JUMPS = (1.0, 3600.0, 1e6, 1.5e9)
"""Seconds."""
FORMATS = ("csv", "parquet", "npz", "mat")


def in_data(bench: Bench, times: int) -> Fault:
    """Put one bad cell into a table; lmrun is to name the file, the row and the column."""
    fault = Fault("NaN, infinity or nothing in data", "one cell of a CSV, Parquet, NPZ or MAT file")
    for number in range(times):
        kind, row, column = (
            FORMATS[number % len(FORMATS)],
            bench.random.randrange(40),
            bench.random.choice("xy"),
        )
        table = {name: np.linspace(0.0, 4.0, 40) for name in "xy"}
        table[column][row] = float(bench.random.choice(BAD) or "nan")
        path = bench.folder / f"bad.{kind}"
        _write(table, path)
        config = bench.folder / "bad.yaml"
        config.write_text((bench.folder / "formula.yaml").read_text().replace("rows.csv", path.name))
        ended = lmrun("train", config, "--quiet", "--runs-dir", bench.folder)
        fault.injected += 1
        fault.clumsy += ended.clumsy
        named = (path.name, f"'{column}'", f"row {row + 1}")
        fault.unsaid += ended.code != 3 or not all(word in ended.said for word in named)
        fault.said(re.sub(r"bad\.\w+|row \d+( \(line \d+\))?|'[xy]'", "…", ended.said))
    return fault


def _write(table: dict[str, Any], path: Any) -> None:
    import pandas
    from scipy.io import savemat

    writers = {
        ".csv": lambda: pandas.DataFrame(table).to_csv(path, index=False, na_rep="nan"),
        ".parquet": lambda: pandas.DataFrame(table).to_parquet(path),
        ".npz": lambda: np.savez(path, **table),
        ".mat": lambda: savemat(path, {name: column[:, None] for name, column in table.items()}),
    }
    writers[path.suffix]()


def in_parameters(bench: Bench, times: int) -> Fault:
    """Replace parameters amid the training: the best ones so far are to stay."""
    fault = Fault("NaN or infinity in weights", "a parameter replaced before a step")

    def spoil(place: int, bad: float) -> None:
        import tensorflow as tf

        from lmrun.training import loop

        advance, calls = loop.Loop._advance, [0]

        def spoiled(self: Any) -> Any:
            if calls[0] == place:
                params = np.array(self.state.params)
                params[bench.random.randrange(len(params))] = bad
                self.state.params = tf.constant(params)
            calls[0] += 1
            return advance(self)

        loop.Loop._advance = spoiled  # type: ignore[method-assign]

    return _not_finite(bench, fault, times, spoil)


def in_loss(bench: Bench, times: int) -> Fault:
    """Let one evaluation of the loss give no number: that trial is to be rejected, or the run to end."""
    fault = Fault("NaN or infinity in the loss", "the result of one evaluation")

    def spoil(place: int, bad: float) -> None:
        from lmrun.curvature.problem import Problem

        evaluate, calls = Problem._loss_tensor, [0]

        def spoiled(self: Any, params: Any) -> Any:
            calls[0] += 1
            value = evaluate(self, params)
            return value if calls[0] != place + 2 else bad

        Problem._loss_tensor = spoiled  # type: ignore[method-assign]

    return _not_finite(bench, fault, times, spoil)


def _not_finite(bench: Bench, fault: Fault, times: int, spoil: Any) -> Fault:
    ends: dict[str, int] = {}
    for number in range(times):
        problem = PROBLEMS[number % len(PROBLEMS)]
        place, bad = bench.random.randrange(CALLS), bench.random.choice((math.nan, math.inf, -math.inf))
        run = RunDirectory(bench.folder / f"spoiled-{fault.name.split()[-1]}-{number}")
        ended = bench.train(problem, run.name, setup=lambda place=place, bad=bad: spoil(place, bad))
        fault.injected += 1
        fault.clumsy += ended.clumsy
        summary = json.loads(run.summary.read_text()) if run.summary.exists() else None
        if summary is None:
            fault.lost["the run"] += 1
            fault.said(ended.said)
            continue
        best = (summary["best_loss"], *summary["params"].values())
        if any(value is None for value in best) or not summary["best_loss"] <= summary["initial_loss"]:
            fault.lost["the best parameters"] += 1
        ends[summary["status"]] = ends.get(summary["status"], 0) + 1
        fault.said(summary["message"])
    fault.notes.append("ended as " + ", ".join(f"{name} ({count})" for name, count in sorted(ends.items())))
    return fault


class JumpingClock:
    """A clock on the wall that somebody sets.

    Args:
        jump: Seconds by which it is set back, and forth, from one look to the next.
    """

    def __init__(self, jump: float) -> None:
        self.jump = jump
        self.looks = 0
        self.real = time.time

    def __call__(self) -> float:
        """The time that it shows."""
        self.looks += 1
        return max(0.0, self.real() + self.jump * (self.looks % 3 - 1))

    def nanoseconds(self) -> int:
        """The same as a whole number."""
        return int(1e9 * self())

    def start(self) -> None:
        """Let this process go by it."""
        clock = self

        class Jumping(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
                return datetime.fromtimestamp(clock(), tz)

        for module in ("lmrun.runs.manifest", "lmrun.runs.create"):
            mock.patch(f"{module}.datetime", Jumping).start()
        mock.patch("time.time", self).start()
        mock.patch("time.time_ns", self.nanoseconds).start()


def clock_jumps(bench: Bench, times: int) -> Fault:
    """Set the clock back and forth while runs train: neither results nor seconds are to change."""
    fault = Fault("the clock jumps", "by a second to 47 years, back and forth, again and again")
    for number in range(times):
        problem = PROBLEMS[number % len(PROBLEMS)]
        jump = bench.random.choice(JUMPS)
        run = RunDirectory(bench.folder / f"clock-{number}")
        ended: Ended = bench.train(problem, run.name, setup=JumpingClock(jump).start)
        fault.injected += 1
        fault.clumsy += ended.clumsy
        wall = ended.seconds
        if ended.code != 0:
            # Archives know no years before 1980.
            fault.said(ended.said)
            fault.unsaid += "Set the clock" not in ended.said
            ended = bench.resume(run)
            wall += ended.seconds
        if ended.code != 0:
            fault.lost["the run"] += 1
            fault.said(ended.said)
            continue
        fault.lost.update(differences(run, bench.whole[problem.name]))
        seconds, manifest = (
            json.loads(run.summary.read_text())["seconds"],
            json.loads(run.manifest.read_text()),
        )
        fault.lost["sensible seconds"] += not 0 <= seconds <= wall
        fault.lost["sensible times"] += not manifest["started"] <= manifest["finished"]
    fault.lost += type(fault.lost)()
    return fault
