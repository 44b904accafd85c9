"""The example scripts are short, run, and are what the page about them was measured with."""

import json
import runpy
from pathlib import Path

import pytest

import lmrun
from benchmarks import examples, examples_report
from benchmarks.example_scripts import EXAMPLES, FOLDER, count_lines
from benchmarks.launch import Turns

DOCS = Path(__file__).parents[2] / "docs"


def example(name):
    return runpy.run_path(str(FOLDER / f"{name}.py"))["main"]


def test_lines_are_counted_without_comments():
    source = '# why\n\n"""What."""\nx = 1  # one\n    # more\n  \ny = 2\n'
    assert count_lines(source) == 3


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_script_is_shorter_than_what_the_packages_need(name):
    own = count_lines((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    *packages, _ = EXAMPLES[name].scripts
    assert len(packages) == 2
    for script in packages:
        assert own < script.lines_alone < script.lines


def test_sinc(capsys):
    assert example("sinc_fit")(points=300).loss <= 1.03e-8
    assert "target_loss" in capsys.readouterr().out


def test_mnist(capsys):
    accuracy = example("mnist")(rows=1000, epochs=6)
    assert 0.3 < accuracy < 1
    assert f"{accuracy:.2%} after 12 steps" in capsys.readouterr().out


def test_what_a_script_hands_over_is_caught():
    from benchmarks.contestants.lmrun_example import handed_over

    fit = lmrun.fit
    (one, x, y), (same, *_), (other, *_) = (handed_over(FOLDER / "sinc_fit.py", seed) for seed in (1, 1, 2))
    assert lmrun.fit is fit
    assert len(x) == len(y) == 20_000
    weights = [model.get_weights()[0].tolist() for model in (one, same, other)]
    assert weights[0] == weights[1] != weights[2]


def test_runs_that_did_not_get_there_are_counted(tmp_path):
    def run(package, seconds):
        reached = {str(target): seconds for target in EXAMPLES["mnist"].problem.targets}
        return {
            **{"package": package, "seed": 1, "seconds_to": reached, "compile_seconds": 0.5, "steps": 9},
            **{"final_error": 0.02, "seconds": 7.0, "process_seconds": 12.0, "others": 0.0, "message": ""},
        }

    packages = [script.entrant.package for script in EXAMPLES["mnist"].scripts]
    runs = [run(packages[0], None), run(packages[0], 50.0), run(packages[0], None), run(packages[2], 5.0)]
    runs.append({"package": packages[1], "seed": 1, "failure": "did not end"})
    machine = {
        "processor": "P",
        "cores": 2,
        "memory_bytes": 2**34,
        "python": "3",
        "commit": "c",
        "started": "t",
    }
    document = {"mnist": {"machine": machine, "limit_seconds": 120.0, "runs": runs}}
    examples_report.write_json(document, tmp_path)
    examples_report.write(tmp_path)
    text = (tmp_path / examples_report.MARKDOWN).read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert rows[1][1] == "> 120 (1 of 3)"
    assert rows[2][1] == "–"
    assert rows[3][2:5] == ["5", "4.5", "98.00 %"]
    assert f"- {packages[1]}, seed 1: failed: did not end" in text
    assert "- Only 5 of 9 runs have been made so far." in text


def test_again_makes_what_is_missing_failed_or_disturbed(tmp_path, monkeypatch):
    monkeypatch.setattr(examples.Race, "run", lambda self, name, example, script, seed: (script, seed))
    one, two, own = EXAMPLES["mnist"].scripts
    known = [
        {"package": one.entrant.package, "seed": 1, "others": 0.1},
        {"package": two.entrant.package, "seed": 1, "others": 0.9},
        {"package": own.entrant.package, "seed": 1, "failure": "did not end"},
    ]
    race = examples.Race({"mnist": EXAMPLES["mnist"]}, tmp_path, Turns(None))
    made = [result for _, result in race.results({"mnist": examples.undisturbed(known)})]
    assert len(made) == 8
    assert (one, 1) not in made
    assert made[:2] == [(two, 1), (own, 1)]


def test_the_page_is_what_was_measured(tmp_path):
    examples_report.write_json(json.loads((DOCS / examples_report.JSON).read_text()), tmp_path)
    examples_report.write(tmp_path)
    page = (DOCS / examples_report.MARKDOWN).read_text(encoding="utf-8")
    assert (tmp_path / examples_report.MARKDOWN).read_text(encoding="utf-8") == page
