"""Processes on this machine."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from lmrun.errors import UsageError
from lmrun.sweep.executors.base import Demands
from lmrun.sweep.executors.devices import cores, gpus_here
from lmrun.sweep.job import Answer, Job, Kind
from lmrun.sweep.training import environment
from lmrun.training.interrupt import PARENT

INTERRUPTED = 130
LAST = 4096
"""Bytes of a log in which the last words of a process are looked for."""
GRACE = 10.0
"""Seconds for an idle process to end by itself."""


@dataclass
class Worker:
    """A process, and what it works on.

    Attributes:
        process: It.
        log: What it writes to stderr.
        place: Its number; with GPUs, which ones it sees.
        job: None while it is idle.
        said: What of its answer has come.
    """

    process: subprocess.Popen[bytes]
    log: Path
    place: int
    job: Job | None = None
    said: bytes = b""

    @property
    def answers(self) -> IO[bytes]:
        """Where its answers come from."""
        assert self.process.stdout is not None, "it is a pipe"
        return self.process.stdout


@dataclass
class LocalExecutor:
    """See `base.Executor`.

    Attributes:
        demands: What each process is given.
        slots: Processes at most.
        module: What each of them runs.
        workers: Those that there are.
    """

    demands: Demands
    slots: int
    module: str = "lmrun.sweep.worker"
    workers: list[Worker] = field(default_factory=list)
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    @property
    def free(self) -> int:
        """How many more jobs it takes now."""
        return self.slots - len(self.running)

    @property
    def running(self) -> Sequence[Job]:
        """The jobs that it works on."""
        return [worker.job for worker in self.workers if worker.job is not None]

    def submit(self, job: Job) -> None:
        """Hand a job to an idle process, or to a new one."""
        idle = (worker for worker in self.workers if worker.job is None and worker.process.poll() is None)
        worker = next(idle, None) or self._start()
        worker.job = job
        assert worker.process.stdin is not None, "it is a pipe"
        # One that has just died says so at its end of the other pipe.
        with suppress(BrokenPipeError):
            worker.process.stdin.write(json.dumps(asdict(job)).encode() + b"\n")
            worker.process.stdin.flush()

    def _start(self) -> Worker:
        # One that has died at its work still has to be told of, by `poll`.
        idle = [worker for worker in self.workers if worker.job is None]
        for dead in [worker for worker in idle if worker.process.poll() is not None]:
            self._forget(dead)
        place = min({*range(self.slots)} - {worker.place for worker in self.workers})
        self.demands.logs.mkdir(exist_ok=True)
        log = self.demands.logs / f"worker-{place}.txt"
        # Without -P a file of the user's own named like a module of the library would come first.
        command = [sys.executable, "-P", "-X", "faulthandler", "-m", self.module]
        with log.open("ab") as said:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                env={**os.environ, **self._environment(place), PARENT: str(os.getpid())},
                # Ctrl-C is for the sweep, which tells its processes.
                start_new_session=True,
            )
        worker = Worker(process, log, place)
        self.workers.append(worker)
        self.selector.register(worker.answers, selectors.EVENT_READ, worker)
        return worker

    def _environment(self, place: int) -> dict[str, str]:
        number = int(self.demands.gpus)
        variables = environment(self.demands.cpus, number)
        if number:
            visible = gpus_here()[place * number : (place + 1) * number]
            variables["CUDA_VISIBLE_DEVICES"] = ",".join(visible)
        return variables

    def _forget(self, worker: Worker) -> None:
        self.selector.unregister(worker.answers)
        for pipe in (worker.process.stdin, worker.answers):
            if pipe is not None:
                # A pipe may hold what it was not there to read.
                with suppress(BrokenPipeError):
                    pipe.close()
        worker.process.wait()
        self.workers.remove(worker)

    def poll(self, seconds: float) -> list[Answer]:
        """Return what has ended; wait for so long at most where nothing has."""
        found = []
        for key, _ in self.selector.select(seconds):
            worker: Worker = key.data
            part = os.read(worker.answers.fileno(), 65536)
            worker.said += part
            if worker.said.endswith(b"\n"):
                found.append(Answer(**json.loads(worker.said)))
                worker.said, worker.job = b"", None
            elif not part:
                found += self._died(worker)
        return found

    def _died(self, worker: Worker) -> list[Answer]:
        job = worker.job
        self._forget(worker)
        return [] if job is None else [_crashed(job, worker.process.returncode, worker.log)]

    def stop(self) -> list[Answer]:
        """Let all running jobs end after their step, with a checkpoint, and return how they ended."""
        for worker in self.workers:
            worker.process.terminate()
        found = []
        while self.running:
            for answer in self.poll(1.0):
                # Whoever was killed while it loaded has begun nothing.
                dead = answer.kind is Kind.CRASHED
                found.append(Answer(answer.name, Kind.INTERRUPTED) if dead else answer)
        return found

    def close(self) -> None:
        """End all processes, whatever they do."""
        end = time.monotonic() + GRACE
        for worker in list(self.workers):
            if worker.job is not None:
                worker.process.kill()
            elif worker.process.stdin is not None:
                worker.process.stdin.close()
                worker.process.stdin = None
        for worker in list(self.workers):
            try:
                worker.process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.process.kill()
            self._forget(worker)
        self.selector.close()


def _crashed(job: Job, code: int, log: Path) -> Answer:
    """Say how a process died, by its exit code and its last words."""
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - LAST))
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines()]
    last = next((line for line in reversed(lines) if line), "")
    if code == 0:
        # Asked to end before it had begun.
        return Answer(job.name, Kind.INTERRUPTED)
    if code > 0:
        return Answer(job.name, Kind.FAILED, f"Its process ended with code {code}: {last} ({log})", code)
    name = signal.Signals(-code).name
    hint = "; if nobody did that, the memory ran out" if name == "SIGKILL" else ""
    return Answer(job.name, Kind.CRASHED, f"Its process was ended by {name}{hint} ({log}).", 1)


def make(demands: Demands) -> LocalExecutor:
    """Return processes for as many runs as there are cores, or GPUs, for.

    Raises:
        UsageError: There are fewer GPUs than asked for.
    """
    if demands.address is not None:
        raise UsageError("An address is that of a Ray cluster: add --executor ray, or leave it out.")
    slots = demands.workers or max(1, cores() // demands.cpus)
    if demands.gpus:
        if demands.gpus != int(demands.gpus):
            raise UsageError("Processes on this machine take whole GPUs; --executor ray shares them.")
        room = len(gpus_here()) // int(demands.gpus)
        if not room or (demands.workers or 0) > room:
            raise UsageError(
                f"{demands.workers or 1} runs with {demands.gpus:g} GPUs each do not fit: there are "
                f"{len(gpus_here())} here. Take fewer workers, or resources: {{gpus: 0}}."
            )
        slots = demands.workers or min(slots, room)
    return LocalExecutor(demands, slots)
