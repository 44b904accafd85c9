"""The site builds without a warning, and its pictures are those that a command draws."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
FIGURES = runpy.run_path(str(DOCS / "figures.py"))


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    for needed in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(needed, reason="the extra [docs] is not installed")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", str(DOCS), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for page in ("index", "tutorial", "reference/config"):
        text = (tmp_path / f"{page}.html").read_text(encoding="utf-8")
        loaded = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?:[^"]+)"', text)
        assert not loaded, f"{page} loads from elsewhere: {loaded}"


def test_every_picture_is_drawn_by_a_command() -> None:
    drawn = {f"{name}.png" for name in (*FIGURES["PICTURES"], *FIGURES["SCRIPTS"])}
    shown = {
        (page.name, image)
        for page in (DOCS / f"{name}.md" for name in ("damping", "gallery", "tutorial", "from-scipy"))
        for image in re.findall(r"!\[[^\]]*\]\(images/([^)]+)\)", page.read_text(encoding="utf-8"))
    }
    assert len(shown) >= 10
    assert {image for _, image in shown} <= drawn
    assert not [image for _, image in shown if not (DOCS / "images" / image).is_file()]


def test_runs_of_the_pictures_are_commands_that_exist() -> None:
    from lmrun.config.load import load_config
    from lmrun.config.shipped import find_config

    shipped = {name: run for name, run in FIGURES["RUNS"].items() if not run[0].endswith(".yaml")}
    assert len(shipped) >= 10
    for name, (config, *overrides) in shipped.items():
        assert load_config(str(find_config(config)), overrides).config, name
