"""What is solved: four of the shipped configs, what counts as solved, and how long a run may take."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Problem:
    """A shipped config as a race.

    Attributes:
        name: The shipped config's name.
        title: For tables and figures.
        measure: `mse` over all training rows, or `accuracy` on the test rows.
        targets: What the seconds are counted to, the easiest first.
        budget_seconds: The best value within this time is compared; every run lasts at least so long.
        limit_seconds: A run that has not reached the last target goes on until then.
    """

    name: str
    title: str
    measure: Literal["mse", "accuracy"]
    targets: tuple[float, ...]
    budget_seconds: float
    limit_seconds: float

    def error(self, value: float) -> float:
        """Turn a measured value into one where less is better: the MSE, or the share of wrong test rows."""
        return value if self.measure == "mse" else 1.0 - value

    def reached(self, value: float, target: float) -> bool:
        """Whether a measured value is as good as a target."""
        return value <= target if self.measure == "mse" else value >= target

    def quick(self) -> Problem:
        """Return the same race for a smoke run: seconds instead of minutes."""
        return replace(self, budget_seconds=3.0, limit_seconds=3.0)


PROBLEMS = {
    problem.name: problem
    for problem in (
        Problem("sinc", "sinc, 20,000 points, 61 parameters", "mse", (1.5e-8,), 10.0, 30.0),
        Problem("rosenbrock-mlp", "Rosenbrock 2-D, 500 points, 41 parameters", "mse", (1.2e-5,), 10.0, 30.0),
        Problem("rosenbrock-nd", "Rosenbrock 6-D, 10,000 points, 311 parameters", "mse", (7e-6,), 25.0, 60.0),
        Problem(
            "mnist-cnn",
            "MNIST, 60,000 images, convolutional network of 1,026 parameters",
            "accuracy",
            (0.97, 0.977),
            60.0,
            240.0,
        ),
    )
}
