"""A written config reads back as the same config."""

import math
import struct

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lmrun.config.document import parse
from lmrun.config.dump import to_yaml
from lmrun.config.load import load_config, validate
from lmrun.config.schema import Config, resolve
from lmrun.config.shipped import shipped_names

POSITIVE = st.floats(min_value=5e-324, allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
TRICKY = st.sampled_from(
    [
        "1e-3",
        "0o17",
        ".5",
        "no",
        "on",
        "~",
        "null",
        "1:30",
        "2020-01-01",
        "010",
        "",
        "a: b",
        "#x",
        "- a",
        "<<",
        "=",
        "%",
    ]
)


def again(config):
    return resolve(validate(parse(to_yaml(config), "again")))


def bits(value):
    return struct.pack("d", value)


@settings(deadline=None, max_examples=60)
@given(POSITIVE, POSITIVE, POSITIVE, st.integers(0, 2**63 - 1))
def test_numbers_bit_for_bit(rate, epsilon, loss, seed):
    data = {"dataset": "sinc", "model": "mlp", "seed": seed, "training": {"target_loss": loss}}
    config = resolve(
        Config.model_validate(
            {**data, "optimizer": {"name": "adam", "learning_rate": rate, "epsilon": epsilon}}
        )
    )
    read = again(config)
    assert read == config
    assert bits(read.optimizer.learning_rate) == bits(rate)
    assert bits(read.training.target_loss) == bits(loss)


@settings(deadline=None, max_examples=100)
@given(st.lists(TEXT | TRICKY, min_size=2, max_size=4, unique=True), TEXT | TRICKY)
def test_any_text(columns, path):
    table = {"name": "table", "path": path, "inputs": columns[1:], "targets": columns[:1]}
    table["split"] = {"by": "column", "column": path, "validation": [1, 1.5, True, "1", "1e-3"]}
    config = resolve(Config.model_validate({"dataset": table, "model": "mlp"}))
    read = again(config)
    assert read == config
    assert [type(value) for value in read.dataset.split.validation] == [int, float, bool, str, str]


@pytest.mark.parametrize("name", shipped_names())
def test_shipped(name):
    config = load_config(name).config
    assert again(config) == config


def test_every_field_is_written():
    data = yaml.safe_load(to_yaml(load_config("sinc").config))
    assert set(data) == set(Config.model_fields) - {"alternatives"}
    assert data["training"]["max_epochs"] is None
    assert data["model"]["hidden"] == [20]


def test_style():
    text = to_yaml(load_config("mnist-cnn").config)
    assert "  - name: conv\n    filters: 8\n" in text
    assert "hidden: [20]\n" in to_yaml(load_config("sinc").config)


def test_keras_arguments_are_kept():
    data = {
        "dataset": "sinc",
        "model": "mlp",
        "optimizer": {"name": "adamw", "weight_decay": 1e-10, "amsgrad": True},
    }
    config = resolve(Config.model_validate(data))
    assert again(config).optimizer.arguments == {"weight_decay": 1e-10, "amsgrad": True}
    assert math.isclose(config.optimizer.learning_rate, 0.001)
