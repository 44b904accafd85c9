"""Every block of Python in docs/python.md runs, one after the other, as a reader would type them."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


def test_every_block_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    blocks = list(re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    assert len(blocks) >= 7
    assert text.count("```python") == len(blocks)
    names = {"__name__": "page"}
    for block in blocks:
        line = text.count("\n", 0, block.start(1))
        exec(compile("\n" * line + block[1], str(PAGE), "exec"), names)
    # What the page says that a mistake looks like.
    printed = capsys.readouterr().out
    shown = re.findall(r"^    (lmrun\.fit: .*)$", text, re.MULTILINE)
    assert len(shown) == 2
    assert "\n".join(shown) in printed
    assert names["result"].params["b1"] == pytest.approx(3.0, abs=0.1)
