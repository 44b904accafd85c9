"""Two processes that are given the same run."""

from __future__ import annotations

import os
import signal
from typing import Any

from benchmarks.reliability.children import Setup, start_lmrun
from benchmarks.reliability.problems import PROBLEMS, Bench, differences
from benchmarks.reliability.table import Fault
from lmrun.runs.layout import RunDirectory

CALLS = 6
"""Of the optimizer at least, in every problem."""
REFUSED = 2


def two_processes(bench: Bench, times: int) -> Fault:
    """Hold a process while it trains, give its run to a second one, which is to be refused, and let go on."""
    fault = Fault("two processes are given one run", "`lmrun train --resume` while another process trains it")
    for number in range(times):
        problem = PROBLEMS[number % len(PROBLEMS)]
        run = RunDirectory(bench.folder / f"two-{number}")
        setup = _held(bench.random.randrange(CALLS))
        first = start_lmrun(*bench.words(problem, run.path), setup=setup)
        os.waitpid(first.pid, os.WUNTRACED)
        second = bench.resume(run)
        fault.injected += 1
        fault.said(second.said)
        fault.unsaid += second.code != REFUSED or "another process" not in second.said
        os.kill(first.pid, signal.SIGCONT)
        ended = first.end()
        fault.clumsy += ended.clumsy + second.clumsy
        fault.lost.update(differences(run, bench.whole[problem.name]) if ended.code == 0 else ["the run"])
    return fault


def _held(place: int) -> Setup:
    """Return what lets a process stop itself at a call of the optimizer."""

    def setup() -> None:
        from lmrun.training import loop

        advance, calls = loop.Loop._advance, [0]

        def holding(self: Any) -> Any:
            if calls[0] == place:
                os.kill(os.getpid(), signal.SIGSTOP)
            calls[0] += 1
            return advance(self)

        loop.Loop._advance = holding  # type: ignore[method-assign]

    return setup
