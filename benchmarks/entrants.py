"""Who takes part in which race, and with which settings.

Every peer has those of its settings that did best here (`benchmarks.tune`, `tuned.json`); where they differ
from the usage that its authors publish, the published usage takes part as well.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LMRUN = "lmrun"
TORCH = "torch-levenberg-marquardt"
TENSORFLOW = "tf-levenberg-marquardt"
SCIPY_LM = "SciPy least_squares lm"
SCIPY_TRF = "SciPy least_squares trf"
OPTIMISTIX = "Optimistix LevenbergMarquardt"
ADAM = "Keras Adam"
PACKAGES = (LMRUN, TORCH, TENSORFLOW, SCIPY_LM, SCIPY_TRF, OPTIMISTIX, ADAM)

TUNED = Path(__file__).with_name("tuned.json")

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Entrant:
    """One contestant in one race.

    Attributes:
        package: One of PACKAGES.
        variant: The settings in a few words.
        environment: A requirements file in `benchmarks/environments`, or `lmrun` for lmrun's own.
        worker: Module in `benchmarks/contestants`.
        settings: See the worker.
    """

    package: str
    variant: str
    environment: str
    worker: str
    settings: Settings

    @property
    def name(self) -> str:
        """Unique within a race."""
        return f"{self.package}, {self.variant}" if self.variant else self.package


def _rows(batch: int | None) -> str:
    return "all rows" if batch is None else f"batches of {batch:,}"


def _marquardt(settings: Settings, plain: Settings) -> str:
    """Describe settings that both packages of one author share: what is not `plain` by its value."""
    words = [settings["dtype"], _rows(settings["batch"])]
    if settings["learning_rate"] != 1.0:
        words.append(f"rate {settings['learning_rate']:g}")
    words += [str(settings[key]) for key in ("solve",) if settings[key] != plain[key]]
    words += [f"{key} {value}".replace("_", " ") for key, value in settings["damping"].items()]
    return ", ".join(words)


TORCH_DEFAULTS: Settings = {
    "dtype": "float64",
    "batch": None,
    "learning_rate": 1.0,
    "solve": "solve",
    "attempts": 10,
    "rows_at_once": None,
    "damping": {},
}


def torch(**settings: Any) -> Entrant:
    """The authors' examples: batches of 1,000 in float32 for sinc, of 5,000 at a rate of 0.05 for MNIST."""
    full = TORCH_DEFAULTS | settings
    return Entrant(TORCH, _marquardt(full, TORCH_DEFAULTS), "torch", "torch_lm", full)


TENSORFLOW_DEFAULTS: Settings = {**TORCH_DEFAULTS, "rows_at_once": 100}


def tensorflow(**settings: Any) -> Entrant:
    """Slices of 100 rows, its default; slices of 1,000 were slower (sinc: 52 against 35 ms a step)."""
    full = TENSORFLOW_DEFAULTS | settings
    return Entrant(TENSORFLOW, _marquardt(full, TENSORFLOW_DEFAULTS), "tensorflow", "tf_lm", full)


def scipy_lm(**arguments: Any) -> Entrant:
    """MINPACK."""
    return _scipy(SCIPY_LM, "lm", arguments)


def scipy_trf(**arguments: Any) -> Entrant:
    """Trust region reflective."""
    return _scipy(SCIPY_TRF, "trf", arguments)


def _scipy(package: str, method: str, arguments: Settings) -> Entrant:
    words = ", ".join(f"{key} {value}" for key, value in arguments.items())
    return Entrant(package, words, "jax", "scipy_ls", {"method": method, **arguments})


def optimistix(solver: str = "cholesky") -> Entrant:
    """Its default is `qr`."""
    return Entrant(OPTIMISTIX, solver, "jax", "optimistix_lm", {"solver": solver})


def adam(*, batch: int | None, learning_rate: float, compiled: bool = True) -> Entrant:
    """Keras' `fit` in float32, 20 steps per call or so many as see 10,000 images."""
    steps = 20 if compiled else max(1, 10_000 // batch)
    settings = {
        "dtype": "float32",
        "batch": batch,
        "learning_rate": learning_rate,
        "steps_per_call": steps,
        "compiled": compiled,
    }
    return Entrant(ADAM, f"rate {learning_rate:g}, {_rows(batch)}", LMRUN, "keras_adam", settings)


def lmrun(*overrides: str, worker: str = "lmrun_command") -> Entrant:
    """The shipped config, with changes where there are better settings than it has."""
    return Entrant(LMRUN, ", ".join(overrides), LMRUN, worker, {"overrides": list(overrides)})


def tuned(problem: str, make: Callable[..., Entrant], **otherwise: Any) -> Entrant:
    """Return a package's winner of `benchmarks.tune`; `otherwise` where it has not been tuned."""
    found = json.loads(TUNED.read_text(encoding="utf-8")) if TUNED.exists() else {}
    entry = found.get(problem, {}).get(make(**otherwise).package)
    return make(**(otherwise if entry is None else entry["best"]))


def entrants(problem: str) -> list[Entrant]:
    """Return all entrants of a race, lmrun last; of equal ones the first."""
    return list({entrant.name: entrant for entrant in reversed(RACES[problem]())}.values())[::-1]


RACES: dict[str, Callable[[], list[Entrant]]] = {
    "sinc": lambda: [
        tuned("sinc", torch, batch=1000),
        torch(dtype="float32", batch=1000),
        torch(),
        tensorflow(dtype="float32", batch=1000),
        tuned("sinc", scipy_lm),
        tuned("sinc", scipy_trf),
        tuned("sinc", optimistix),
        adam(batch=1000, learning_rate=0.01),
        lmrun("optimizer={name: lm, acceleration: none}", "training.batch_size=1000"),
        lmrun(),
    ],
    "rosenbrock-mlp": lambda: [
        tuned("rosenbrock-mlp", torch),
        tensorflow(),
        tuned("rosenbrock-mlp", scipy_lm),
        tuned("rosenbrock-mlp", scipy_trf),
        tuned("rosenbrock-mlp", optimistix),
        adam(batch=None, learning_rate=0.01),
        lmrun("optimizer={name: lm, acceleration: none}"),
        lmrun(),
    ],
    "rosenbrock-nd": lambda: [
        tuned("rosenbrock-nd", torch),
        tensorflow(),
        tuned("rosenbrock-nd", scipy_lm),
        tuned("rosenbrock-nd", scipy_trf),
        tuned("rosenbrock-nd", optimistix),
        adam(batch=500, learning_rate=0.003),
        lmrun("optimizer={name: lm, acceleration: none}", "training.batch_size=full"),
        lmrun(),
    ],
    "mnist-cnn": lambda: [
        tuned("mnist-cnn", torch, dtype="float32", batch=6000, learning_rate=0.1),
        tensorflow(dtype="float32", batch=6000, learning_rate=0.1),
        tuned("mnist-cnn", adam, batch=128, learning_rate=0.003, compiled=False),
        lmrun(
            "loss={name: sparse_categorical_crossentropy, curvature: square-root}",
            "training={batch_size: 6000, max_steps: 100}",
            worker="lmrun_steps",
        ),
        lmrun(
            "training={batch_size: 600, max_steps: 135}",
            "optimizer.damping.minimum=0.15",
            worker="lmrun_steps",
        ),
        lmrun(worker="lmrun_steps"),
    ],
}
"""Where lmrun takes part twice, the first makes the steps that `torch-levenberg-marquardt` makes, on the same
rows, so that their milliseconds compare; on MNIST the second goes for 97.0 % only.
SciPy and Optimistix have no mini-batches, and 60,000 x 1,026 doubles at once make steps of minutes. Adam's
rates outside MNIST are those of the shipped configs."""
