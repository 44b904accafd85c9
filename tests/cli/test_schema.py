"""`lmrun schema`."""

import json

import pytest
from typer.testing import CliRunner

from lmrun.cli import app
from lmrun.config.optimizers import OPTIMIZER_NAMES


@pytest.fixture(scope="module")
def schema():
    return json.loads(CliRunner().invoke(app, ["schema"]).stdout)


def test_top_level(schema):
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == "lmrun config"
    assert schema["required"] == ["dataset", "model"]
    assert schema["additionalProperties"] is False


def test_short_forms(schema):
    names, sections = schema["properties"]["optimizer"]["anyOf"]
    assert sorted(names["enum"]) == sorted(OPTIMIZER_NAMES)
    assert {"$ref": "#/$defs/AdamConfig"} in sections["oneOf"]
    assert schema["properties"]["dataset"]["anyOf"][0]["enum"] == [
        "rosenbrock-curve",
        "rosenbrock",
        "sinc",
        "sine",
        "mnist",
        "table",
    ]
    layer = schema["$defs"]["CnnConfig"]["properties"]["layers"]["items"]
    assert layer["anyOf"][0]["enum"] == ["conv", "pool", "flatten", "dense"]
    assert "mse" in str(schema["properties"]["loss"])


def test_parameters_are_numbers_or_sections(schema):
    parameters = schema["$defs"]["FormulaConfig"]["properties"]["parameters"]
    assert parameters["additionalProperties"]["anyOf"][0] == {"type": "number"}


def test_every_field_is_described(schema):
    definitions = [schema, *schema["$defs"].values()]
    fields = {
        (definition["description"][:20], key): field
        for definition in definitions
        for key, field in definition["properties"].items()
        if key not in {"name", "by", "update"}
    }
    assert len(fields) > 80
    assert all(field["description"].endswith(".") for field in fields.values())


def test_references_resolve(schema):
    def references(node):
        if isinstance(node, dict):
            yield from [node["$ref"]] if "$ref" in node else []
            for value in node.values():
                yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    assert {reference.removeprefix("#/$defs/") for reference in references(schema)} == set(schema["$defs"])
