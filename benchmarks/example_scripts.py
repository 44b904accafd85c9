"""The example scripts that are raced: those of the two Levenberg-Marquardt packages, and lmrun's.

The packages' scripts as their repositories have them (github.com/fabiodimarco: tf-levenberg-marquardt at
880ac9c, torch-levenberg-marquardt at 8e5551b): their networks, rows, batches, rates, solvers and epochs. What
they do besides, training by Adam and drawing, is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmarks.entrants import LMRUN, Entrant, tensorflow, torch
from benchmarks.environments import ROOT
from benchmarks.problems import Problem

FOLDER = ROOT / "docs" / "examples"


@dataclass(frozen=True)
class Script:
    """A script that is raced.

    Attributes:
        entrant: Package and settings.
        settings: In a few words, for the table.
        steps: After so many it ends; None: as lmrun's script says.
        activation: Of the hidden layers.
        lines: Of the package's script; None: counted.
        lines_alone: Of the part of it that training by Levenberg-Marquardt and its printed result need,
            formatted as lmrun's scripts are; None: all lines.
    """

    entrant: Entrant
    settings: str
    steps: int | None = None
    activation: str = "tanh"
    lines: int | None = None
    lines_alone: int | None = None


@dataclass(frozen=True)
class Example:
    """The same example by several packages.

    Attributes:
        problem: What the seconds are counted to, and how long a run may take: the packages' published
            results.
        repeats: Runs of each, one seed each.
        scripts: lmrun's last.
    """

    problem: Problem
    repeats: int
    scripts: tuple[Script, ...]

    def quick(self) -> Example:
        """Return the same race for a smoke run."""
        return replace(self, problem=self.problem.quick(), repeats=1)


def own(name: str, settings: str) -> Script:
    """Return lmrun's script, which runs as it is."""
    path = FOLDER / f"{name}.py"
    return Script(Entrant(LMRUN, "", LMRUN, "lmrun_example", {"script": str(path)}), settings)


def count_lines(source: str) -> int:
    """Count the lines of a script that are neither empty nor a comment alone."""
    lines = (line.strip() for line in source.splitlines())
    return sum(bool(line) and not line.startswith("#") for line in lines)


EXAMPLES = {
    "sinc_fit": Example(
        Problem("sinc_fit", "sinc: 20,000 points, 61 parameters", "mse", (3.31e-7, 1.03e-8), 0.0, 60.0),
        5,
        (
            Script(
                tensorflow(dtype="float32", batch=1000, solve="qr"),
                "float32, batches of 1,000, rate 1, 100 epochs",
                steps=2000,
                lines=47,
                lines_alone=23,
            ),
            Script(
                torch(dtype="float32", batch=1000, solve="qr"),
                "float32, batches of 1,000, rate 1, 100 epochs",
                steps=2000,
                lines=97,
                lines_alone=31,
            ),
            own("sinc_fit", "float64, growing rows"),
        ),
    ),
    "mnist": Example(
        Problem(
            "mnist",
            "MNIST: 60,000 images, a convolutional network of 1,026 parameters",
            "accuracy",
            (0.9759, 0.9778),
            0.0,
            120.0,
        ),
        3,
        (
            Script(
                tensorflow(dtype="float32", batch=6000, learning_rate=0.1),
                "tanh, batches of 6,000, rate 0.1, 10 epochs",
                steps=100,
                lines=69,
                lines_alone=42,
            ),
            Script(
                torch(dtype="float32", batch=5000, learning_rate=0.05, solve="cholesky"),
                "ELU, batches of 5,000, rate 0.05, 100 epochs",
                steps=1200,
                activation="elu",
                lines=112,
                lines_alone=67,
            ),
            own("mnist", "tanh, batches of 500"),
        ),
    ),
}
