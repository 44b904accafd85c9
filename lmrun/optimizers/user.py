"""Strategies of the user's own, named in the config as `module:attribute` or `file.py:attribute`.

An update for `optimizer.damping.update: my_module:Doubling`, whose further keys are its keyword arguments:

    from lmrun.optimizers.damping.base import Damping

    class Doubling:
        def __init__(self, initial=1.0):
            self.initial = initial

        def start(self, largest, scaled_norm):
            return Damping(self.initial)

        def accepted(self, damping, gain_ratio, scalars):
            return damping._replace(value=damping.value / 2)

        def rejected(self, damping, gain_ratio, scalars):
            return damping._replace(value=damping.value * 2)

The protocols are `damping.base.Update`, `damping.scaling.Scaling` and `damping.acceptance.Acceptance`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from lmrun.errors import ConfigError
from lmrun.user_code import USER_ERRORS, load, told


def load_strategy(
    name: str,
    arguments: Mapping[str, Any],
    protocol: Any,
    key: str,
    rehearse: Callable[[Any], str | None] = lambda strategy: None,
) -> Any:
    """Import and build a strategy, and see that it has what its protocol asks.

    Args:
        name: `module:attribute` or `file.py:attribute`; a class or function, which is called, or an object.
        arguments: Keyword arguments of the call.
        protocol: The methods that the strategy needs.
        key: The config's key, for messages.
        rehearse: Tries the strategy out and says what is wrong with it.

    Raises:
        ConfigError: It cannot be imported or built, lacks a method, or fails when it is tried out.
    """
    found = load(name, key)
    attribute = name.rpartition(":")[2]
    try:
        strategy = found(**arguments) if inspect.isclass(found) or inspect.isroutine(found) else found
    except USER_ERRORS as error:
        raise ConfigError([f"{key}: {attribute} refuses its keys: {told(error)}"]) from error
    if strategy is found and arguments:
        words = f"{attribute} is an object, not a class, and takes no keys such as '{next(iter(arguments))}'"
        raise ConfigError([f"{key}: {words}"])
    problems = misfits(strategy, protocol)
    if not problems:
        try:
            problems = [problem for problem in [rehearse(strategy)] if problem]
        except USER_ERRORS as error:
            problems = [f"fails when it is tried out: {told(error)}"]
    if problems:
        raise ConfigError([f"{key}: {attribute} {problem}" for problem in problems])
    return strategy


def misfits(strategy: Any, protocol: Any) -> list[str]:
    """Say which methods of the protocol are missing or take something else."""
    problems = []
    for name, wanted in vars(protocol).items():
        if name.startswith("_") or not inspect.isfunction(wanted):
            continue
        arguments = list(inspect.signature(wanted).parameters)[1:]
        call = f"{name}({', '.join(arguments)})"
        method = getattr(strategy, name, None)
        if not callable(method):
            problems.append(f"has no method {call}")
        elif not _takes(method, len(arguments)):
            problems.append(f"should have the method {call}, not {name}{inspect.signature(method)}")
    return problems


def _takes(method: Callable[..., Any], count: int) -> bool:
    try:
        inspect.signature(method).bind(*range(count))
    except TypeError:
        return False
    return True
