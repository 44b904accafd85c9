"""SciPy `least_squares` with a compiled JAX Jacobian, float64, all rows.

Settings: `method` (`lm` is MINPACK, `trf`) and any further arguments of `least_squares`.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import jax
import numpy as np
from scipy.optimize import least_squares

from benchmarks.contestants.jax_model import flatten, make_jacobian, make_residuals
from benchmarks.contestants.protocol import Array, Recorder, check, read_job


class JobIsOverError(Exception):
    """Thrown out of the residual function: `least_squares` knows no time limit."""


def main() -> None:
    """Let SciPy call the functions until the job is over; a step is a call for the Jacobian."""
    job = read_job()
    jax.config.update("jax_enable_x64", True)
    inputs, targets = job.training()
    start = job.weights()
    plain = make_residuals(job.layers, start, inputs, targets)
    residuals = jax.jit(plain)
    jacobian = jax.jit(make_jacobian(job.layers, start, inputs))
    check(job, inputs, np.asarray(plain(flatten(start))).reshape(targets.shape) + targets)
    recorder = Recorder(job)

    def values(params: Array) -> Array:
        if recorder.over():
            raise JobIsOverError
        errors = np.asarray(residuals(params))
        recorder.value(float(errors @ errors) / len(errors))
        return errors

    def slopes(params: Array) -> Array:
        slope = np.asarray(jacobian(params))
        recorder.stepped()
        return slope

    settings: dict[str, Any] = job.settings
    # Tolerances of 0 are refused by `lm`; this is the smallest that both accept.
    tolerance = float(np.finfo(np.float64).eps)
    message = ""
    try:
        result = least_squares(
            values,
            flatten(start),
            jac=slopes,
            ftol=tolerance,
            xtol=tolerance,
            gtol=tolerance,
            max_nfev=10**9,
            **settings,
        )
        message = f"stopped by itself: {result.message}"
    except JobIsOverError:
        pass
    recorder.write({"scipy": version("scipy"), "jax": jax.__version__}, message)


if __name__ == "__main__":
    main()
