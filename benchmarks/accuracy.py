"""Digits on the NIST problems, solved problems of Moré, Garbow and Hillstrom; SciPy beside lmrun.

    python -m benchmarks.accuracy [DOCUMENT]

Writes docs/accuracy.md. Everything in it is measured by this command.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import scipy

from benchmarks import more_garbow_hillstrom as mgh
from benchmarks.machine import processor
from benchmarks.nist import (
    STARTS,
    Digits,
    NistProblem,
    fit_by_lmrun,
    fit_by_scipy,
    read_problems,
    worst_and_mean,
)
from lmrun.quiet import load_tensorflow

DOCUMENT = Path(__file__).parents[1] / "docs" / "accuracy.md"
SCIPY = {
    "trf": ("trf", 1.0),
    "trf, scaled": ("trf", "jac"),
    "lm": ("lm", 1.0),
    "lm, scaled": ("lm", "jac"),
}
"""SciPy's methods for least squares without bounds, with and without the scaling by the Jacobian."""
SOLVED = 6.0
"""Digits of a run that found the minimum."""
MORE = {"optimizer": {"name": "lm", "damping": {"update": "trust-region", "scaling": "more"}}}
"""The defaults of formulas but for the scaling."""
Row = tuple[NistProblem, str, str, Digits, dict[str, Digits]]


def measured(folder: Path) -> Iterator[Row]:
    """Fit every problem from both starts by everyone."""
    for problem in read_problems():
        for start in STARTS:
            summary, own = fit_by_lmrun(problem, start, folder)
            others = {"lmrun, more": fit_by_lmrun(problem, start, folder, MORE)[1]}
            others |= {f"SciPy {name}": fit_by_scipy(problem, start, *how) for name, how in SCIPY.items()}
            print(f"{problem.name} {start}: {own.params:.1f}", file=sys.stderr)
            yield problem, start, summary["status"], own, others


def digits_table(rows: Sequence[Row]) -> list[str]:
    """Every run of lmrun, and SciPy's digits of the parameters."""
    heads = ["problem", "start", "ended", "steps", "parameters", "standard errors", "RSS"]
    others = [f"SciPy {name}" for name in SCIPY]
    lines = [f"| {' | '.join([*heads, *others])} |", f"|{'---|' * (len(heads) + len(others))}"]
    for problem, start, status, own, by in rows:
        cells = [problem.name, start[-1], status, str(own.steps), *(f"{value:.1f}" for value in own[1:])]
        cells += [f"{by[name].params:.1f}" for name in others]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def summary_table(rows: Sequence[Row]) -> list[str]:
    """Lowest and mean digits, and how many runs have so many."""
    lines = [
        "| | lowest | mean | runs of at least 10 digits | 8 | 6 | standard errors, lowest | RSS, lowest |",
        "|---|---|---|---|---|---|---|---|",
    ]
    runs = {"lmrun": [own for *_, own, _ in rows]}
    runs |= {name: [by[name] for *_, by in rows] for name in rows[0][-1]}
    for name, digits in runs.items():
        low, mean = worst_and_mean(digits)
        counts = [sum(one.params >= least for one in digits) for least in (10, 8, SOLVED)]
        cells = [f"{low.params:.2f}", f"{mean.params:.2f}", f"{counts[0]} of {len(digits)}"]
        cells += [str(counts[1]), str(counts[2]), f"{low.errors:.2f}", f"{low.square:.2f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


NIST = """\
{problems} problems of the Statistical Reference Datasets for nonlinear regression, each from both of NIST's
starting points. A config names data, formula and starting values; all else is default. Digits are log
relative errors against the certified values, the worst of a run, and 11 at most, as many as those have;
lmrun's parameters, standard errors and residual sums of squares (RSS) are those of its summary.json. SciPy's
`least_squares` has the exact Jacobian and the tightest tolerances it takes (1e-15), and its standard errors
are computed at its end; *scaled* is `x_scale='jac'`. *lmrun, more* has Moré's scaling,
`optimizer.damping.scaling: more`, in the place of the default, `typical`."""


def nist_chapter(folder: Path) -> list[str]:
    """The NIST problems."""
    rows = list(measured(folder))
    problems = len({problem.name for problem, *_ in rows})
    every = "Every run; SciPy's columns are digits of the parameters."
    text = NIST.format(problems=problems)
    return ["## NIST", "", text, "", *summary_table(rows), "", every, "", *digits_table(rows)]


MGH = """\
The nonlinear least squares problems of Moré, Garbow and Hillstrom (1981), with the sizes of the paper, from
the standard start and from 10 and 100 times it. A run is solved where |r|² is within a share of 1e-4, or
1e-12, of a finite minimum that the paper lists, or below them all. All have the exact Jacobian, by
forward-mode differentiation, tolerances of 1e-15 and at most 2,000 steps or evaluations; lmrun steps with
the defaults of formulas."""


def mgh_chapter() -> list[str]:
    """The problems of Moré, Garbow and Hillstrom."""
    methods = {**SCIPY, "dogbox": ("dogbox", 1.0), "dogbox, scaled": ("dogbox", "jac")}
    counts = dict.fromkeys(["lmrun", *methods], 0)
    heads = ["problem", "start", "lmrun", *(f"SciPy {name}" for name in methods)]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for problem in mgh.PROBLEMS:
        residuals = mgh.residuals_of(problem)
        for factor in mgh.FACTORS:
            start = mgh.begin(problem, factor)
            ends = {"lmrun": mgh.fit_by_lmrun(residuals, start)}
            ends |= {name: mgh.fit_by_scipy(residuals, start, *how) for name, how in methods.items()}
            cells = [problem.name, f"× {factor}"]
            for name, ended in ends.items():
                done = mgh.solved(problem, ended)
                counts[name] += done
                cells.append(f"solved, {ended.steps:,}" if done else f"{ended.square:.3g}")
            print(*cells[:3], file=sys.stderr)
            lines.append(f"| {' | '.join(cells)} |")
    runs = len(mgh.PROBLEMS) * len(mgh.FACTORS)
    table = ["| | solved |", "|---|---|"]
    for name, count in counts.items():
        table.append(f"| {name if name == 'lmrun' else 'SciPy ' + name} | {count} of {runs} |")
    every = "Every run: steps or evaluations where it is solved, else |r|² at its end."
    return ["## Moré, Garbow and Hillstrom", "", MGH, "", *table, "", every, "", *lines]


def main() -> None:
    """Measure and write."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCUMENT
    load_tensorflow()
    with tempfile.TemporaryDirectory() as folder:
        chapters = [*nist_chapter(Path(folder)), "", *mgh_chapter()]
    lines = [
        "# Accuracy",
        "",
        f"Written by `python -m benchmarks.accuracy` ({processor()}; SciPy {scipy.__version__}).",
        "",
        *chapters,
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
