"""How much memory is free for a run: of the machine, of the container around it, or of a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

UNLIMITED = 2**60
"""What version 1 of the control groups writes where there is no limit is larger than this."""
PROC, GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


class Free(NamedTuple):
    """Bytes that a run can still take, and what they are of, in words."""

    bytes: int
    of: str


class Group(NamedTuple):
    """A control group's memory in bytes: its limit, and what is in use without what could be dropped."""

    limit: int
    used: int


def free_memory(device: str = "/CPU:0") -> Free:
    """Return the least that is free where a run computes.

    Args:
        device: TensorFlow's name.
    """
    found = [Free(int(psutil.virtual_memory().available), "of this machine")]
    found += [Free(max(0, group.limit - group.used), "of this container") for group in control_groups()]
    if "GPU" in device:
        limit = gpu_limit(device)
        if limit is not None:
            found.append(Free(limit, f"of {device}"))
    return min(found)


def control_groups(proc: Path = PROC, root: Path = GROUPS) -> Iterator[Group]:
    """Yield the groups around this process that have a limit (Linux; versions 1 and 2).

    Args:
        proc: Names the process' groups.
        root: Where the groups are.
    """
    try:
        lines = proc.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            yield from _chain(root, path, ("memory.max", "memory.current", "inactive_file"))
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            yield from _chain(root / "memory", path, names)


def _chain(root: Path, path: str, names: tuple[str, str, str]) -> Iterator[Group]:
    """A group and all around it: each limit counts. Within a container, its own group is the root."""
    places = [root]
    for part in filter(None, path.split("/")):
        places.append(places[-1] / part)
    for place in places:
        limit, used = _number(place / names[0]), _number(place / names[1])
        if limit is not None and used is not None and limit < UNLIMITED:
            # The page cache counts as used, but gives way.
            yield Group(limit, max(0, used - _statistic(place / "memory.stat", names[2])))


def _number(path: Path) -> int | None:
    """The number in a file; None where there is none, or `max`."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _statistic(path: Path, name: str) -> int:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.split()[:1] == [name]), 0)


def gpu_limit(device: str) -> int | None:
    """Return the bytes that TensorFlow may still take on a GPU; None where it does not tell.

    Args:
        device: Such as `/GPU:0`.
    """
    import tensorflow as tf

    name = device.lstrip("/")
    # The one public place that tells what TensorFlow may take of a device.
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        limits = {one.name: one.memory_limit_bytes for one in session.list_devices()}
    limit = next((limit for place, limit in limits.items() if place.endswith(name)), None)
    return None if limit is None else max(0, limit - tf.config.experimental.get_memory_info(name)["current"])
