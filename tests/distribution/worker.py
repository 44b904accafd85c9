"""worker.py ADDRESSES FOLDER: one of two workers that train the cases of `test_two_workers` in order."""

import os
import sys
from pathlib import Path

from lmrun.cli.workers import join, meet, take_place, what_to_train
from lmrun.config.load import load_config
from lmrun.errors import WorkerLostError
from lmrun.quiet import load_tensorflow

TRAINED = {
    "lm": (),
    "qr": ("optimizer.solver=qr",),
    "projection": ("optimizer={name: lm, projection: variable}",),
    "bayesian": ("optimizer={name: lm, regularization: bayesian}",),
    "batches": ("training.batch_size=20",),
    "growing": ("training.batch_size=growing",),
    "float32": ("precision=float32",),
    "reproducible": ("training.summation=reproducible", "dataset.path={folder}/whole.npz"),
}
STOPPED = {"interrupted": ("training.max_steps=10",), "lost": ("training.max_steps=10",)}
AT_STEP = 4
"""Where the second worker stops the runs of `STOPPED`."""


def configs(folder):
    """Return each case's config by its name."""
    file = str(Path(folder) / "config.yaml")
    return {
        name: load_config(
            file,
            ["distribution=multi-worker", *(each.replace("{folder}", str(folder)) for each in overrides)],
        )
        for name, overrides in (TRAINED | STOPPED).items()
    }


def stop_at(name):
    """Let this worker end in the way of a case as soon as it has made some steps."""
    from lmrun.training.company import Company

    keep = Company.keep

    def stopping(self, state):
        keep(self, state)
        if state.step == AT_STEP:
            if name == "lost":
                os._exit(9)
            self._interruption.asked = True

    Company.keep = stopping


def main(addresses, folder):
    place = take_place(addresses)
    found = configs(folder)
    meet(place, what_to_train(found["lm"].config, 1), quiet=True)
    load_tensorflow()
    reducer = join(place.cluster, "cpu")
    from lmrun.training.beside import execute_beside, prepare_beside
    from lmrun.training.opening import prepare
    from lmrun.training.progress import SilentProgress
    from lmrun.training.session import execute

    for name, loaded in found.items():
        if reducer.index > 0:
            experiment = prepare_beside(loaded.config, reducer)
            if name in STOPPED:
                stop_at(name)
            execute_beside(experiment)
            continue
        experiment, run = prepare(loaded, Path(folder) / "two", name, ["lmrun"], reducer)
        try:
            execute(experiment, run, SilentProgress())
        except WorkerLostError as error:
            sys.stderr.write(str(error))
            sys.exit(error.exit_code)


if __name__ == "__main__":
    main(*sys.argv[1:])
