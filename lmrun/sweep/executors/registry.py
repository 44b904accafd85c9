"""Each executor by its name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from lmrun.sweep.executors.base import Demands, Executor

MODULES: Mapping[str, str] = {
    "local": "lmrun.sweep.executors.local",
    "ray": "lmrun.sweep.executors.on_ray",
}
"""The module of each, whose `make` makes it; it is imported for those who ask for it."""


def make_executor(name: str, demands: Demands) -> Executor:
    """Return an executor.

    Raises:
        UsageError: It cannot provide what is asked for.
    """
    executor: Executor = import_module(MODULES[name]).make(demands)
    return executor
