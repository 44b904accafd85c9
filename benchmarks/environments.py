"""One virtual environment per set of packages that would clash, made from a pinned requirements file."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = Path(__file__).with_name("environments")
FOLDER = ROOT / ".bench"
"""Everything that can be made again: environments, exported problems, jobs, records."""


class EnvironmentFailedError(Exception):
    """An environment could not be made; the message says why."""


def python(name: str) -> Path:
    """Return the interpreter of an environment; make it first, or again if its requirements have changed.

    Args:
        name: A file in `benchmarks/environments` without its ending, or `lmrun` for the present interpreter.

    Raises:
        EnvironmentFailedError: pip does not succeed.
    """
    if name == "lmrun":
        return Path(sys.executable)
    requirements = REQUIREMENTS / f"{name}.txt"
    folder = FOLDER / name
    interpreter, stamp = folder / "bin" / "python", folder / "requirements.sha256"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="utf-8") == digest:
        return interpreter
    print(f"making the environment {name} (once)", file=sys.stderr)
    _run([sys.executable, "-m", "venv", "--clear", str(folder)])
    _run([str(interpreter), "-m", "pip", "install", "--quiet", "--requirement", str(requirements)])
    stamp.write_text(digest, encoding="utf-8")
    return interpreter


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise EnvironmentFailedError(lines[-1] if lines else f"{command[0]} ended with {done.returncode}")
