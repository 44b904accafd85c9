"""Draw the pictures of the pages, from real runs: by `lmrun plot`, or by an example itself.

Run `python docs/figures.py` for all of them (a few minutes), or `python docs/figures.py NAME ...` for some.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

IMAGES = Path(__file__).absolute().parent / "images"
NETWORK = ("rosenbrock-mlp", "training.target_loss=1e-10", "training.max_steps=400")
PLAIN = ("optimizer.acceleration=none", "optimizer.projection=none")
"""Nothing but the damping tells these runs apart."""


def damped(update: str, scaling: str = "identity") -> tuple[str, ...]:
    """The arguments of `lmrun train` for one damping on the same network and start."""
    return (*NETWORK, *PLAIN, f"optimizer.damping={{update: {update}, scaling: {scaling}}}")


RUNS: dict[str, tuple[str, ...]] = {
    "nielsen": damped("nielsen"),
    "factor": damped("factor"),
    "delayed-gratification": damped("delayed-gratification"),
    "trust-region": damped("trust-region"),
    "identity": damped("nielsen"),
    "marquardt": damped("nielsen", "marquardt"),
    "more": damped("nielsen", "more"),
    "sinc": ("sinc",),
    "sinc-adam": ("sinc", "optimizer=adam", "training.max_seconds=8"),
    "surface": ("rosenbrock-mlp",),
    "rosenbrock-nd": ("rosenbrock-nd",),
    "curve-lm": ("rosenbrock-curve",),
    "curve-adam": ("rosenbrock-curve", "optimizer=adam"),
    "curve-newton": ("rosenbrock-curve", "optimizer=newton"),
    "mnist": ("mnist-cnn",),
    "sensor": ("sensor.yaml",),
}
"""The arguments of `lmrun train`, by the name that the run gets."""

PICTURES: dict[str, tuple[str, ...]] = {
    "damping-updates": ("nielsen", "factor", "delayed-gratification", "trust-region"),
    "damping-nielsen": ("nielsen", "--kind", "damping"),
    "damping-factor": ("factor", "--kind", "damping"),
    "damping-delayed-gratification": ("delayed-gratification", "--kind", "damping"),
    "damping-trust-region": ("trust-region", "--kind", "damping"),
    "damping-scalings": ("identity", "marquardt", "more"),
    "tutorial-residuals": ("sensor", "--kind", "residuals"),
    "gallery-sinc-loss": ("sinc", "sinc-adam"),
    "gallery-sinc-fit": ("sinc", "--kind", "fit"),
    "gallery-curve-loss": ("curve-lm", "curve-newton", "curve-adam"),
    "gallery-surface-fit": ("surface", "--kind", "fit"),
    "gallery-nd-residuals": ("rosenbrock-nd", "--kind", "residuals"),
    "gallery-nd-damping": ("rosenbrock-nd", "--kind", "damping"),
    "gallery-mnist-confusion": ("mnist", "--kind", "confusion"),
    "gallery-mnist-filters": ("mnist", "--kind", "filters"),
    "gallery-mnist-roc": ("mnist", "--kind", "roc"),
}
"""The arguments of `lmrun plot`, by the name of the picture."""

SCRIPTS: dict[str, tuple[str, ...]] = {"poisson": ("examples/poisson.py", "--picture")}
"""What an example draws itself: its path and the option that takes the file, by the name of the picture."""

BLOCKS = ("python", "yaml sensor.yaml")


def python(folder: str, *arguments: str) -> None:
    """Run Python in a folder; its exit code ends the script where it is no success."""
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, cwd=folder)


def tutorial(folder: str) -> None:
    """Make the data and the config of the tutorial by its own blocks."""
    text = (IMAGES.parent / "tutorial.md").read_text(encoding="utf-8")
    data, config = (re.search(rf"^```{kind}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL) for kind in BLOCKS)
    assert data is not None
    assert config is not None
    python(folder, "-c", data[1])
    (Path(folder) / "sensor.yaml").write_text(config[1], encoding="utf-8")


def main() -> None:
    """Train the runs that the pictures need, and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*PICTURES, *SCRIPTS, []], help="pictures; left out, all")
    names = parser.parse_args().names or [*PICTURES, *SCRIPTS]
    with tempfile.TemporaryDirectory() as folder:
        tutorial(folder)
        drawn = [name for name in names if name in PICTURES]
        for name in dict.fromkeys(run for picture in drawn for run in PICTURES[picture] if run in RUNS):
            python(folder, "-m", "lmrun", "train", *RUNS[name], "--name", name, "--quiet")
        for name in names:
            output = str((IMAGES / f"{name}.png").absolute())
            if name in SCRIPTS:
                script, option = SCRIPTS[name]
                python(folder, str(IMAGES.parent / script), option, output)
            else:
                python(folder, "-m", "lmrun", "plot", *PICTURES[name], "--output", output)


if __name__ == "__main__":
    main()
