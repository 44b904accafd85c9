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
    """Let a word stand for each section that it chooses by `name`, or by the key that `shortForm` says."""
    if isinstance(node, list):
        for item in node:
            _with_short_forms(item, definitions)
    elif isinstance(node, dict):
        for value in list(node.values()):
            _with_short_forms(value, definitions)
        key = node.pop("shortForm", "name")
        classes = [option["$ref"].rsplit("/", 1)[1] for option in node.get("oneOf", []) if "$ref" in option]
        tags = [definitions[name]["properties"].get(key, {}) for name in classes]
        if tags and all(tags):
            patterns = [{"type": "string", "pattern": tag["pattern"]} for tag in tags if "pattern" in tag]
            fixed = [tag for tag in tags if "pattern" not in tag]
            names = [name for tag in fixed for name in tag.get("enum", [tag.get("const")])]
            sections = {word: node.pop(word) for word in ("oneOf", "discriminator") if word in node}
            node["anyOf"] = [{"type": "string", "enum": names}, *patterns, sections]
