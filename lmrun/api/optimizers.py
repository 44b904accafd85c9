"""What a program may give for an optimizer, as the `optimizer` section of a config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from lmrun.config.optimizers import KERAS_OPTIMIZERS, AdamConfig, SgdConfig

ARGUMENTS: dict[str, tuple[str, ...]] = {
    **KERAS_OPTIMIZERS,
    "sgd": tuple(name for name in SgdConfig.model_fields if name != "name"),
    "adam": tuple(name for name in AdamConfig.model_fields if name != "name"),
}
"""What lmrun takes over from an optimizer of Keras', its `learning_rate` aside."""


def optimizer_section(optimizer: Any, damping: Any = None) -> Any:
    """Return the section, with the user's objects as they are.

    Args:
        optimizer: A name; a mapping as in a config; or an optimizer of Keras'.
        damping: Of `lm`: the name of an update, a mapping, or an object with the methods of
            `lmrun.optimizers.damping.base.Update`. None for that of the optimizer.
    """
    if isinstance(optimizer, keras.optimizers.Optimizer):
        return _of_keras(optimizer)
    if isinstance(optimizer, str):
        optimizer = {"name": optimizer}
    if not isinstance(optimizer, Mapping):
        return optimizer
    section = dict(optimizer)
    if damping is not None:
        section["damping"] = damping
    if "damping" in section and not isinstance(section["damping"], Mapping):
        # A name, or an object that is an update.
        section["damping"] = {"update": section["damping"]}
    return section


def _of_keras(optimizer: keras.optimizers.Optimizer) -> dict[str, Any]:
    name = type(optimizer).__name__.lower()
    config = optimizer.get_config()
    kept = {key: config[key] for key in ARGUMENTS.get(name, ()) if key in config}
    return {"name": name, **kept, "learning_rate": config["learning_rate"]}
