"""The self-test passes here, and fails where numbers are wrong."""

import json

import numpy as np
import pytest
import typer

from lmrun.cli.doctor import doctor
from lmrun.diagnosis import selftest
from lmrun.diagnosis.selftest import CERTIFIED, COLUMNS, self_test


def test_every_part_passes():
    tests = list(self_test())
    assert [test.name for test in tests][:2] == ["dense algebra", "fit on the host path"]
    assert tests[2].name.startswith("fit on the device path, CPU:0")
    assert all(test.passed for test in tests), tests


def test_the_certified_values_are_the_minimum():
    x, y = (np.array(COLUMNS[name]) for name in ("x", "y"))
    b1, b2 = CERTIFIED["b1"], CERTIFIED["b2"]
    residual = b1 * x**b2 - y
    assert np.sum(residual**2) == pytest.approx(4.3173084083e-3, rel=1e-9)
    jacobian = np.stack([x**b2, b1 * x**b2 * np.log(x)], axis=1)
    assert np.abs(jacobian.T @ residual).max() < 1e-8


def test_a_wrong_number_and_a_broken_part_fail(monkeypatch):
    monkeypatch.setitem(selftest.CERTIFIED, "b1", 0.76886)
    monkeypatch.setattr(selftest, "add_product", _broken)
    tests = list(self_test(lambda: []))
    assert [test.passed for test in tests] == [False, False]
    assert tests[0].words == "OSError: no BLAS"


def _broken(*_):
    raise OSError("no BLAS")


def test_the_command_as_json_and_its_exit_code(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(selftest, "compiled_devices", list)
    doctor(tmp_path, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is True
    assert {fact["name"] for fact in document["facts"]} >= {"versions", "blas", "memory"}
    monkeypatch.setattr(selftest, "TOLERANCE", 0.0)
    with pytest.raises(typer.Exit) as caught:
        doctor(tmp_path)
    assert caught.value.exit_code == 1
    shown = capsys.readouterr()
    assert "FAILED" in shown.out
    assert "do not trust" in shown.err
