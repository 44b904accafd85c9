"""The JSON Schema of a config file, for editors."""

from __future__ import annotations

from typing import Any

from lmrun.config.descriptions import descriptions
from lmrun.config.schema import Config


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12), the short forms such as `optimizer: adam` included."""
    schema = Config.model_json_schema()
    definitions = schema["$defs"]
    for name, definition in {"Config": schema, **definitions}.items():
        definition.pop("title", None)
        definition["description"] = " ".join(definition["description"].split())
        for key, text in descriptions(name).items():
            field = definition["properties"][key]
            field["description"] = text
            field.pop("title", None)  # `Max Steps` says nothing that the key does not
    _with_short_forms(schema, definitions)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "lmrun config", **schema}


def _with_short_forms(node: Any, definitions: dict[str, Any]) -> None:
    """Let a name stand for each section that `name` chooses."""
    if isinstance(node, list):
        for item in node:
            _with_short_forms(item, definitions)
    elif isinstance(node, dict):
        for value in list(node.values()):
            _with_short_forms(value, definitions)
        classes = [option["$ref"].rsplit("/", 1)[1] for option in node.get("oneOf", []) if "$ref" in option]
        tags = [definitions[name]["properties"].get("name", {}) for name in classes]
        if tags and all(tags):
            names = [name for tag in tags for name in tag.get("enum", [tag.get("const")])]
            sections = {key: node.pop(key) for key in ("oneOf", "discriminator") if key in node}
            node["anyOf"] = [{"type": "string", "enum": names}, sections]
