import math
import warnings
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from lmrun.errors import RunDirectoryError, UsageError
from lmrun.plotting.curves import read_curves
from lmrun.plotting.loss import draw_loss, plot_loss
from lmrun.plotting.style import COLORS, MARKERS, look, styled
from lmrun.runs.layout import RunDirectory

DECAY = [10.0**-power for power in range(5)]


def draw(*runs: RunDirectory) -> Figure:
    with styled():
        figure = draw_loss([read_curves(run) for run in runs])
        figure.draw_without_rendering()
        return figure


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]  # type: ignore[attr-defined]


def test_the_curves_of_one_run(make_run) -> None:  # type: ignore[no-untyped-def]
    left, right = draw(make_run(DECAY)).axes
    assert left.get_yscale() == right.get_yscale() == "log"
    assert left.get_ylim() == right.get_ylim()
    assert left.get_ylim()[0] < 1e-6
    [steps, target] = left.lines
    assert steps.get_xdata().tolist() == [0, 1, 2, 3, 4]  # type: ignore[union-attr]
    assert steps.get_ydata().tolist() == DECAY  # type: ignore[union-attr]
    assert steps.get_linestyle() == "-"
    assert list(target.get_ydata()) == [1e-6, 1e-6]
    assert right.lines[0].get_xdata().tolist() == [0.25, 0.75, 1.25, 1.75, 2.25]  # type: ignore[union-attr]


def test_titles_and_axes(make_run) -> None:  # type: ignore[no-untyped-def]
    figure = draw(make_run(DECAY))
    assert figure.get_suptitle() == "sinc · lm · seed 10"
    assert [axes.get_xlabel() for axes in figure.axes] == ["step", "training time in seconds"]
    assert figure.axes[0].get_ylabel() == "loss"
    assert "target 1e-06" in texts(figure)


def test_all_text_is_at_least_nine_points(make_run) -> None:  # type: ignore[no-untyped-def]
    figure = draw(make_run(DECAY), make_run(DECAY, seed=11))
    sizes = {text.get_fontsize() for text in figure.findobj(Text) if text.get_text()}  # type: ignore[attr-defined]
    assert min(sizes) >= 9


def test_validation_is_dashed_and_unbroken(make_run) -> None:  # type: ignore[no-untyped-def]
    rows = [{"step": step, "seconds": float(step), "loss": 1.0 / (step + 1)} for step in range(5)]
    rows[0]["validation_loss"], rows[4]["validation_loss"] = 2.0, 0.5
    figure = draw(make_run([], rows=rows))
    validation = figure.axes[0].lines[0]
    assert validation.get_linestyle() == "--"
    assert validation.get_xdata().tolist() == [0, 4]  # type: ignore[union-attr]
    assert {"training", "validation"} <= set(texts(figure))
    assert "validation" not in texts(draw(make_run(DECAY)))


def test_several_runs_differ_in_colour_and_marker_and_are_named(make_run) -> None:  # type: ignore[no-untyped-def]
    figure = draw(make_run(DECAY), make_run(DECAY, optimizer="adam"), make_run(DECAY, optimizer="sgd"))
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 5]
    assert [line.get_color() for line in lines] == list(COLORS[:3])
    assert [line.get_marker() for line in lines] == list(MARKERS[:3])
    assert {"lm", "adam", "sgd"} <= set(texts(figure))
    assert figure.get_suptitle() == "sinc · seed 10"


def test_labels_do_not_overlap(make_run) -> None:  # type: ignore[no-untyped-def]
    figure = draw(*[make_run(DECAY, seed=seed) for seed in range(20)])
    named = [text for text in figure.axes[1].texts if text.get_text().startswith("seed ")]
    boxes = sorted((text.get_window_extent() for text in named), key=lambda box: box.y0)
    assert len(boxes) == 20
    assert all(below.y1 <= above.y0 for below, above in pairwise(boxes))
    assert boxes[-1].y1 <= figure.bbox.y1


def test_looks_of_many_runs_are_unique() -> None:
    assert len({look(index) for index in range(63)}) == 63


def test_runs_of_very_different_lengths_share_a_logarithmic_axis(make_run) -> None:  # type: ignore[no-untyped-def]
    short, long = make_run(DECAY), make_run(np.linspace(1.0, 0.1, 101).tolist(), optimizer="adam")
    left, right = draw(short, long).axes
    assert (left.get_xscale(), right.get_xscale()) == ("log", "log")
    # Step 0 has no logarithm.
    assert left.lines[0].get_xdata().tolist() == [1, 2, 3, 4]  # type: ignore[union-attr]
    assert draw(short).axes[0].get_xscale() == "linear"


@pytest.mark.parametrize(
    "losses",
    [
        [0.0],
        [0.0, 0.0],
        [math.nan],
        [None, None],
        [1.0, math.nan],
        [1.0, 0.0],
        [1.0, math.inf, 1e-300],
        [-1.0, 1.0],
        [1.0],
        [5e-324, 1.7e308],
        [2.0, 2.0],
    ],
)
def test_losses_that_have_no_logarithm(tmp_path: Path, make_run, losses: list[float]) -> None:  # type: ignore[no-untyped-def]
    run = make_run(losses, training="{}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw(run)
        assert plot_loss([run, make_run([1.0, 0.5], seed=2)], tmp_path / "a.png").stat().st_size > 5_000


def test_a_zero_and_a_divergence_are_marked(make_run) -> None:  # type: ignore[no-untyped-def]
    zero, diverged = make_run([1.0, 0.5, 0.0]), make_run([1.0, 4.0, math.nan])
    triangle = draw(zero).axes[0].lines[1]
    assert (triangle.get_marker(), list(triangle.get_xdata())) == ("v", [2.0])
    cross = draw(diverged).axes[0].lines[1]
    assert (cross.get_marker(), list(cross.get_xdata()), list(cross.get_ydata())) == ("x", [1.0], [4.0])


@pytest.mark.parametrize(("ending", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("PDF", b"%PDF")])
def test_formats(tmp_path: Path, make_run, ending: str, magic: bytes) -> None:  # type: ignore[no-untyped-def]
    run = make_run(DECAY)
    output = tmp_path / "new" / "folder" / f"loss.{ending}"
    assert plot_loss([run], output) == output
    first = output.read_bytes()
    assert first.startswith(magic)
    plot_loss([run], output)
    assert output.read_bytes() == first
    assert [path.name for path in output.parent.iterdir()] == [output.name]


def test_the_resolution_of_a_png(tmp_path: Path, make_run) -> None:  # type: ignore[no-untyped-def]
    image = matplotlib.image.imread(plot_loss([make_run(DECAY)], tmp_path / "a.png"))
    assert image.shape[:2] == (600, 1350)


@pytest.mark.parametrize(
    ("name", "hint"), [("a.pgn", " Did you mean 'png'?"), ("a", " Known: png, svg, pdf."), ("a.xyz", None)]
)
def test_unknown_endings(tmp_path: Path, make_run, name: str, hint: str | None) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError, match="is no known format") as caught:
        plot_loss([make_run(DECAY)], tmp_path / name)
    assert str(caught.value).endswith(hint or "")
    assert not (tmp_path / name).exists()


def test_a_run_without_rows_draws_nothing(tmp_path: Path, make_run) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(RunDirectoryError, match="The run empty has no rows"):
        plot_loss([make_run(DECAY), make_run([], name="empty")], tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path, make_run) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="Cannot make the folder"):
        plot_loss([make_run(DECAY)], tmp_path / "file" / "x" / "a.png")


def test_the_user_s_own_style_is_left_alone(tmp_path: Path, make_run) -> None:  # type: ignore[no-untyped-def]
    with mpl.rc_context({"font.size": 3}):
        plot_loss([make_run(DECAY)], tmp_path / "a.png")
        assert mpl.rcParams["font.size"] == 3
