"""Figures of fits: what is in them, read back from the figure; how they look is looked at by people."""

from dataclasses import replace

import matplotlib.image
import numpy as np
import pytest
from fitted_examples import classified, made

from lmrun.errors import UsageError
from lmrun.plotting.classes import confusion, draw_confusion, plot_confusion, worst
from lmrun.plotting.damping import draw_damping
from lmrun.plotting.filters import draw_filters, plot_filters
from lmrun.plotting.fit import draw_fit, plot_fit
from lmrun.plotting.fitted import Curve, Fitted, Part, digits, r_squared
from lmrun.plotting.residuals import draw_residuals, plot_residuals
from lmrun.plotting.roc import area, curve, draw_roc, plot_roc
from lmrun.plotting.style import styled


def drawn(draw, *arguments):
    with styled():
        figure = draw(*arguments)
        figure.draw_without_rendering()
    return figure


def test_a_curve_and_its_residuals():
    figure = drawn(draw_fit, made())
    upper, lower = figure.axes
    assert (upper.get_ylabel(), lower.get_ylabel(), lower.get_xlabel()) == ("y0", "residual", "x0")
    fit = next(line for line in upper.lines if line.get_label() == "fit")
    assert np.all(np.diff(fit.get_xdata()) >= 0), "from left to right"
    assert len(fit.get_xdata()) == 400
    assert np.abs(lower.lines[0].get_ydata()).max() < 0.1


def test_names_of_columns_stay_what_they_are():
    fitted = replace(made(columns=2), target_names=("a$_$ of $/$",), input_names=("$x", "^{"))
    figure = drawn(draw_fit, fitted)
    assert "a$_$ of $/$" in [axes.get_ylabel() for axes in figure.axes]


def test_a_surface_and_its_errors():
    figure = drawn(draw_fit, made(columns=2))
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[0] == "fit"
    assert titles[1].startswith("error map, root mean square 1.0")


@pytest.mark.parametrize(("columns", "targets"), [(3, 1), (1, 2), (4, 4)])
def test_predicted_against_true(columns, targets):
    figure = drawn(draw_fit, made(columns, targets))
    panels = [axes for axes in figure.axes if axes.get_xlabel()]
    assert [axes.get_xlabel() for axes in panels] == [f"y{target}, true" for target in range(targets)]
    texts = [text.get_text() for text in panels[0].get_legend().get_texts()]
    assert texts[0].startswith("training, R² = 0.99")
    assert texts[1].startswith("test, R² = 0.99")
    assert sum(axes.axison for axes in figure.axes) == targets, "no empty panels"


def test_a_surface_over_a_line_is_drawn_as_predicted_against_true():
    fitted = made(columns=2)
    part = fitted.parts["training"]
    line = part._replace(inputs=np.repeat(part.inputs[:, :1], 2, axis=1))
    figure = drawn(draw_fit, Fitted("l", {"training": line}, fitted.input_names, fitted.target_names))
    assert figure.axes[0].get_xlabel() == "y0, true"


def test_r_squared():
    part = Part(np.zeros((3, 1)), np.array([[1.0, 5], [2, 5], [3, 5]]), np.array([[1.0, 5], [2, 5], [4, 5]]))
    assert r_squared(part)[0] == 0.5
    assert np.isnan(r_squared(part)[1])
    assert [digits(value) for value in (0.5, 0.9999, 1 - 1e-8, 1.0, np.nan)] == [
        "0.500", "0.9999000", "0.9999999900", "1.000000000000", "none",
    ]  # fmt: skip


@pytest.mark.parametrize("targets", [1, 3])
def test_residuals(targets):
    figure = drawn(draw_residuals, made(targets=targets, rows=2000))
    panels = [axes for axes in figure.axes if axes.get_xlabel()]
    assert len(panels) == targets
    for axes in panels:
        (line,) = axes.lines
        area = np.trapezoid(line.get_ydata(), line.get_xdata())
        assert area == pytest.approx(1, abs=0.01)
        heights = sum(patch.get_height() * patch.get_width() for patch in axes.patches)
        assert heights == pytest.approx(1)
        assert axes.get_title().startswith("4,000 rows, excess kurtosis ")


def test_residuals_of_a_perfect_fit():
    drawn(draw_residuals, made(noise=0.0))


def test_the_confusion_matrix():
    labels, predicted = np.array([0, 0, 1, 2, 2]), np.array([0, 1, 1, 2, 0])
    assert confusion(labels, predicted, 3).tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 1]]
    scores = np.array([[5.0, 0, 0], [0, 9, 0], [0, 0, 1]])
    assert worst(np.array([0, 0, 1]), scores, 2).tolist() == [1, 2]


@pytest.mark.parametrize("images", [True, False])
def test_classes(images):
    fitted = classified(images=images)
    figure = drawn(draw_confusion, fitted)
    part = fitted.parts["test"]
    right = int(np.sum(part.outputs.argmax(axis=1) == part.targets))
    assert f"{right / 60:.2%} of 60 right" in figure.get_suptitle()
    assert len(figure.axes) == (13 if images else 1)
    assert sum(int(text.get_text()) for text in figure.axes[0].texts) == 60


def test_the_area_under_a_curve_is_a_share_of_pairs(rng):
    positive = rng.random(60) < 0.3
    # Whole numbers: many rows have the same score.
    scores = np.round(rng.normal(size=60) + positive, 0)
    alarms, found = curve(positive, scores)
    pairs = scores[positive][:, None] - scores[~positive]
    assert area(alarms, found) == pytest.approx(np.mean((pairs > 0) + 0.5 * (pairs == 0)), rel=1e-12)
    for threshold in np.unique(scores):
        point = np.mean(scores[~positive] >= threshold), np.mean(scores[positive] >= threshold)
        assert np.any(np.all(np.isclose([alarms, found], np.reshape(point, (2, 1))), axis=0))
    assert curve(np.array([True, False]), np.array([2.0, 1.0]))[1].tolist() == [0, 1, 1]


def test_a_curve_for_every_class():
    fitted = classified()
    axes = drawn(draw_roc, fitted).axes[0]
    assert len(axes.lines) == 1 + fitted.classes
    assert axes.get_xscale() == "linear"
    part = fitted.parts["test"]
    sure = np.eye(3)[part.targets] + part.outputs
    axes = drawn(draw_roc, replace(fitted, parts={"test": part._replace(outputs=sure)})).axes[0]
    assert (len(axes.lines), axes.get_xscale()) == (fitted.classes, "log")
    two = replace(
        fitted, classes=2, parts={"test": Part(np.zeros((3, 1)), np.arange(3) % 2, np.eye(3)[:, :2])}
    )
    line, *_ = drawn(draw_roc, two).axes[0].lines
    assert line.get_label().startswith("1: area")


def test_filters():
    figure = drawn(draw_filters, classified())
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == [str(number) for number in range(1, 10)]


def test_figures_that_a_run_does_not_have(tmp_path):
    output = tmp_path / "a.png"
    for plot, fitted, text in (
        (plot_fit, classified(), "Try --kind confusion"),
        (plot_residuals, classified(), "Try --kind confusion"),
        (plot_confusion, made(), "Try --kind fit"),
        (plot_roc, made(), "--kind roc is for classes; this run predicts values. Try --kind fit"),
        (plot_filters, made(), "this one has none"),
    ):
        with pytest.raises(UsageError, match=text):
            plot(fitted, output)
    lost = made()
    lost.parts["test"].outputs[0] = np.nan
    with pytest.raises(UsageError, match="not finite"):
        plot_fit(lost, output)
    assert not output.exists()


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_files(tmp_path, ending):
    for plot, fitted in ((plot_fit, made(2)), (plot_residuals, made()), (plot_confusion, classified())):
        path = plot(fitted, tmp_path / f"{plot.__name__}.{ending}")
        assert path.stat().st_size > 5000
        if ending == "png":
            assert matplotlib.image.imread(path).std() > 0.05


def test_damping(make_run):
    rows = [
        {
            "step": step,
            "seconds": step,
            "loss": 1 / (step + 1),
            "damping": 10.0**-step,
            "attempts": 1 + step % 2,
        }
        for step in range(6)
    ]
    rows = [{"gain_ratio": 0.9, **row} for row in rows]
    upper, lower = drawn(draw_damping, make_run([], rows=rows)).axes
    damping, rejected = upper.lines
    assert damping.get_ydata().tolist() == [10.0**-step for step in range(6)]
    assert rejected.get_xdata().tolist() == [1, 3, 5]
    assert rejected.get_label() == "after rejected attempts (3 in 3 steps)"
    assert lower.get_xlabel() == "step"
    with pytest.raises(UsageError, match="has no damping"):
        draw_damping(make_run([1.0, 0.5]))


def test_a_curve_with_its_bands():
    x = np.linspace(-1, 1, 50)
    curve = Curve(
        x, np.sin(3 * x), np.full(50, 0.1), np.full(50, 0.3), 0.9, "12.3 of 25 parameters effective"
    )
    upper = drawn(draw_fit, replace(made(), curve=lambda: curve)).axes[0]
    assert [band.get_label() for band in upper.collections] == [
        "90 % confidence band",
        "90 % prediction band",
    ]
    heights = [np.ptp(band.get_paths()[0].vertices[:, 1]) for band in upper.collections]
    assert heights == pytest.approx([np.ptp(curve.y) + 0.2, np.ptp(curve.y) + 0.6])
    fit = next(line for line in upper.lines if line.get_label() == "fit")
    assert np.array_equal(fit.get_xdata(), x)
    assert upper.get_title(loc="left") == "12.3 of 25 parameters effective"
    none = drawn(draw_fit, replace(made(), curve=lambda: Curve(x, x, note="no bands: why"))).axes[0]
    assert not none.collections
    assert none.get_title(loc="left") == "no bands: why"
