"""Every code block of the docs: run, written, checked as a config, or marked as one that is shown only.

The first word of a fence is the language, the second a file that the block is written to:

    sh            run line by line in the page's folder; `lmrun` in this process
    python        run in one namespace per page
    yaml          a config, or a part of one, that has to be valid
    LANGUAGE FILE written, for the blocks after it
    console       takes minutes, or has placeholders: a command of lmrun has to exist with these options, and
                  what it trains has to be valid
    text          output
    matlab        another program's
    LANGUAGE elsewhere   code of another package
"""

import ast
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
import yaml
from typer.main import get_command
from typer.testing import CliRunner

from lmrun.cli import app
from lmrun.config.load import load_config, load_text
from lmrun.errors import LmrunError

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
SHOWN = {"text", "matlab", "{include}", "{toctree}"}
LEADING = ["dataset: sinc", "model: mlp"]
"""What a part of a config is completed by."""


class Block(NamedTuple):
    """A fenced block: its language, what else its first line says, its text and its line in the page."""

    language: str
    word: str
    text: str
    line: int


def blocks(page: str) -> Iterator[Block]:
    """Yield the blocks of a page in their order."""
    source = (DOCS / page).read_text(encoding="utf-8")
    for found in re.finditer(r"^```(\S*) ?(.*)\n((?:.*\n)*?)```$", source, re.MULTILINE):
        yield Block(found[1], found[2].strip(), found[3], source[: found.start()].count("\n") + 1)


def misra() -> str:
    """NIST's Misra1a as CSV."""
    problems = json.loads((Path(__file__).parents[1] / "data/nist_strd.json").read_text())
    problem = next(one for one in problems if one["name"] == "Misra1a")
    return "x,y\n" + "\n".join(f"{x!r},{y!r}" for x, y in zip(problem["x"][0], problem["y"], strict=True))


GIVEN = {"fitting.md": {"misra.csv": misra}}
"""Files that a page takes for granted."""


def complete(text: str) -> str:
    """Add what a part of a config leaves out."""
    keys = yaml.safe_load(text)
    return "\n".join([line for line in LEADING if line.split(":")[0] not in keys] + [text])


def lines_of(text: str) -> list[str]:
    """The commands of a shell block, with their comments removed."""
    joined = text.replace("\\\n", " ")
    return [line for raw in joined.splitlines() if (line := re.sub(r"(^|\s)#.*", "", raw).strip())]


def run_line(line: str, where: str) -> None:
    """Run a command; those of lmrun in this process, which has TensorFlow loaded."""
    words = shlex.split(line)
    if words[0] == "lmrun":
        result = CliRunner().invoke(app, words[1:])
        assert result.exit_code == 0, (where, line, result.output, result.exception)
        return
    if words[0] == "gcc" and shutil.which("gcc") is None:
        pytest.skip("no C compiler is installed (gcc)")
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (where, line, done.stdout, done.stderr)


def check_line(line: str, where: str) -> None:
    """Check a command that is not run: its name, its options, and the config that it would train."""
    words = shlex.split(line)
    if words[0] == "python":
        assert (DOCS.parent / words[1]).is_file(), where
        return
    assert words[0] == "lmrun", (where, line)
    command = get_command(app).commands[words[1]]  # type: ignore[attr-defined]
    # Whatever is wrong with an option is an error here.
    command.make_context(words[1], words[2:])
    if words[1] == "train":
        load_config(words[2], [word for word in words[3:] if re.match(r"[\w.]+=", word)])


def test_pages_are_found_and_every_block_has_a_kind() -> None:
    assert {"tutorial.md", "damping.md", "from-matlab.md", "reference/config.md"} <= set(PAGES)
    kinds = {"sh", "console", "python", "yaml", *SHOWN}
    for page in PAGES:
        for block in blocks(page):
            known = block.language in kinds or block.word
            assert known, f"docs/{page}:{block.line}: a block of {block.language!r} is neither run nor marked"


@pytest.mark.parametrize("page", PAGES)
def test_every_block_runs(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content in GIVEN.get(page, {}).items():
        Path(name).write_text(content(), encoding="utf-8")
    namespace: dict[str, Any] = {"__name__": "__page__"}
    for block in blocks(page):
        where = f"docs/{page}:{block.line}"
        if block.word == "elsewhere":
            if block.language == "python":
                ast.parse(block.text)
        elif block.word:
            Path(block.word).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            exec(compile(block.text, where, "exec"), namespace)
        elif block.language == "yaml":
            load_text(complete(block.text), Path("page.yaml").absolute(), [], label=where)
        elif block.language == "sh":
            for line in lines_of(block.text):
                run_line(line, where)
        elif block.language == "console":
            for line in lines_of(block.text):
                check_line(line, where)
    # What the page says that a mistake looks like.
    printed = capsys.readouterr().out
    source = (DOCS / page).read_text(encoding="utf-8")
    for message in re.findall(r"^    (lmrun\.fit: .*)$", source, re.MULTILINE):
        assert message in printed, (page, message)


@pytest.mark.parametrize(
    "line", ["lmrun train sink", "lmrun plot a --kin fit", "lmrun train sinc training.step=1"]
)
def test_a_command_that_does_not_exist_is_found(line: str) -> None:
    # Typer has a name for one kind of usage errors only.
    with pytest.raises((LmrunError, *typer.BadParameter.__bases__)):
        check_line(line, "")


def test_no_command_hides_in_an_indented_block() -> None:
    for page in PAGES:
        text = re.sub(r"^```.*?^```$", "", (DOCS / page).read_text(encoding="utf-8"), flags=re.M | re.S)
        assert not re.findall(r"^    lmrun .*", text, re.MULTILINE), f"docs/{page}: put commands into ```sh"
