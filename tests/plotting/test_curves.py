import math
from dataclasses import replace

import numpy as np
import pytest

from lmrun.errors import RunDirectoryError
from lmrun.plotting.curves import Curves, labels, read_curves, title

ONE = Curves(
    name="one",
    facts={"dataset": "sinc", "optimizer": "lm", "seed": "10"},
    steps=np.arange(2.0),
    seconds=np.arange(2.0),
    loss=np.ones(2),
    validation_loss=np.full(2, np.nan),
    target_loss=None,
)


def variant(name: str, **facts: str) -> Curves:
    return replace(ONE, name=name, facts={**ONE.facts, **facts})


def test_what_is_read(make_run) -> None:  # type: ignore[no-untyped-def]
    run = make_run(
        [],
        name="mine",
        rows=[
            {"step": 0, "seconds": 0.25, "loss": 1 / 3},
            {"step": 1, "seconds": 0.5, "loss": math.inf, "validation_loss": 0.0},
        ],
    )
    curves = read_curves(run)
    assert curves.name == "mine"
    assert curves.facts == {"dataset": "sinc", "optimizer": "lm", "seed": "10"}
    assert curves.target_loss == 1e-6
    assert curves.steps.tolist() == [0.0, 1.0]
    assert curves.seconds.tolist() == [0.25, 0.5]
    np.testing.assert_array_equal(curves.loss, [1 / 3, np.nan])
    np.testing.assert_array_equal(curves.validation_loss, [np.nan, 0.0])


@pytest.mark.parametrize(
    ("training", "target"),
    [("{}", None), ("null", None), ("{target_loss: 1e-8}", 1e-8), ("{target_loss: null}", None)],
)
def test_the_target(make_run, training: str, target: float | None) -> None:  # type: ignore[no-untyped-def]
    assert read_curves(make_run([1.0], training=training)).target_loss == target


def test_no_rows(make_run) -> None:  # type: ignore[no-untyped-def]
    run = make_run([], name="empty")
    with pytest.raises(RunDirectoryError) as caught:
        read_curves(run)
    assert str(caught.value) == (
        f"The run empty has no rows in {run.metrics} to plot: it was stopped before its first step. "
        f"Continue it with `lmrun train --resume {run.path}`."
    )


def test_a_damaged_config(make_run) -> None:  # type: ignore[no-untyped-def]
    run = make_run([1.0])
    run.config.write_text("a: [")
    with pytest.raises(RunDirectoryError, match=r"config\.yaml is damaged"):
        read_curves(run)


def test_labels_say_what_differs() -> None:
    adam, other = variant("b", optimizer="adam"), variant("c", seed="11")
    assert labels([ONE, adam]) == ["lm", "adam"]
    assert labels([ONE, other]) == ["seed 10", "seed 11"]
    assert labels([ONE, adam, other]) == ["lm, seed 10", "adam, seed 10", "lm, seed 11"]
    assert labels([ONE, variant("d", dataset="mnist")]) == ["sinc", "mnist"]


def test_labels_are_names_where_nothing_else_differs() -> None:
    assert labels([ONE, variant("two")]) == ["one", "two"]
    assert labels([ONE, variant("two"), variant("b", optimizer="adam")]) == ["one", "two", "adam"]
    assert labels([ONE, replace(ONE, name="x", facts={})]) == ["sinc, lm, seed 10", "?, ?, seed ?"]


def test_titles_say_what_is_common() -> None:
    assert title([ONE]) == "sinc · lm · seed 10"
    assert title([ONE, variant("b", optimizer="adam")]) == "sinc · seed 10"
    assert title([ONE, variant("b", optimizer="adam", dataset="mnist", seed="1")]) == "Training loss"
    assert title([replace(ONE, facts={})]) == "Training loss"
