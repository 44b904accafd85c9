"""The threads of the CPU: one per core, for what releases Python's lock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from lmrun.linalg.host import WORKERS

Item = TypeVar("Item")
Result = TypeVar("Result")
POOL = ThreadPoolExecutor(WORKERS, thread_name_prefix="chunks")


def each(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Work on all items at once, one thread each; the results in the items' order.

    Each thread asks for its item itself: none is made before its turn.
    """
    return list(POOL.map(lambda number: work(items[number]), range(len(items))))
