"""The schema knows Keras' optimizers and their arguments."""

import inspect

import keras
import pytest

from lmrun.config.optimizers import KERAS_OPTIMIZERS

CLASSES = {
    name.lower(): getattr(keras.optimizers, name) for name in dir(keras.optimizers) if name[0].isupper()
}
# What every Keras optimizer has besides its update rule.
COMMON = {
    *("learning_rate", "name", "kwargs", "clipnorm", "clipvalue", "global_clipnorm"),
    *(
        "use_ema",
        "ema_momentum",
        "ema_overwrite_frequency",
        "loss_scale_factor",
        "gradient_accumulation_steps",
    ),
}
LEFT_OUT = {
    # The coefficients of Muon's polynomial, the share of its Adam part, and which layers that takes.
    "muon": {"muon_a", "muon_b", "muon_c", "adam_lr_ratio", "exclude_layers", "exclude_embeddings"},
}


# The base class, and wrappers around others.
NOT_A_RULE = {"optimizer", "lossscaleoptimizer", "multioptimizer", "optimizermap"}


def test_names():
    assert set(KERAS_OPTIMIZERS) == set(CLASSES) - NOT_A_RULE - {"sgd", "adam"}


@pytest.mark.parametrize("name", sorted(KERAS_OPTIMIZERS))
def test_arguments(name):
    own = set(inspect.signature(CLASSES[name]).parameters) - COMMON - LEFT_OUT.get(name, set())
    decays = {"weight_decay"} & set(KERAS_OPTIMIZERS[name])
    assert set(KERAS_OPTIMIZERS[name]) == own - {"weight_decay"} | decays
