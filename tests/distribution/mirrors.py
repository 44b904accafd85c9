"""Two logical devices of the CPU stand for two GPUs: how far apart a step by both and by one are."""

import sys

import numpy as np
import tensorflow as tf

import lmrun  # noqa: F401 - first
from lmrun import build
from lmrun.config.load import load_config
from lmrun.curvature.problem import Problem
from lmrun.distribution import mirrored
from lmrun.training.second_order import full_problem

PLACES = ("/CPU:0", "/CPU:1")


def step(problem: Problem, point):
    model = problem.linearize(point)
    ones = problem.algebra.ones_like(model.gradient)
    trial = problem.damped_trial(point, model, 0.1, ones, accelerate=True)
    return np.concatenate(
        [[problem.loss(point), trial.loss], model.gradient, model.curvature.diagonal, trial.params]
    )


def main() -> None:
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
    build.mirrors_of = lambda device: mirrored.Mirrors(PLACES)
    overrides = [
        "distribution=mirrored",
        "dataset.points=3000",
        "training.batch_size=full",
        "model.hidden=[4]",
    ]
    for solver in ("cholesky", "qr"):
        experiment = build.build(load_config("sinc", [*overrides, f"optimizer.solver={solver}"]).config)
        problem = full_problem(experiment)
        used = {chunk.inputs.device[-1] for chunk in problem.batch.chunks}
        assert used == {"0", "1"}, used
        both = step(problem, build.as_params(experiment))
        alone = build.build(load_config("sinc", [*overrides, "distribution=none"]).config)
        one = step(full_problem(alone), build.as_params(alone))
        sys.stdout.write(f"{np.max(np.abs(both - one))}\n")


if __name__ == "__main__":
    main()
