"""Each bad file of the corpus has exactly the messages that stand beside it."""

from pathlib import Path

import pytest

from lmrun.config.load import load_config
from lmrun.errors import ConfigError

BAD = Path(__file__).parent / "bad"


def test_the_corpus_is_large_and_complete():
    assert len(list(BAD.glob("*.yaml"))) >= 110
    assert {path.stem for path in BAD.glob("*.yaml")} == {path.stem for path in BAD.glob("*.txt")}


@pytest.mark.parametrize("path", sorted(BAD.glob("*.yaml")), ids=lambda path: path.stem)
def test_messages(path, monkeypatch):
    monkeypatch.chdir(BAD)
    with pytest.raises(ConfigError) as error:
        load_config(path.name)
    assert f"{error.value}\n" == path.with_suffix(".txt").read_text()


def test_not_utf8(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_bytes(b"dataset: sinc\nmodel: \xff\n")
    with pytest.raises(ConfigError) as error:
        load_config(str(path))
    assert str(error.value) == f"{path}: not UTF-8 text (byte 22); save the file as UTF-8"


def test_byte_order_mark(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_bytes(b"\xef\xbb\xbfdataset: sinc\nmodel: mpl\n")
    with pytest.raises(ConfigError) as error:
        load_config(str(path))
    assert error.value.problems == [f"{path}:2:8: model: unknown name 'mpl'. Did you mean 'mlp'?"]
