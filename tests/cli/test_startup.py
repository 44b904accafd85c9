"""Commands that do not compute answer at once: they import nothing heavy."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import lmrun

HEAVY = ("tensorflow", "keras", "numpy", "pandas", "matplotlib", "scipy", "pyarrow", "rich")
PROGRAM = """
import atexit, sys
heavy = {HEAVY!r}
atexit.register(lambda: sys.stderr.write("HEAVY " + repr([name for name in heavy if name in sys.modules])))
sys.argv = ["lmrun", *sys.argv[1:]]
from lmrun.cli import main
main()
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["check", "sinc"],
        ["check", "sinc", "seed=x"],
        ["schema"],
        ["init", "formula"],
    ],
    ids=" ".join,
)
def test_nothing_heavy_is_imported(arguments, tmp_path):
    program = PROGRAM.replace("{HEAVY!r}", repr(HEAVY))
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(),
        check=False,
    )
    assert done.stderr.endswith("HEAVY []")
    assert done.returncode == (2 if "seed=x" in arguments else 0)


def environment():
    return {**os.environ, "PYTHONPATH": str(Path(lmrun.__file__).parent.parent)}


def run_main(body, **env):
    program = f"import sys; sys.argv = ['lmrun', 'check', 'x']\nimport lmrun.cli as cli\n{body}\ncli.main()"
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment() | env, check=False
    )


UNEXPECTED = """
import lmrun.config.load as load
def broken(*_):
    raise ZeroDivisionError('by nought')
load.load_config = broken
"""
INTERRUPTED = UNEXPECTED.replace("ZeroDivisionError('by nought')", "KeyboardInterrupt")


def test_the_unexpected_is_named_without_a_traceback():
    done = run_main(UNEXPECTED)
    assert done.returncode == 1
    assert done.stderr == (
        "lmrun: unexpected ZeroDivisionError: by nought\n"
        "This is a mistake in lmrun. LMRUN_DEBUG=1 shows where it happened.\n"
    )


def test_the_traceback_on_request():
    done = run_main(UNEXPECTED, LMRUN_DEBUG="1")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_interrupted():
    done = run_main(INTERRUPTED)
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
