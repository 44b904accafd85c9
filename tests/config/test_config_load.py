"""From a name or path to a resolved config."""

from pathlib import Path

import pytest

from lmrun.config.document import parse
from lmrun.config.load import load_config, validate
from lmrun.config.schema import resolve
from lmrun.config.shipped import find_config, shipped, shipped_names
from lmrun.errors import ConfigError, UsageError

TABLE = "dataset: {name: table, path: d.csv, inputs: [x], targets: [y]}\nmodel: mlp\n"


def alternatives(name):
    return parse(find_config(name).read_text(), name).data.get("alternatives", {})


@pytest.mark.parametrize("name", shipped_names())
def test_shipped_configs_are_valid_with_every_alternative(name):
    config = load_config(name).config
    assert resolve(config) == config
    for alternative in alternatives(name):
        assert load_config(name, [f"optimizer={alternative}"]).config.optimizer.name == alternative


def test_what_is_returned(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = "# mine\ndataset: sinc\nmodel: mlp\n"
    Path("c.yaml").write_text(text)
    loaded = load_config("c.yaml", ["seed=3"])
    assert (loaded.source, loaded.path, loaded.overrides) == (text, tmp_path / "c.yaml", ("seed=3",))
    assert loaded.config.seed == 3
    assert (loaded.config.training.max_steps, loaded.config.loss.name) == (1000, "mse")
    assert loaded.config.alternatives == {}


def test_a_path_in_the_file_starts_at_its_folder(tmp_path, monkeypatch):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "c.yaml").write_text(TABLE.replace("d.csv", "../d.csv"))
    monkeypatch.chdir(tmp_path)
    assert load_config("deep/c.yaml").config.dataset.path == str(tmp_path / "d.csv")


def test_a_path_in_an_override_starts_at_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "c.yaml").write_text(TABLE)
    monkeypatch.chdir(tmp_path)
    assert load_config("deep/c.yaml", ["dataset.path=e.csv"]).config.dataset.path == str(tmp_path / "e.csv")
    whole = "dataset={name: table, path: e.csv, inputs: [x], targets: [y]}"
    assert load_config("deep/c.yaml", [whole]).config.dataset.path == str(tmp_path / "e.csv")
    inputs = "dataset.inputs=[z]"
    assert load_config("deep/c.yaml", [inputs]).config.dataset.path == str(tmp_path / "deep" / "d.csv")


def test_absolute_and_home_paths(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    path = tmp_path / "c.yaml"
    path.write_text(TABLE.replace("d.csv", "/data/d.csv"))
    assert load_config(str(path)).config.dataset.path == "/data/d.csv"
    path.write_text(TABLE.replace("d.csv", "~/d.csv"))
    assert load_config(str(path)).config.dataset.path == "/home/me/d.csv"


def test_a_file_wins_over_a_shipped_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_config("sinc") == find_config("sinc.yaml") == shipped()["sinc"]
    Path("sinc").write_text("dataset: mnist\nmodel: mlp\n")
    assert find_config("sinc") == Path("sinc")
    Path("sinc").unlink()
    Path("sinc").mkdir()
    assert find_config("sinc") == shipped()["sinc"]


def test_nothing_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("")
    with pytest.raises(UsageError, match=r"no file 'sink' .* Did you mean 'sinc'\?$"):
        find_config("sink")
    with pytest.raises(UsageError, match=r"Did you mean 'mine.yaml'\?$"):
        find_config("mien.yaml")
    with pytest.raises(UsageError, match=r"Shipped configs: .*sinc.*\.$"):
        find_config("zzz")
    with pytest.raises(UsageError, match="is a folder"):
        find_config(str(tmp_path))


def test_problems_between_sections_show_beside_those_inside():
    document = parse(
        "dataset: sinc\nmodel: {name: cnn, layers: [flatten]}\nseed: -1\ntraining: {patience: 3}\n", "c"
    )
    with pytest.raises(ConfigError) as error:
        validate(document)
    assert [problem.split(": ")[1] for problem in error.value.problems] == [
        "model",
        "seed",
        "training.patience",
    ]


@pytest.mark.parametrize(
    "dataset",
    [
        "{name: sinc, validation_points: 1}",
        "{name: rosenbrock, validation_points: 5}",
        "{name: mnist, validation: 0.1}",
        "{name: table, path: d, inputs: [x], targets: [y], split: {by: random}}",
        "{name: table, path: d, inputs: [x], targets: [y], split: {by: column, column: c, validation: [v]}}",
    ],
)
def test_patience_with_validation_rows(dataset):
    text = f"dataset: {dataset}\nmodel: mlp\ntraining: {{patience: 3}}\n"
    assert validate(parse(text, "c")).training.patience == 3


@pytest.mark.parametrize(
    "split",
    ["{by: random, validation: 0}", "{by: column, column: c, test: [t]}", "{by: blocks, validation: 0.0}"],
)
def test_patience_without_validation_rows(split):
    dataset = f"{{name: table, path: d, inputs: [x], targets: [y], split: {split}}}"
    document = parse(f"dataset: {dataset}\nmodel: mlp\ntraining: {{patience: 3}}\n", "c")
    with pytest.raises(ConfigError, match="patience: needs validation rows"):
        validate(document)
