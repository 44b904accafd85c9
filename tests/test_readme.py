"""Every command that the README tells a newcomer to type, as it stands there."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from trained_here import train_here
from typer.testing import CliRunner

from lmrun.cli import app, comparing

README = Path(__file__).parents[1] / "README.md"
QUICK = {
    "train": ["training.max_steps=5"],
    "compare": ["--seeds", "1", "--max-seconds", "1"],
    "sweep": ["--dry-run"],
}
"""What a test adds to a command, lest it take minutes; `--resume` and `--dry-run` take nothing more."""
SWEEP = "base: sinc\ngrid: {optimizer.damping.initial: [0.1, 1]}\n"


def commands() -> list[list[str]]:
    """The indented lines that begin with lmrun and name no placeholder, without their comments."""
    lines = re.findall(r"^    lmrun (.*)$", README.read_text(encoding="utf-8"), re.MULTILINE)
    typed = [re.sub(r"\s+#.*", "", line) for line in lines]
    return [shlex.split(line) for line in typed if not re.search(r"[A-Z]{3}|\[|\|", line)]


def test_the_commands_are_found() -> None:
    assert ["train", "sinc"] in commands()
    assert ["compare", "adam", "lm"] in commands()
    assert len(commands()) >= 11


def test_two_processes_are_told_the_same() -> None:
    """What they then do is in `tests/distribution/test_two_workers.py`."""
    (first, second) = [each for each in commands() if "--workers" in each]
    assert first == [*second, "&"]


def test_every_command_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # What its own processes do is in `tests/cli/test_compare.py`.
    monkeypatch.setattr(comparing, "train", train_here)
    x = np.linspace(0, 1, 50)
    np.savetxt("data.csv", np.stack([x, x, np.sin(x)], axis=1), delimiter=",", header="x1,x2,y", comments="")
    Path("sweep.yaml").write_text(SWEEP, encoding="utf-8")
    for arguments in commands():
        if "--workers" in arguments:
            continue
        quick = [] if "--dry-run" in arguments else QUICK.get(arguments[0], [])
        result = CliRunner().invoke(app, [*arguments, *quick])
        assert result.exit_code == 0, (arguments, result.output, result.exception)
