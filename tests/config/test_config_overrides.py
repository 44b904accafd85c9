"""`KEY=VALUE` on the command line."""

import pytest

from lmrun.config.load import load_config
from lmrun.errors import ConfigError

CONFIG = """\
dataset: sinc
model: {name: mlp, hidden: [10, 20]}
optimizer: {name: lm, damping: {update: factor, initial: 3}}
training: {max_steps: 7, batch_size: 3}
alternatives:
  adam: {optimizer: {name: adam, learning_rate: 0.5}, training: {batch_size: 4, target_loss: 1e-3}}
  lm: {optimizer: lm}
  sgd: {training: {max_steps: 2}}
"""


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def load(*overrides, text=CONFIG):
        (tmp_path / "c.yaml").write_text(text)
        return load_config("c.yaml", overrides).config

    return load


def problems(load, *overrides, text=CONFIG):
    with pytest.raises(ConfigError) as error:
        load(*overrides, text=text)
    return error.value.problems


def test_values_are_yaml(load):
    config = load(
        "seed=3", "precision=float32", "model.hidden=[4, 5]", "training.target_loss=1e-9", "loss=mae"
    )
    assert (config.seed, config.precision, config.model.hidden) == (3, "float32", (4, 5))
    assert (config.training.target_loss, config.loss.name) == (1e-9, "mae")


def test_items_of_lists(load):
    assert load("model.hidden[1]=6").model.hidden == (10, 6)


def test_the_last_of_two_counts(load):
    assert load("seed=1", "seed=2").seed == 2


def test_null(load):
    config = load("training.max_steps=null", "training.max_epochs=4")
    assert (config.training.max_steps, config.training.max_epochs) == (None, 4)


def test_inside_sections_that_are_missing_or_short(load):
    short = "dataset: sinc\nmodel: mlp\n"
    config = load("dataset.points=5", "optimizer.damping.initial=2", "training.max_steps=1", text=short)
    assert (config.dataset.points, config.optimizer.damping.initial, config.training.max_steps) == (5, 2.0, 1)
    cnn = "dataset: mnist\nmodel: {name: cnn, layers: [pool]}\n"
    assert load("model.layers[0].size=3", text=cnn).model.layers[0].size == 3


def test_parameters(load):
    text = "dataset: sinc\nmodel: {name: formula, expression: a*x, parameters: {a: 1}}\n"
    assert load("model.parameters.a=2.5", text=text).model.parameters["a"].start == 2.5
    assert load("model.parameters.a.start=4", text=text).model.parameters["a"].start == 4.0


def test_section_replaced_wholly(load):
    config = load("optimizer={name: adam, learning_rate: 1}")
    assert (config.optimizer.learning_rate, config.training.batch_size) == (1.0, 3)


def test_optimizer_selects_an_alternative(load):
    config = load("optimizer=adam")
    assert (config.optimizer.name, config.optimizer.learning_rate) == ("adam", 0.5)
    training = config.training
    assert (training.max_steps, training.batch_size, training.target_loss) == (7, 4, 1e-3)


def test_an_alternative_without_optimizer_takes_its_defaults(load):
    config = load("optimizer=sgd")
    assert (config.optimizer.name, config.optimizer.learning_rate, config.training.max_steps) == (
        "sgd",
        0.01,
        2,
    )


def test_the_alternative_comes_before_the_own_optimizer(load):
    assert load("optimizer=lm").optimizer.damping.update == "nielsen"


def test_the_own_optimizer_stays(load):
    text = CONFIG.split("alternatives:", maxsplit=1)[0]
    assert load("optimizer=lm", text=text).optimizer.damping.initial == 3.0


def test_any_other_optimizer_by_its_defaults(load):
    config = load("optimizer=nadam")
    assert (config.optimizer.name, config.optimizer.learning_rate) == ("nadam", 0.001)


def test_selection_comes_first_and_the_last_selection_counts(load):
    config = load("optimizer.learning_rate=2", "training.batch_size=9", "optimizer=sgd", "optimizer=adam")
    assert (config.optimizer.name, config.optimizer.learning_rate) == ("adam", 2.0)
    assert (config.training.batch_size, config.training.max_steps) == (9, 7)


def test_name_alone_keeps_the_other_keys(load):
    assert problems(load, "optimizer.name=sgd") == [
        "c.yaml:3:23: optimizer.damping: unknown key. It belongs to 'name: lm'."
    ]


def test_an_override_mends_the_file(load):
    assert load("seed=1", text="dataset: sinc\nmodel: mlp\nseed: ten\n").seed == 1
    assert (
        load("training={max_steps: 1}", text="dataset: sinc\nmodel: mlp\ntraining: {}\n").training.max_steps
        == 1
    )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed", "not KEY=VALUE; write for example training.max_steps=100"),
        ("=3", "'' is not a key such as optimizer.damping.initial or model.hidden[0]"),
        ("a..b=3", "'a..b' is not a key such as optimizer.damping.initial or model.hidden[0]"),
        ("seed=", "seed: has no value; write null for none"),
        ("seed={}", "seed: is an empty section; write its keys, or leave it out"),
        ("seed=ten", "seed: should be a whole number of at least 0 and below 2**63, not 'ten'"),
        ("seed=a: b", "seed: write a section as {key: value} and a list as [a, b]"),
        ("seed=[1", "seed: not valid YAML: a bracket that is never closed, or a comma that is missing"),
        ("seed=!!int 3", "tags (!...) are not supported; write the plain value"),
        ("optimizer=adm", "optimizer.name: unknown name 'adm'. Did you mean 'adam'?"),
        ("optimizer.damping.initial=abc", "optimizer.damping.initial: should be a number above 0, not 'abc'"),
        ("optimizer={name: adam, lr: 1}", "optimizer.lr: unknown key. Did you mean 'learning_rate'?"),
        ("optimiser.name=adam", "optimiser: unknown key. Did you mean 'optimizer'?"),
        ("model.hidden[5]=3", "model.hidden: has no [5]; it has 2 items, counted from [0]"),
        ("a[x]=3", "'a[x]' is not a key such as optimizer.damping.initial or model.hidden[0]"),
        ("model.name[0]=3", "model.name: is not a list"),
        ("training.max_steps.x=3", "training.max_steps: is not a section, so it has no 'x'"),
        ("dataset.name=mnist", None),
    ],
)  # fmt: skip
def test_messages(load, override, message):
    expected = f"override '{override}': {message}"
    if message is not None:
        assert problems(load, override) == [expected]
    else:
        assert load(override).dataset.name == "mnist"


def test_the_file_comes_before_the_overrides(load):
    assert problems(load, "seed=x", "loss=mze", text="dataset: sinc\nmodel: mlp\ndevice: x\n") == [
        "c.yaml:3:9: device: should be 'auto', 'cpu', 'gpu' or 'gpu:1', not 'x'",
        "override 'seed=x': seed: should be a whole number of at least 0 and below 2**63, not 'x'",
        "override 'loss=mze': loss: unknown name 'mze'. Did you mean 'mse'?",
    ]


def test_a_bad_alternative_is_told_once_and_where_it_stands(load):
    text = "dataset: sinc\nmodel: mlp\nalternatives:\n  sgd: {optimizer: {name: sgd, lr: 1}}\n"
    message = "c.yaml:4:32: alternatives.sgd.optimizer.lr: unknown key. Did you mean 'learning_rate'?"
    assert problems(load, text=text) == [message]
    assert problems(load, "optimizer=sgd", text=text) == [message]
