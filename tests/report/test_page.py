"""The page before a browser sees it: what stands on it, that texts are escaped, that it needs no network."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from fitted_examples import classified, made

from lmrun.compare.document import compare, store, stored_groups
from lmrun.compare.groups import group
from lmrun.errors import RunDirectoryError, UsageError
from lmrun.plotting.fitted import Fitted, Part
from lmrun.report.charts import Canvas, damping_chart, loss_chart
from lmrun.report.compose import differing, page_of_groups, page_of_run
from lmrun.report.fits import fit_chart
from lmrun.report.page import check_ending, render
from lmrun.report.traces import BINS, Trace, read_trace
from lmrun.runs.metrics import MetricsWriter


def trace(label="a", group=0, rows=5, **columns):
    steps = np.arange(rows, dtype=float)
    nothing = np.full(rows, np.nan)
    whole = dict.fromkeys(("validation_loss", "damping", "gain_ratio", "attempts"), nothing)
    return Trace(label, group, {"step": steps, "seconds": steps / 10, "loss": 0.5**steps, **whole, **columns})


def figure_of(chart):
    figure = json.loads(chart.figure)
    return figure, {curve.get("name"): curve for curve in figure["data"]}


def test_a_run_is_drawn_with_its_validation():
    rows = np.array([np.nan, 0.5, np.nan, 0.25, np.nan])
    figure, curves = figure_of(loss_chart([trace("", validation_loss=rows)], [""]))
    assert curves["training"]["y"] == [1.0, 0.5, 0.25, 0.125, 0.0625]
    assert (curves["validation"]["x"], curves["validation"]["y"]) == ([1.0, 3.0], [0.5, 0.25])
    assert figure["layout"]["yaxis"]["type"] == "log"
    assert figure["layout"]["meta"]["choices"]["seconds"]["x"][0] == [0.0, 0.1, 0.2, 0.3, 0.4]


def test_seeds_are_a_median_with_a_band_and_their_runs_wait_in_the_legend():
    losses = (1.0, 2.0, 9.0)
    members = [trace(f"lm, seed {place}", loss=np.full(5, loss)) for place, loss in enumerate(losses)]
    _, curves = figure_of(loss_chart([*members, trace("adam", 1)], ["lm", "adam"]))
    assert set(curves["lm, median of 3"]["y"]) == {2.0}
    assert curves["lm, seed 1"]["visible"] == "legendonly"
    assert curves["adam"]["visible"] is True
    figure, _ = figure_of(loss_chart(members, ["lm"]))
    low, high = figure["data"][:2]
    assert (set(low["y"]), set(high["y"])) == ({1.5}, {5.5}), "the quartiles"


@pytest.mark.parametrize(("longest", "kind"), [(400, "log"), (40, None)])
def test_few_steps_beside_many_are_on_a_logarithmic_axis(longest, kind):
    figure, _ = figure_of(loss_chart([trace("a", 0, 5), trace("b", 1, longest)], ["a", "b"]))
    assert figure["layout"]["xaxis"].get("type") == kind


def test_long_runs_are_thinned_and_keep_their_extremes():
    rows = 100_000
    loss = np.ones(rows)
    loss[[12_345, 77_777]] = 1e-9, 1e9
    kept = trace(rows=rows, loss=loss).thinned("loss")
    assert len(kept["step"]) <= 8 * BINS
    assert {0, 12_345, 77_777, rows - 1} <= set(kept["step"])
    assert {1e-9, 1e9} <= set(kept["loss"])


def test_damping_marks_what_was_tried_more_than_once():
    columns = {"damping": np.array([np.nan, 1, 2, 4, 8]), "gain_ratio": np.array([np.nan, 1, -9, 0.5, 1])}
    run = trace(attempts=np.array([np.nan, 1, 3, 1, 1]), **columns)
    _, curves = figure_of(damping_chart([run, trace("sgd", 1)]))
    assert curves["a, after rejected attempts"]["x"] == [2.0]
    assert curves["a, after rejected attempts"]["customdata"] == [2.0]
    assert curves["a, gain ratio"]["y"] == [1.0, -0.5, 0.5, 1.0]
    assert damping_chart([trace()]) is None


def test_gaps_and_zeros_are_json():
    canvas = Canvas()
    values = np.array([1.0, np.nan, 0.0])
    canvas.add({"steps": (values, values), "seconds": (values, values)}, name="a")
    figure, _ = figure_of(canvas.chart("a", "A", {}))
    assert figure["data"][0]["y"] == [1.0, None, 0.0]


@pytest.mark.parametrize(
    ("fitted", "kinds"),
    [
        (made(columns=1), {"scatter"}),
        (made(columns=2), {"contour", "scatter"}),
        (made(columns=3), {"scatter"}),
        (made(columns=1, targets=2), {"scatter"}),
        (classified(), {"heatmap"}),
    ],
)
def test_every_fit_has_a_chart_without_webgl(fitted, kinds):
    figure, _ = figure_of(fit_chart(fitted, "fit", "b"))
    assert {curve["type"] for curve in figure["data"]} == kinds


def test_the_curve_of_a_fit_shows_residuals():
    _, curves = figure_of(fit_chart(made(columns=1), "fit"))
    assert {"training", "training, residual", "test", "test, residual", "fit"} == set(curves)


def test_what_has_no_chart_says_so():
    part = Part(np.zeros((2, 1)), np.zeros((2, 1)), np.array([[np.nan], [0.0]]))
    with pytest.raises(UsageError, match="not finite"):
        fit_chart(Fitted("a", {"training": part}, ("x",), ("y",)), "fit")
    several = Part(np.zeros((2, 1)), np.zeros((2, 2)), np.zeros((2, 2)))
    with pytest.raises(UsageError, match="yes and no"):
        fit_chart(Fitted("a", {"training": several}, ("x",), ("y", "z"), values=False), "fit")


def test_the_page_of_a_comparison(make_result):
    results = [make_result(name, seed) for name in ("adam", "lm") for seed in (10, 11)]
    groups = group(results)
    document = compare(results, ["adam", "lm"]).document
    page = page_of_groups(groups, document, [], ["Nothing <b>fits</b>."])
    text = render(page)
    assert page.title == "sinc: adam against lm"
    assert document["verdict"]["text"] in text
    assert "Nothing &lt;b&gt;fits&lt;/b&gt;." in text
    for result in results:
        assert text.count(f"<summary>{result.run.name}</summary>") == 1
    assert [name for name, *_ in page.measures.rows] == [row["name"] for row in document["table"]]


def test_differences_are_those_of_the_configs(make_result):
    one = make_result("lm")
    other = make_result("lm", settings={"solver": {"name": "qr"}}, precision="float32")
    table = differing(group([one, other]))
    assert [(name, list(cells)) for name, cells, _ in table.rows] == [
        ("precision", ["float64", "float32"]),
        ("optimizer.solver.name", ["", "qr"]),
    ]
    assert differing(group([one, make_result("lm", 11)])) is None


def test_hostile_texts_stay_texts(make_result):
    evil = "</script><script>alert(1)</script>"
    result = make_result("lm", dataset={"name": evil}, settings={"note": evil})
    text = render(page_of_run(result.run, [], [evil]))
    assert "<script>alert(1)" not in text
    other = make_result("lm", dataset={"name": evil}, settings={"note": f"{evil}2"})
    compared = compare([result, other], [])
    text = render(page_of_groups(compared.groups, compared.document, [], []))
    assert "<script>alert(1)" not in text


def test_a_page_loads_nothing(make_result):
    text = render(page_of_run(make_result().run, [fit_chart(made(), "fit")], []))
    own = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert not re.findall(r"(?:src|href)\s*=\s*[\"'](?!data:)", own)
    assert "default-src 'none'" in own


def test_a_run_without_rows_still_has_a_page(make_result):
    result = make_result()
    result.run.metrics.unlink()
    MetricsWriter(result.run).close()
    page = page_of_run(result.run, [], [])
    assert not page.charts
    words = "The run {} has no finite loss to draw."
    assert page.warnings[0] == words.format(result.run.name)
    nothing = make_result(losses=[float("nan")])
    assert page_of_run(nothing.run, [], []).warnings == [words.format(nothing.run.name)]
    result.run.metrics.write_text("nonsense\n")
    assert any("other columns" in warning for warning in page_of_run(result.run, [], []).warnings)


def test_nan_is_a_gap(make_result):
    read = read_trace(make_result(losses=(1.0, float("nan"), float("inf"))).run, "a", 0)
    assert np.isnan(read["loss"]).tolist() == [False, True, True]


def test_a_stored_comparison_finds_runs_that_moved_with_it(make_result, tmp_path):
    results = [make_result(name) for name in ("adam", "lm")]
    compared = compare(results, ["adam", "lm"])
    folder, document = store(tmp_path / "runs", compared, Path.touch), compared.document
    (tmp_path / "runs").rename(tmp_path / "moved")
    moved = type(folder)(tmp_path / "moved" / folder.path.name)
    found, missing = stored_groups(moved, document)
    assert ([member.label for member in found], missing) == (["adam", "lm"], [])
    (tmp_path / "moved" / results[1].run.name).rename(tmp_path / "gone")
    with pytest.raises(RunDirectoryError, match=r"Of the runs of lm .* none is left"):
        stored_groups(moved, document)


@pytest.mark.parametrize("name", ["a.pdf", "a", "a.htm.txt"])
def test_a_page_is_html(name, tmp_path):
    with pytest.raises(UsageError, match="HTML page"):
        check_ending(tmp_path / name)
