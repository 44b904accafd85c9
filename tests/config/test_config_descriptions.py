"""Every field of the schema has its sentence, and every name of Keras its arguments."""

import pytest

import lmrun.config.schema  # noqa: F401
from lmrun.config.descriptions import descriptions, sections
from lmrun.config.fields import TAG_FIELDS


@pytest.mark.parametrize("section", list(sections()), ids=lambda section: section.__name__)
def test_every_field_has_a_sentence(section):
    described = descriptions(section.__name__)
    assert set(described) == set(section.model_fields) - set(TAG_FIELDS)
    assert all(text.endswith(".") for text in described.values())
    assert section.__doc__


def test_texts():
    assert descriptions("SincConfig")["points"] == "Number of training points."
    assert descriptions("FactorDamping")["minimum"] == "The damping never falls below this."
