"""The threads of the CPU: one per core, for what releases Python's lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from lmrun.errors import UsageError

THREADS = "LMRUN_THREADS"
"""How many threads there are to be; partial sums, and with them the last bits, depend on the number."""


def count() -> int:
    """Return how many threads the environment asks for, else the cores that this process may use.

    Raises:
        UsageError: What it asks for is no such number.
    """
    text = os.environ.get(THREADS)
    if text:
        if not text.isdecimal() or int(text) == 0:
            raise UsageError(f"{THREADS}={text} should be a whole number above 0: the threads of a run.")
        return int(text)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


WORKERS = count()
"""Threads that work side by side on a CPU: one per core, each with a single BLAS thread.

Threads of BLAS's own would spin while TensorFlow computes and starve it, and stall when another process takes
a core: on 2 busy cores a step of the 6-D Rosenbrock problem took 370 ms with them and 54 ms without."""

Item = TypeVar("Item")
Result = TypeVar("Result")
POOL = ThreadPoolExecutor(WORKERS, thread_name_prefix="lmrun")


def each(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Work on all items at once, one thread each; the results in the items' order.

    Each thread asks for its item itself: none is made before its turn.
    """
    return list(POOL.map(lambda number: work(items[number]), range(len(items))))
