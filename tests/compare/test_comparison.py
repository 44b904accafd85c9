"""Groups, statistics, targets, tables and verdicts of runs that are known to the last digit."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmrun.compare.document import compare, find_comparison, read_comparison, read_table, store
from lmrun.compare.fairness import repetitions, warnings
from lmrun.compare.groups import differences, flattened, group, labels
from lmrun.compare.results import read_result
from lmrun.compare.statistics import ratio_interval, spread
from lmrun.compare.table import as_csv, as_markdown, measures, paired, settings, speed_ups
from lmrun.compare.targets import targets
from lmrun.compare.verdict import verdict
from lmrun.errors import RunDirectoryError

INF = math.inf


@pytest.fixture
def groups(make_result):
    """lm falls a decade per step, adam a third of one; three seeds, of which the third is slower."""
    results = []
    for seed, pace in ((10, 0.5), (11, 0.5), (12, 0.6)):
        # Seeds that end at the very same loss are repetitions.
        share = 1 - 1e-6 * seed
        results.append(
            make_result("adam", seed, [share * 10 ** (-step / 3) for step in range(10)], pace=pace)
        )
        results.append(make_result("lm", seed, [share * 10.0**-step for step in range(9)], pace=pace))
    return group(results)


def test_seeds_make_a_group_and_settings_make_another(make_result):
    results = [
        make_result("lm", 10),
        make_result("adam", 10),
        make_result("lm", 11),
        make_result("lm", 10, settings={"damping": {"update": "factor"}, "rate": 0.5}),
    ]
    found = group([*results, results[0]])
    assert found[0].results[0].run == results[0].run
    assert [(one.label, one.seeds) for one in found] == [
        ("lm, damping.update nielsen, rate none", (10, 11)),
        ("adam", (10,)),
        ("lm, damping.update factor, rate 0.5", (10,)),
    ]


def test_labels_name_what_differs(make_result):
    results = [make_result(training={"max_steps": steps, "target_loss": 1e-8}) for steps in (3, 4)]
    assert labels(results) == ["lm, max_steps 3", "lm, max_steps 4"]
    assert dict(flattened({"a": {"b": 1, "c": {}}, "d": None})) == {"a.b": 1, "d": None}


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9))
def test_quartiles_are_those_of_numpy(values):
    expected = np.percentile(values, (50, 25, 75))
    np.testing.assert_allclose(spread(values), expected, rtol=1e-12, atol=1e-9)


def test_quartiles_with_runs_that_never_got_there():
    assert spread([1.0, 2.0, INF]) == (2.0, 1.5, INF)
    assert spread([1.0, INF]) == (INF, INF, INF)
    assert spread([INF, INF]) == (INF, INF, INF)
    assert spread([math.nan, 3.0]) == (3.0, 3.0, 3.0)
    assert all(map(math.isnan, spread([math.nan])))


def test_intervals():
    center, low, high = ratio_interval([4.0, 6.0, 5.0], [1.0, 1.0, 1.0])
    assert center == 5
    assert (low, high) == (4, 6)
    assert ratio_interval([2.0] * 5, [1.0] * 5) == (2, 2, 2)
    assert ratio_interval([2.0], [1.0])[0] == 2
    assert all(map(math.isnan, ratio_interval([2.0], [1.0])[1:]))
    assert ratio_interval([INF, INF, INF], [1.0, 2.0, 3.0]) == (INF, INF, INF)
    assert ratio_interval([1.0, 2.0, 3.0], [INF, INF, INF]) == (0, 0, 0)


@pytest.mark.parametrize("paired", [True, False])
def test_the_interval_covers_about_as_often_as_it_says(paired):
    """The ratio of the medians of two lognormal samples, 15 seeds each: neither too narrow nor too wide."""
    rng = np.random.default_rng(3)
    inside, wide = 0, 0
    for trial in range(200):
        slow, fast = 3 * rng.lognormal(0, 0.2, 15), rng.lognormal(0, 0.2, 15)
        _, low, high = ratio_interval(list(slow), list(fast), paired=paired, seed=trial)
        inside += low <= 3 <= high
        wide += high > 1.8 * low
    assert 180 <= inside <= 199
    assert wide < 20


def test_times_and_steps_to_a_target(make_result):
    result = make_result(losses=[1.0, math.nan, 0.1, 0.5, 0.01], pace=0.25)
    assert result.reached(0.1) == (0.5, 2)
    assert result.reached(1.0) == (0, 0)
    assert result.reached(1e-3) == (INF, INF)
    assert result.step_seconds == 0.25
    assert result.first_row_seconds == 0.25
    assert math.isnan(make_result(losses=[1.0]).step_seconds)


def test_targets(groups, make_result):
    assert targets(groups) == [1e-3, 1e-6, 1e-8]
    assert targets(groups[:1]) == [1e-3]
    stuck = make_result("sgd", 10, [math.nan, math.nan])
    assert targets(group([stuck])) == []
    assert targets(group([stuck, make_result("lm")])) == [1e-2]
    asked = [make_result("lm", 10, [1.0, 2e-8, 9e-9], training={"target_loss": 1.5e-8})]
    assert targets(group(asked)) == [1.5e-8], "a power of ten as near as that says nothing more"
    assert targets(group([make_result("lm", 10, [1.0, 1e-3])])) == [1e-3], "exactly a power of ten"


GOLDEN = """\
| | adam | lm |
|---|---|---|
| seeds | 3: 10–12 | 3: 10–12 |
| loss, last | 1.0e-03 | **1.0e-08** |
| loss, best | 1.0e-03 | **1.0e-08** |
| s to 0.001 | 4.5 (4.5–4.95) | **1.5 (1.5–1.65)** |
| steps to 0.001 | 9 | **3** |
| s to 1e-06 | never | **3 (3–3.3)** |
| steps to 1e-06 | never | **6** |
| s to 1e-08 | never | **4 (4–4.4)** |
| steps to 1e-08 | never | **8** |
| ms per step | 500 (500–550) | 500 (500–550) |
| first row, s | 0.5 (0.5–0.55) | 0.5 (0.5–0.55) |
| peak memory, MB | 600 | 600 |
| speed-up to 0.001 | 1 × | **3 × (3–3)** |
"""


def test_the_table(groups):
    speed = speed_ups(groups)
    assert as_markdown(groups, [*measures(groups), speed]) == GOLDEN
    rows = as_csv(groups, measures(groups)).splitlines()
    names, adam, lm = (row.split(",") for row in rows)
    assert len(rows) == 3
    values = dict(zip(names, lm, strict=True))
    assert (lm[0], adam[0]) == ("lm", "adam")
    assert (values["seconds_to_1e-08"], values["seconds_to_1e-08_high"]) == ("4", "4.4")
    assert dict(zip(names, adam, strict=True))["seconds_to_1e-08"] == "inf"


def test_some_seeds_reach_a_target(make_result):
    results = [make_result("lm", seed, [1.0, loss]) for seed, loss in ((1, 0.01), (2, 0.01), (3, 0.5))]
    rows = {row.name: row.texts for row in measures(group(results))}
    assert rows["s to 0.01"] == ("0.5 (0.5–never), 2 of 3",)
    assert rows["seeds"] == ("3: 1–3",)


def test_columns_only_where_something_is_known(make_result):
    plain = {row.key for row in measures(group([make_result(memory=None)]))}
    assert "peak_memory_megabytes" not in plain
    tested = measures(group([make_result(test={"accuracy": 0.5, "loss": 0.1}), make_result("adam")]))
    texts = {row.key: row.texts for row in tested}
    assert texts["test_accuracy"] == ("50.00%", "")
    assert next(row for row in tested if row.key == "test_accuracy").best is None


def test_pairs_are_runs_of_the_same_seed(make_result):
    one, other = group(
        [make_result("lm", seed) for seed in (1, 2)] + [make_result("adam", seed) for seed in (3, 2)]
    )
    assert paired(one, other, lambda result: result.seed) == ([2], [2])
    apart = group([make_result("sgd", 7), make_result("newton", 8)])
    assert paired(*apart, lambda result: result.seed) == ([], [])


def test_the_verdict_of_a_clear_case(groups):
    judged = verdict(groups, speed_ups(groups))
    assert judged.winner == "lm"
    assert judged.supported
    assert judged.text == (
        "lm is better: it ends 100,000 times lower than adam (1.0e-08 instead of 1.0e-03); lm reaches 0.001 "
        "3 times sooner. All 3 seeds agree."
    )


def test_repetitions_of_a_seed_are_no_further_seeds(make_result):
    results = [
        make_result(name, 10, [1.0, loss]) for name, loss in (("lm", 0.1), ("adam", 0.5), ("lm", 0.01))
    ]
    found = group(results)
    assert [one.seeds for one in found] == [(10,), (10,)]
    assert found[0].results[0].run == results[2].run, "the newest"
    assert not verdict(found, speed_ups(found)).supported


def test_groups_without_a_common_seed_support_nothing(make_result):
    results = [make_result("lm", seed, [1.0, 0.01 - 1e-6 * seed]) for seed in (1, 2, 3)]
    results += [make_result("adam", seed, [1.0, 0.1 - 1e-6 * seed]) for seed in (4, 5, 6)]
    found = group(results)
    judged = verdict(found, speed_ups(found))
    assert (judged.winner, judged.supported) == ("lm", False)
    assert "no seed in common" in judged.text
    assert speed_ups(found).texts[1] == "1 × (1–1)"


def test_failed_seeds_count_as_the_worst(make_result):
    results = [
        make_result("lm", seed, [1.0, loss]) for seed, loss in ((1, 0.1), (2, math.nan), (3, math.nan))
    ]
    rows = {row.name: row.texts for row in measures(group(results))}
    assert rows["loss, last"] == ("not finite",)


def test_a_target_that_was_asked_for_counts_once_any_run_reaches_it(make_result):
    training = {"target_loss": 1e-4}
    losses = (5e-5, 6e-5, 0.02, 0.03, 0.04)
    found = group(
        [make_result("lm", seed, [1.0, loss], training=training) for seed, loss in enumerate(losses)]
    )
    assert 1e-4 in targets(found)
    rows = {row.name: row.texts for row in measures(found)}
    assert rows["s to 0.0001"] == ("never, 2 of 5",)


def test_what_everyone_starts_with_is_no_target(make_result):
    results = [make_result("lm", 10, [0.05, 1e-4]), make_result("adam", 10, [0.05, 0.03])]
    assert targets(group(results))[0] == pytest.approx(0.05) or targets(group(results))[0] < 0.05
    assert all(target < 0.05 for target in targets(group(results)))


def test_a_verdict_needs_seeds_that_agree(make_result):
    def judge(*losses):
        results = [
            make_result(name, seed, [1.0, loss])
            for seed, pair in enumerate(losses)
            for name, loss in zip(("lm", "adam"), pair, strict=True)
        ]
        found = group(results)
        return verdict(found, speed_ups(found))

    one = judge((0.01, 0.1))
    assert (one.winner, one.supported) == ("lm", False)
    assert one.text.endswith("That is one seed, which may be luck: --seeds 5 would tell.")
    assert judge((0.01, 0.1), (0.02, 0.1)).text.endswith("may still be luck: --seeds 5 would tell.")
    same = judge((0.01, 0.1), (0.01, 0.1), (0.01, 0.1))
    assert (same.winner, same.supported) == ("lm", False)
    assert same.text.endswith("Nothing in them is drawn, so another seed would change nothing.")
    split = judge((0.01, 0.1), (0.2, 0.1), (0.01, 0.1))
    assert not split.supported
    assert split.text.endswith("Only 2 of 3 seeds agree: they do not settle it.")
    alike = judge((0.01, 0.0101))
    assert (alike.winner, alike.supported) == (None, False)
    assert "end at the same loss" in alike.text


def test_verdicts_without_numbers(make_result):
    found = group([make_result("sgd", 10, [math.nan]), make_result("lm", 10, [1.0, 0.1])])
    assert "sgd at no finite loss" in verdict(found, None).text
    assert verdict(found[:1], None).winner is None
    lost = group([make_result(name, 10, [math.nan]) for name in ("sgd", "adam")])
    assert verdict(lost, None).text.startswith("No group has a finite loss")
    exact = group([make_result("lm", 10, [1.0, 0.0]), make_result("adam", 10, [1.0, 0.1])])
    assert "it ends at 0.0e+00, adam at 1.0e-01" in verdict(exact, speed_ups(exact)).text


def test_where_all_reach_the_target_the_time_counts(make_result):
    training = {"target_loss": 0.1}
    results = [
        make_result(name, seed, [1.0, loss], pace=pace, training=training)
        for seed in (1, 2, 3)
        for name, loss, pace in (("lm", 0.09, 0.5), ("adam", 1e-9, 2.0))
    ]
    judged = verdict(group(results), None)
    assert (judged.winner, judged.supported) == ("lm", True)
    assert judged.text == (
        "lm is better: all reach the target 0.1, it does so 4 times sooner (0.5 s and 1 step instead of 2 s "
        "and 1 step for adam). All 3 repetitions agree."
    )
    missed = [*results, make_result("adam", 4, [1.0, 0.5], training=training)]
    assert "ends" in verdict(group(missed), None).text
    alike = [make_result(name, 1, [1.0, 0.09], training=training) for name in ("lm", "adam")]
    text = verdict(group(alike), None).text
    assert text == "lm and adam are as fast: all reach the target 0.1 (0.5 s and 1 step, 0.5 s and 1 step)."


def test_a_verdict_by_time_says_where_that_is_the_time_to_start(make_result):
    results = [
        make_result(name, 10, [1.0, 0.5, 0.3, 0.09], seconds=seconds, training={"target_loss": 0.1})
        for name, seconds in (("lm", [0, 3, 3.1, 3.2]), ("adam", [0, 2, 4, 6]))
    ]
    text = verdict(group(results), None).text
    assert "(3.2 s and 3 steps instead of 6 s and 3 steps for adam)" in text
    assert "Most of the time of lm is that of the first step, compilation included." in text


def test_classes_are_judged_by_their_accuracy(make_result):
    found = group(
        [
            make_result("lm", 10, [1.0, 0.1], test={"accuracy": 0.98}),
            make_result("adam", 10, [1.0, 0.01], test={"accuracy": 0.97}),
        ]
    )
    judged = verdict(found, speed_ups(found))
    assert judged.winner == "lm"
    assert "its test accuracy is 98.00%, that of adam 97.00%" in judged.text


def test_seeds_that_change_nothing_are_repetitions(make_result):
    same = group([make_result("lm", seed) for seed in (1, 2)])
    (words,) = warnings(same)
    assert words.startswith("The seeds change nothing for lm")
    assert warnings(group([make_result("lm", seed, [1.0, 0.1**seed]) for seed in (1, 2)])) == []


def test_what_stands_in_the_place_of_others_is_told(make_result):
    older, newer = make_result("lm"), make_result("lm")
    results = [older, newer, make_result("adam")]
    assert repetitions(results, group(results)) == [
        f"The run {older.run.name} is left out: a newer one has the same config and seed."
    ]
    assert compare(results, []).document["warnings"] == repetitions(results, group(results))


def test_settings_that_differ_have_a_row(make_result):
    found = group([make_result("lm"), make_result("adam", model={"name": "mlp", "hidden": [3, 4]})])
    assert [(row.name, row.texts) for row in settings(found)] == [("model.hidden", ("", "[3, 4]"))]
    assert "| model.hidden |  | [3, 4] |" in as_markdown(found, settings(found))
    assert "model.hidden" not in as_csv(found, [*settings(found), *measures(found)])
    assert ("optimizer.name", ["lm", "adam"]) in differences(found)


def test_settings_beyond_a_few_are_counted(make_result):
    model = {"name": "mlp", **{f"a{number:02}": number for number in range(11)}}
    rows = settings(group([make_result("lm"), make_result("adam", model=model)]))
    assert [row.name for row in rows] == [*(f"model.a{number:02}" for number in range(8)), "and 3 more"]


def test_groups_have_different_names_however_many_settings_differ(make_result):
    settings_of = [
        {"a": 1, "b": 1, "c": 1, "d": 1, "e": 1},
        {"a": 1, "b": 1, "c": 1, "d": 1, "e": 2},
        {"a": 2, "b": 2, "c": 2, "d": 2, "e": 1},
    ]
    found = labels([make_result("lm", settings=each) for each in settings_of])
    assert found == [
        "lm, a 1, b 1, c 1, d 1, e 1",
        "lm, a 1, b 1, c 1, d 1, e 2",
        "lm, a 2, b 2, c 2, d 2, e 1",
    ]


def test_labels_stay_short_across_problems(make_result):
    others = [make_result("lm", dataset={"name": name, "a": name, "b": name}) for name in ("sinc", "mnist")]
    assert labels(others) == ["lm, dataset.name sinc", "lm, dataset.name mnist"]


@pytest.mark.parametrize("text", ["{}", '{"status": ["x"]}', '{"status": 3}'])
def test_a_summary_without_a_status_is_damaged(make_result, text):
    result = make_result()
    result.run.summary.write_text(text)
    with pytest.raises(RunDirectoryError, match="it has no status"):
        read_result(result.run)


def test_numbers_that_no_float_can_hold_are_none(make_result):
    result = make_result()
    result.run.summary.write_text(
        f'{{"status": "max_steps", "peak_memory_bytes": {10**400}, "loss": {10**400}}}'
    )
    found = read_result(result.run)
    assert math.isnan(found.peak_memory)
    assert found.last_loss == INF


def test_unfair_comparisons_are_warned_of(make_result):
    assert warnings(group([make_result("lm"), make_result("adam")])) == []
    cases = [
        ({"dataset": {"name": "sinc", "points": 5}}, "the data (dataset)"),
        # The same data in another precision has another checksum.
        ({"precision": "float32", "checksum": "other"}, "the precision"),
        ({"checksum": "other"}, "their checksums differ"),
        ({"seed": 11}, "no seed in common"),
    ]
    for change, text in cases:
        found = warnings(group([make_result("lm"), make_result("adam", **change)]))
        assert len(found) == 1, change
        assert text in found[0]


def test_comparisons_are_kept_and_found(groups, tmp_path):
    compared = compare([result for member in groups for result in member.results], ["adam", "lm"])
    folder, document = store(tmp_path / "runs", compared, Path.touch), compared.document
    assert folder.path.name.startswith("compare-")
    assert "-adam-lm-" in folder.path.name
    assert find_comparison(str(folder.path), tmp_path) == folder
    assert find_comparison(folder.path.name, tmp_path / "runs") == folder
    assert find_comparison("adam", tmp_path) is None
    assert find_comparison("compare-2", tmp_path / "runs") == folder
    assert find_comparison("c" * 300, tmp_path / "runs") is None
    again = read_comparison(folder)
    assert again == json.loads(json.dumps(document))
    assert [one["runs"] for one in again["groups"]] == [
        [str(result.run.path.resolve()) for result in member.results] for member in groups
    ]
    for damage in (
        "{}",
        json.dumps({**document, "table": [3]}),
        json.dumps({**document, "warnings": 3}),
        json.dumps({**document, "groups": [{**one, "runs": [3]} for one in document["groups"]]}),
        json.dumps({**document, "groups": [{**one, "label": 3} for one in document["groups"]]}),
        json.dumps({**document, "table": [{**row, "best": "lm"} for row in document["table"]]}),
        json.dumps({**document, "table": [{**row, "texts": row["texts"][:1]} for row in document["table"]]}),
        "[",
    ):
        folder.document.write_text(damage)
        with pytest.raises(RunDirectoryError, match="damaged"):
            read_comparison(folder)
    folder.csv.unlink()
    with pytest.raises(RunDirectoryError, match="Cannot read"):
        read_table(folder.csv)


def test_runs_that_have_not_ended_are_refused(make_result):
    result = make_result()
    result.run.summary.unlink()
    with pytest.raises(RunDirectoryError, match="has not ended"):
        read_result(result.run)
    other = make_result()
    other.run.config.write_text("seed: 1\n")
    with pytest.raises(RunDirectoryError, match=r"config\.yaml is damaged"):
        read_result(other.run)
