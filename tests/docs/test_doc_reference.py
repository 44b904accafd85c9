"""The reference pages are what the schema and the commands say now."""

import runpy
from pathlib import Path

import pytest

import lmrun
import lmrun.keras
from lmrun.cli import COMMANDS
from lmrun.config.optimizers import OPTIMIZER_NAMES

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = runpy.run_path(str(DOCS / "reference.py"))


@pytest.mark.parametrize("name", REFERENCE["PAGES"])
def test_a_page_is_up_to_date(name: str) -> None:
    written = (DOCS / "reference" / name).read_text(encoding="utf-8")
    assert written == REFERENCE["PAGES"][name](), "run: python docs/reference.py"


def test_everything_is_there() -> None:
    config, commands = (REFERENCE["PAGES"][name]() for name in ("config.md", "commands.md"))
    assert all(f"## lmrun {name}\n" in commands for name in COMMANDS)
    for name in OPTIMIZER_NAMES:
        assert f"`name: {name}`" in config or f"| `{name}` |" in config
    assert "| `delta` | number > 0 | `1.0` | Where quadratic turns into linear" in config
    assert "`update: delayed-gratification`" in config
    assert "#### optimizer.damping.scaling" in config


def test_every_name_of_the_python_api_is_there() -> None:
    page = REFERENCE["PAGES"]["python.md"]()
    names = [f"lmrun.{name}" for name in lmrun.LAZY] + [f"lmrun.keras.{name}" for name in lmrun.keras.__all__]
    assert all(f"## {name}\n" in page for name in names)
    assert "### LMModel.fit\n" in page
    assert "* `damping_algorithm`: The same, by the name" in page
