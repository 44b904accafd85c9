"""What SciPy's `least_squares` and `curve_fit` take, and lmrun has elsewhere or not at all."""

from __future__ import annotations

from collections.abc import Iterable

from lmrun.errors import ConfigError

OF_SCIPY = {
    "diff_step": "steps of differences follow the parameters' sizes; leave it out, or give jac",
    "ftol": "a loss that stands still is where undamped steps begin; leave it out",
    "full_output": "everything is in the result; leave it out",
    "gtol": "is gradient_tolerance here",
    "jac_sparsity": "Jacobians are dense; leave it out",
    "max_nfev": "is max_steps here; a step has one evaluation or more",
    "method": "is optimizer here: 'lm', which takes bounds, too",
    "tr_options": "is solver here: 'qr' or 'cholesky'",
    "tr_solver": "is solver here: 'qr', which is SciPy's exact, or 'cholesky'",
    "verbose": "callback=print prints each step",
    "workers": "derivatives of TensorFlow functions use all cores; leave it out",
    "x_scale": "steps are scaled by the parameters' sizes; leave it out",
    "xtol": "is step_tolerance here",
}
"""Arguments of SciPy's `least_squares` and `curve_fit`, and where they are here."""


def refuse_others(names: Iterable[str]) -> None:
    """Refuse arguments that there are not with a ConfigError that says where they are."""
    problems = [
        f"{name}: {OF_SCIPY[name]}."
        if name in OF_SCIPY
        else f"unknown argument '{name}'. See docs/from-scipy.md."
        for name in names
    ]
    if problems:
        raise ConfigError([f"lmrun.least_squares: {problem}" for problem in problems])
