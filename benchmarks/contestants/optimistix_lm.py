"""Optimistix' LevenbergMarquardt, float64, all rows: its compiled step, called from Python.

Settings: `solver`: `qr` of the stacked [J; sqrt(damping) I], its default, or `cholesky` of the normal
equations.

Its Jacobians are one forward derivative per parameter, or one backward pass per row that runs out of memory.
So the residuals bring a rule of their own (`jax.custom_jvp`) with the Jacobian that SciPy gets too: 119 ms
instead of 418 a step on the 6-D Rosenbrock problem.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import equinox
import jax
import jax.numpy as jnp
import lineax
import numpy as np
import optimistix

from benchmarks.contestants.jax_model import flatten, make_jacobian, make_residuals
from benchmarks.contestants.protocol import Recorder, check, read_job

SOLVERS = {"qr": lineax.QR, "cholesky": lambda: lineax.Normal(lineax.Cholesky())}


def with_jacobian(residuals: Callable[[Any], Any], jacobian: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Let derivatives of the residuals go through their Jacobian."""
    function = jax.custom_jvp(residuals)

    @function.defjvp
    def product(primals: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:
        return residuals(primals[0]), jacobian(primals[0]) @ tangents[0]

    return function


def main() -> None:
    """Step by step, as its documentation shows for interactive solves, until the job is over."""
    job = read_job()
    jax.config.update("jax_enable_x64", True)
    inputs, targets = job.training()
    start = job.weights()
    residuals = with_jacobian(
        make_residuals(job.layers, start, inputs, targets), make_jacobian(job.layers, start, inputs)
    )
    params = jnp.asarray(flatten(start))
    check(job, inputs, np.asarray(residuals(params)).reshape(targets.shape) + targets)
    recorder = Recorder(job)
    solver = optimistix.LevenbergMarquardt(
        rtol=0.0, atol=0.0, linear_solver=SOLVERS[job.settings["solver"]]()
    )
    options = {"jac": "fwd"}
    tags: frozenset[object] = frozenset()

    def function(y: Any, args: Any) -> tuple[Any, None]:
        return residuals(y), None

    shape = jax.eval_shape(lambda: residuals(params))
    state = solver.init(function, params, None, options, shape, None, tags)

    @equinox.filter_jit
    def step(y: Any, state: Any) -> tuple[Any, Any, Any]:
        y, state, _ = solver.step(function, y, None, options, state, tags)
        return y, state, jnp.mean(state.f_info.residual**2)

    message = ""
    while not recorder.over():
        params, state, loss = step(params, state)
        loss.block_until_ready()
        recorder.stepped()
        recorder.value(float(loss))
        if state.terminate:
            message = "stopped by itself: converged"
            break
    recorder.write({"optimistix": version("optimistix"), "jax": jax.__version__}, message)


if __name__ == "__main__":
    main()
