"""Which workers there are, and which of them this process is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lmrun.errors import UsageError

TF_CONFIG = "TF_CONFIG"
"""TensorFlow's own description of a cluster, which managers of clusters set for every process."""
KINDS = ("chief", "worker")
"""Tasks of a cluster that train, in the order of their indices."""


@dataclass(frozen=True)
class Cluster:
    """The workers of one fit.

    Attributes:
        addresses: `host:port` of each, that of the first one first.
        index: Which of them this process is; None for the first address that is free on this machine.
    """

    addresses: tuple[str, ...]
    index: int | None = None

    def words(self, index: int) -> str:
        """Name a worker for a user."""
        return f"worker {index} ({self.addresses[index]})"


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of `host:port`.

    Raises:
        ValueError: It is something else.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(address)
    return host, int(port)


def parse_workers(text: str) -> Cluster:
    """Read `host:port,host:port,...`.

    Raises:
        UsageError: It is something else.
    """
    return Cluster(_checked("--workers", [part.strip() for part in text.split(",")]))


def cluster_of_environment(environment: Mapping[str, str]) -> Cluster | None:
    """Read `TF_CONFIG`; None where it is not set, or names no cluster.

    Raises:
        UsageError: It is not what TensorFlow takes.
    """
    text = environment.get(TF_CONFIG)
    if not text:
        return None
    try:
        document = json.loads(text)
        tasks, task = document.get("cluster", {}), document.get("task", {})
        if not tasks:
            return None
        addresses = [address for kind in KINDS for address in tasks.get(kind, ())]
        before = 0 if task["type"] == "chief" else len(tasks.get("chief", ()))
        index = before + int(task["index"])
        kind = task["type"]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UsageError(
            f"{TF_CONFIG} cannot be read. It should look like "
            '{"cluster": {"worker": ["host:port", "host:port"]}, "task": {"type": "worker", "index": 0}}.'
        ) from None
    if kind not in KINDS:
        raise UsageError(f"{TF_CONFIG}: a task '{kind}' does not train; only {' and '.join(KINDS)} do.")
    checked = _checked(TF_CONFIG, addresses)
    if not before <= index < (len(tasks.get("chief", ())) if kind == "chief" else len(checked)):
        raise UsageError(f"{TF_CONFIG}: there is no {kind} {task['index']} among the {len(checked)} workers.")
    return Cluster(checked, index)


def _checked(where: str, addresses: Sequence[Any]) -> tuple[str, ...]:
    for address in addresses:
        try:
            split_address(str(address))
        except ValueError:
            raise UsageError(
                f"{where}: '{address}' is no address; write host:port, such as localhost:7001."
            ) from None
    if len(set(addresses)) < len(addresses):
        raise UsageError(f"{where}: an address is there twice; each worker needs one of its own.")
    return tuple(map(str, addresses))
