"""`lmrun init`."""

import pytest
from typer.testing import CliRunner

from lmrun.cli import app
from lmrun.config.shipped import shipped, shipped_names


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, arguments)


@pytest.mark.parametrize("name", ["table", "formula", *shipped_names()])
def test_what_it_writes_is_valid_and_commented(run, tmp_path, name):
    done = run("init", name)
    assert (done.exit_code, done.stdout) == (0, "")
    assert (
        done.stderr
        == f"Wrote {name}.yaml. Edit it, then: lmrun check {name}.yaml and lmrun train {name}.yaml\n"
    )
    assert (tmp_path / f"{name}.yaml").read_text().startswith("# ")
    assert run("check", f"{name}.yaml").stdout == f"{name}.yaml: valid\n"


def test_shipped_configs_as_they_are(run, tmp_path):
    run("init", "sinc", "-o", "mine.yaml")
    assert (tmp_path / "mine.yaml").read_text() == shipped()["sinc"].read_text()


def test_never_overwrites(run, tmp_path):
    (tmp_path / "table.yaml").write_text("mine")
    done = run("init", "table")
    assert done.exit_code == 2
    assert done.stderr == "'table.yaml' exists and is left as it is; choose another name with -o FILE.\n"
    assert (tmp_path / "table.yaml").read_text() == "mine"


def test_no_such_folder(run):
    done = run("init", "table", "-o", "no/such.yaml")
    assert (done.exit_code, done.stderr) == (
        2,
        "'no/such.yaml' cannot be written: No such file or directory.\n",
    )


def test_unknown_name(run):
    done = run("init", "tabel")
    assert (done.exit_code, done.stderr) == (
        2,
        "There is no config 'tabel' to start from. Did you mean 'table'?\n",
    )
