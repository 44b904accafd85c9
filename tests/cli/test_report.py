"""`lmrun report` from typed words to a file."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lmrun.cli import app
from lmrun.compare.document import compare, store
from lmrun.runs.files import read_json, write_sealed_json

TRAINED = ["train", "rosenbrock-curve", "--quiet", "--name", "trained"]


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["report", *arguments])


@pytest.fixture(autouse=True)
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run(there):
    assert CliRunner().invoke(app, TRAINED).exit_code == 0
    result = invoke("latest")
    assert (result.exit_code, result.stdout) == (0, "runs/trained/report.html\n")
    text = (there / "runs/trained/report.html").read_text()
    assert "rosenbrock-curve · lm · seed 10" in text
    for part in ('id="loss"', 'id="damping"', 'id="fit-1"', "data_checksum", "dataset:"):
        assert part in text, part
    # The data of the fit is gone, and the rest is worth a page.
    manifest = there / "runs/trained/manifest.json"
    write_sealed_json(manifest, {**read_json(manifest), "data_checksum": "0"})
    result = invoke("trained", "-o", "pages/a.html")
    assert (result.exit_code, result.stdout) == (0, "pages/a.html\n")
    text = (there / "pages/a.html").read_text()
    assert "No fit of trained is drawn. The data of the run trained has changed" in text
    assert 'id="fit-1"' not in text


def test_runs_and_a_stored_comparison(there, make_result):
    results = [make_result(name) for name in ("adam", "lm")]
    names = [result.run.name for result in results]
    result = invoke(*names)
    assert (result.exit_code, result.stdout) == (0, "comparison.html\n"), result.output
    folder = store(there / "runs", compare(results, names), Path.touch)
    result = invoke(folder.path.name)
    assert (result.exit_code, result.stdout) == (0, f"runs/{folder.path.name}/comparison.html\n")
    text = folder.report.read_text()
    assert "sinc: adam against lm" in text
    assert text.count("is drawn. ") == 2, "these runs have no weights"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["nothing"], "There is no run 'nothing'"), (["nothing", "-o", "a.pdf"], "a report is an HTML page")],
)
def test_what_cannot_be_written(arguments, words):
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert words in result.output
