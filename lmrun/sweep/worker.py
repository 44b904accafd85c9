"""`python -m lmrun.sweep.worker`: a process that trains one run after the other.

It reads jobs as lines of JSON from stdin and writes an answer for each. TensorFlow, which takes seconds to
load, is loaded once; what dies with a run is this process alone.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict
from types import FrameType

from lmrun.quiet import load_tensorflow
from lmrun.sweep.job import Job
from lmrun.sweep.training import train
from lmrun.training.interrupt import PARENT, Interruption


def main() -> None:
    """Work until stdin ends, or somebody asks to stop."""
    # What a run prints is no answer.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    parent = os.environ.get(PARENT)
    interruption = Interruption(parent=int(parent) if parent else None)

    def request(number: int, frame: FrameType | None) -> None:
        interruption.asked = True
        # An idle worker waits for a job that will not come.
        if idle:
            raise SystemExit

    idle = False
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, request)
    load_tensorflow()
    idle = True
    while not interruption.requested and (line := sys.stdin.readline()):
        idle = False
        job = Job(**json.loads(line))
        answer = train(job, interruption)
        answers.write(json.dumps(asdict(answer)) + "\n")
        answers.flush()
        idle = True


if __name__ == "__main__":
    main()
