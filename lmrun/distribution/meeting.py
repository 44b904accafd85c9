"""Workers find each other, and agree on what they fit, before TensorFlow connects them.

TensorFlow waits for a missing worker without a word, and cannot be interrupted meanwhile. So the workers
meet first: each takes one of the addresses, tells the first worker what it was asked to train, and goes on
when all are there.
"""

from __future__ import annotations

import errno
import json
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any

import lmrun
from lmrun.distribution.cluster import Cluster, split_address
from lmrun.errors import PeerError, UsageError, WorkerLostError

PATIENCE = 600.0
"""Seconds that workers wait for each other: machines are started by hand, or queue for a place."""
LOOK = 0.2
"""Seconds from one look for the others to the next."""
NOT_HERE = {errno.EADDRNOTAVAIL}
"""What a machine says of the address of another one."""
MOST = 2**24
"""Bytes of a message at most."""

CARRIED = "carried"
"""The key of what the first worker only tells the others."""

Say = Callable[[str], None]


class Place:
    """One of the addresses, held by this process until TensorFlow takes it over.

    Args:
        cluster: Where to look.

    Raises:
        UsageError: None of the addresses is free on this machine.
    """

    def __init__(self, cluster: Cluster) -> None:
        indices = range(len(cluster.addresses)) if cluster.index is None else (cluster.index,)
        taken = []
        for index in indices:
            held = _listen(cluster.addresses[index])
            if isinstance(held, socket.socket):
                self.cluster = replace(cluster, index=index)
                self.index, self.socket = index, held
                return
            if held not in NOT_HERE:
                taken.append(cluster.addresses[index])
        if taken:
            raise UsageError(
                f"{' and '.join(taken)}: in use already, by another worker or another program. Start one "
                "process per address, and choose ports that are free."
            )
        raise UsageError(
            f"None of {', '.join(cluster.addresses[index] for index in indices)} is an address of this "
            "machine. Name it as the machine is named in its network, or set TF_CONFIG, which says which "
            "worker each process is."
        )

    def meet(self, own: Mapping[str, Any], say: Say, patience: float = PATIENCE) -> dict[str, Any]:
        """Wait for all workers and let the address go.

        Args:
            own: What this worker was asked to train: the same everywhere, but for what is `CARRIED`.
            say: Shows the user who is missing.
            patience: Seconds.

        Returns:
            What the first worker was asked to train.

        Raises:
            WorkerLostError: Some have not come.
            PeerError: They were asked to train different things.
        """
        hello, deadline = {**own, "lmrun": lmrun.__version__}, time.monotonic() + patience
        with closing(self.socket):
            return (
                self._receive(hello, say, deadline) if self.index == 0 else self._call(hello, say, deadline)
            )

    def _receive(self, hello: dict[str, Any], say: Say, deadline: float) -> dict[str, Any]:
        """Wait until every other worker has called, and answer all of them at once."""
        self.socket.settimeout(LOOK)
        calls: dict[int, socket.socket] = {}
        refusal, told = None, ""
        try:
            while refusal is None and (missing := self._missing(calls)):
                if time.monotonic() > deadline:
                    raise WorkerLostError(
                        f"Not every worker has come: no {missing}. Start all of them again."
                    )
                try:
                    call, _ = self.socket.accept()
                except TimeoutError:
                    if missing != told:
                        say(f"waiting for {missing}")
                        told = missing
                    continue
                index, refusal = self._hear(call, hello)
                if index is None:
                    call.close()
                else:
                    calls[index] = call
            # TensorFlow takes this port as soon as the others know.
            self.socket.close()
            for call in calls.values():
                with suppress(OSError):
                    call.sendall(_line({"refused": refusal} if refusal else {"first": hello}))
        finally:
            for call in calls.values():
                call.close()
        if refusal is not None:
            raise PeerError(refusal)
        return hello

    def _missing(self, calls: Mapping[int, Any]) -> str:
        others = range(1, len(self.cluster.addresses))
        return ", ".join(self.cluster.words(index) for index in others if index not in calls)

    def _hear(self, call: socket.socket, hello: Mapping[str, Any]) -> tuple[int | None, str | None]:
        """Return who calls, None for a stranger, and what is wrong with what it wants."""
        call.settimeout(10.0)
        try:
            document = json.loads(_read_line(call))
            index, addresses = int(document["index"]), tuple(document["addresses"])
            other = dict(document["hello"])
        except (OSError, ValueError, TypeError, KeyError):
            return None, None
        if addresses != self.cluster.addresses:
            return (
                None,
                f"A worker knows others: {', '.join(addresses)}. Name the same ones, in the same order.",
            )
        if not 0 < index < len(addresses):
            return None, None
        where = difference({**hello, CARRIED: None}, {**other, CARRIED: None})
        if where is None:
            return index, None
        path, here, there = where
        words = f"{path} is {there} there, and {here} at worker 0"
        return index, f"{self.cluster.words(index).capitalize()} was started otherwise: {words}."

    def _call(self, hello: dict[str, Any], say: Say, deadline: float) -> dict[str, Any]:
        """Call the first worker until it answers."""
        address, told = split_address(self.cluster.addresses[0]), False
        message = _line({"index": self.index, "addresses": self.cluster.addresses, "hello": hello})
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(address, timeout=1.0) as call:
                    call.sendall(message)
                    call.settimeout(max(1.0, deadline - time.monotonic()))
                    answer = json.loads(_read_line(call))
            except (OSError, ValueError):
                if not told:
                    say(f"waiting for {self.cluster.words(0)}")
                told = True
                time.sleep(LOOK)
                continue
            if answer.get("refused"):
                raise PeerError(str(answer["refused"]))
            return dict(answer["first"])
        raise WorkerLostError(f"{self.cluster.words(0).capitalize()} has not come. Start all of them again.")


def difference(one: Any, other: Any, path: str = "") -> tuple[str, Any, Any] | None:
    """Return the first place where two documents differ, and what each has there; None if they are equal."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in dict.fromkeys([*one, *other]):
            found = difference(one.get(key), other.get(key), f"{path}.{key}".removeprefix("."))
            if found is not None:
                return found
        return None
    return None if one == other else (path, one, other)


def _listen(address: str) -> socket.socket | int:
    """Take an address, or return the number of the system's error."""
    host, port = split_address(address)
    try:
        found = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return errno.EADDRNOTAVAIL
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(found[0][4])
        held.listen(1024)
    except OSError as error:
        held.close()
        return error.errno or errno.EADDRINUSE
    return held


def _line(document: Any) -> bytes:
    return json.dumps(document).encode() + b"\n"


def _read_line(call: socket.socket) -> bytes:
    """Read up to the end of a line.

    Raises:
        OSError: The other side has ended.
        ValueError: It sends too much.
    """
    read = bytearray()
    while not read.endswith(b"\n"):
        more = call.recv(2**16)
        if not more:
            raise ConnectionResetError
        read += more
        if len(read) > MOST:
            raise ValueError("too long")
    return bytes(read)
