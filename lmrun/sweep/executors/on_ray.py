"""Actors of a Ray cluster: each trains one run after the other, as a process of `local` does."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from lmrun.errors import UsageError
from lmrun.sweep.executors.base import Demands
from lmrun.sweep.executors.devices import cores
from lmrun.sweep.job import Answer, Job, Kind
from lmrun.sweep.training import pin, train
from lmrun.training.interrupt import Interruption

try:
    import ray
    from ray.exceptions import RayError, RayTaskError
except ImportError as missing:
    raise UsageError("Ray is not installed: pip install 'lmrun[ray]', or --executor local.") from missing

CONTROL = "control"
"""The group of methods that answer while a run is trained."""
KNOCK_SECONDS = 10.0
"""For the head of a cluster to accept a connection."""
STOP_SECONDS = 60.0
"""For the step, and the checkpoint, of a run that is asked to stop."""


class Trainer:
    """What an actor is: it trains, and can be asked to stop meanwhile.

    Args:
        cpus: Threads of a run.
        gpus: Of a run.
    """

    def __init__(self, cpus: int, gpus: float) -> None:
        pin(cpus, gpus)
        from lmrun.quiet import load_tensorflow

        load_tensorflow()
        self.interruption = Interruption()

    def train(self, job: dict[str, Any]) -> dict[str, Any]:
        """Train a job and return the answer."""
        return asdict(train(Job(**job), self.interruption))

    def stop(self) -> None:
        """Ask for an end; another thread trains."""
        self.interruption.asked = True


@dataclass
class RayExecutor:
    """See `base.Executor`.

    Attributes:
        demands: What each actor is given.
        slots: Actors at most.
        owned: Whether the cluster was started for this sweep.
        idle: Actors without a job.
        working: Actor and job by the reference of the answer.
    """

    demands: Demands
    slots: int
    owned: bool
    idle: list[Any] = field(default_factory=list)
    working: dict[Any, tuple[Any, Job]] = field(default_factory=dict)

    @property
    def free(self) -> int:
        """How many more jobs it takes now."""
        return self.slots - len(self.working)

    @property
    def running(self) -> Sequence[Job]:
        """The jobs that it works on."""
        return [job for _, job in self.working.values()]

    def submit(self, job: Job) -> None:
        """Hand a job to an idle actor, or to a new one."""
        actor = self.idle.pop() if self.idle else self._start()
        self.working[actor.train.remote(asdict(job))] = (actor, job)

    def _start(self) -> Any:
        # A method of another group runs while `train` does.
        kind = ray.remote(
            num_cpus=self.demands.cpus, num_gpus=self.demands.gpus, concurrency_groups={CONTROL: 1}
        )
        return kind(Trainer).remote(self.demands.cpus, self.demands.gpus)

    def poll(self, seconds: float) -> list[Answer]:
        """Return what has ended; wait for so long at most where nothing has."""
        if not self.working:
            return []
        ended, _ = ray.wait([*self.working], timeout=seconds)
        return [self._answer(reference) for reference in ended]

    def _answer(self, reference: Any) -> Answer:
        actor, job = self.working.pop(reference)
        try:
            answer = Answer(**ray.get(reference))
        except RayTaskError as error:
            answer = Answer(job.name, Kind.FAILED, f"It ended unexpectedly: {_last_line(error)}", 1)
        except RayError as error:
            # The actor is gone.
            return Answer(job.name, Kind.CRASHED, f"Its process died: {_first_line(error)}", 1)
        self.idle.append(actor)
        return answer

    def stop(self) -> list[Answer]:
        """Let all running jobs end after their step, with a checkpoint, and return how they ended."""
        if not self.working:
            return []
        for actor, _ in self.working.values():
            actor.stop.options(concurrency_group=CONTROL).remote()
        found = []
        ended, rest = ray.wait([*self.working], num_returns=len(self.working), timeout=STOP_SECONDS)
        for reference in ended:
            answer = self._answer(reference)
            dead = answer.kind is Kind.CRASHED
            found.append(Answer(answer.name, Kind.INTERRUPTED) if dead else answer)
        return [*found, *(Answer(self.working[one][1].name, Kind.INTERRUPTED) for one in rest)]

    def close(self) -> None:
        """End all actors, and the cluster if it was started for them."""
        for actor in [*self.idle, *(actor for actor, _ in self.working.values())]:
            ray.kill(actor)
        self.idle.clear()
        self.working.clear()
        if self.owned:
            ray.shutdown()


def _knock(address: str) -> None:
    """See whether somebody listens at host:port, where there is one; Ray itself waits for two minutes.

    Raises:
        OSError: Nobody does.
        ValueError, OverflowError: The port is no port.
    """
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host:
        socket.create_connection((host.strip("[]"), int(port)), KNOCK_SECONDS).close()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def _last_line(error: RayError) -> str:
    return str(error).strip().splitlines()[-1].strip()


def make(demands: Demands) -> RayExecutor:
    """Return actors on a running cluster, or on one that is started on this machine.

    Raises:
        UsageError: There is no such cluster, or it is too small for one run.
    """
    address = demands.address or os.environ.get("RAY_ADDRESS")
    quiet = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": False}
    # Its advice on how clusters are secured stands in its own documentation.
    logging.getLogger("ray").setLevel(logging.ERROR)
    owned = not ray.is_initialized()
    if owned and address is not None:
        try:
            _knock(address)
            ray.init(address=address, **quiet)
        except (OSError, OverflowError, ValueError, RuntimeError) as error:
            raise UsageError(f"There is no Ray cluster at {address}: {_first_line(error)}") from error
    elif owned:
        here = max(cores(), (demands.workers or 1) * demands.cpus)
        ray.init(address="local", num_cpus=here, include_dashboard=False, **quiet)
    there = ray.cluster_resources()
    wanted = {"CPU": demands.cpus, **({"GPU": demands.gpus} if demands.gpus else {})}
    # Rounded: three times a third is one GPU.
    room = min(int(there.get(name, 0) / number + 1e-6) for name, number in wanted.items())
    if room < 1:
        if owned:
            ray.shutdown()
        needs, has = (
            ", ".join(f"{words.get(name, 0):g} {name}s" for name in wanted) for words in (wanted, there)
        )
        raise UsageError(f"One run takes {needs}; the Ray cluster has {has}. Ask for less in 'resources'.")
    return RayExecutor(demands, min(demands.workers or room, room), owned)
