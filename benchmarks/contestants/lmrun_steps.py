"""lmrun's own steps under the benchmark's clock: its command does not tell the test accuracy along the way.

Settings: `overrides` of the config.
"""

from __future__ import annotations

from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np

from benchmarks.contestants.protocol import Array, Recorder, read_job
from lmrun.quiet import load_tensorflow


def split(params: Array, shapes: list[Array]) -> list[Array]:
    """Cut the flat parameters [n] into arrays of the shapes of others."""
    ends = np.cumsum([array.size for array in shapes])
    parts = np.split(params, ends[:-1])
    return [part.reshape(array.shape) for part, array in zip(parts, shapes, strict=True)]


def main() -> None:
    """Train until the job is over, the schedule ends or the optimizer wants to stop.

    Measured is the model that `lmrun train` would keep, had it ended there.
    """
    job = read_job()
    load_tensorflow()
    from lmrun.build import as_params, build
    from lmrun.config.load import load_config
    from lmrun.training.drivers import make_driver
    from lmrun.training.loop import schedule_of
    from lmrun.training.schedule import planned_steps

    config = load_config(job.config, [f"seed={job.seed}", *job.settings["overrides"]]).config
    experiment = build(config)
    start = job.weights()
    recorder = Recorder(job)
    schedule = schedule_of(experiment)
    driver = make_driver(experiment, schedule)
    params = as_params(experiment)
    state = driver.init(params)

    def model(params: Any, state: Any) -> list[Array]:
        return split(np.asarray(driver.model(params, state)), start)

    made, message = 0, ""
    most = planned_steps(config.training, schedule)
    while made < most and not recorder.over():
        params, state, info = driver.advance(params, state, made, 1)
        # A step that left the parameters on the device is over when they are here.
        np.asarray(params)
        if info.status is not None:
            message = f"stopped by itself: {info.status}"
            break
        made += 1
        recorder.stepped()
        if recorder.due():
            recorder.evaluate(partial(model, params, state))
    recorder.evaluate(partial(model, params, state))
    names = ("lmrun", "tensorflow", "keras", "numpy", "scipy")
    recorder.write({name: version(name) for name in names}, message)


if __name__ == "__main__":
    main()
