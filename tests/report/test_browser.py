"""The page in a real browser: it draws, explores and asks for nothing else."""

import os
import shutil
import time
from collections.abc import Callable, Iterator

import pytest
from finished_runs import result_maker
from fitted_examples import classified, made
from playwright.sync_api import Browser, Page, sync_playwright

from lmrun.compare.document import compare
from lmrun.report.compose import page_of_groups
from lmrun.report.fits import fit_chart
from lmrun.report.page import write

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
"""A browser that asks nobody for anything."""

PATIENCE = 20.0
"""Seconds until a page that does nothing has failed."""

REQUIRED = "LMRUN_REQUIRE_BROWSER"
"""Set where the test may not be skipped, as in continuous integration."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        words = f"no browser is installed ({', '.join(BROWSERS)}); on Debian: apt install chromium"
        if os.environ.get(REQUIRED):
            pytest.fail(words)
        pytest.skip(words)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def opened(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page of a comparison of four runs with every kind of chart; fails for whatever it complains of."""
    folder = tmp_path_factory.mktemp("page")
    make_result = result_maker(folder)
    losses = {"adam": [0.9**step for step in range(300)], "lm": [0.1**step for step in range(8)]}
    damping = {"adam": None, "lm": [10.0**-step for step in range(8)]}
    made_runs = [
        make_result(name, seed, losses[name], damping=damping[name])
        for name in ("adam", "lm")
        for seed in (10, 11)
    ]
    compared = compare(made_runs, ["adam", "lm"])
    fits = (made(columns=1), made(columns=2), made(columns=3), classified())
    charts = [fit_chart(fitted, f"fit-{place}") for place, fitted in enumerate(fits)]
    path = write(page_of_groups(compared.groups, compared.document, charts, []), folder / "page.html")
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    complaints, asked = [], []
    page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    until(page, lambda: page.locator(".plot .main-svg").count() >= 12)
    yield page
    page.close()
    assert not complaints
    assert asked == [path.as_uri()]


def until(page: Page, reached: Callable[[], bool]) -> None:
    """Wait; not by `wait_for_function`, whose eval the page forbids."""
    end = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < end, "the page does not get there"
        page.wait_for_timeout(50)


def layout(page: Page, chart: str, path: str):
    return page.evaluate(f"document.querySelector('#{chart} .plot')._fullLayout.{path}")


def names(page: Page, *, visible: bool) -> set[str]:
    """What the legend of the losses names, and whether it is drawn."""
    shown = "curve.visible === true" if visible else "curve.visible === 'legendonly'"
    curves = f"document.querySelector('#loss .plot')._fullData.filter((curve) => {shown} && curve.showlegend)"
    return set(page.evaluate(f"{curves}.map((curve) => curve.name)"))


def test_everything_is_drawn(opened: Page):
    charts = opened.locator("section.chart")
    assert charts.count() == 6
    for place in range(charts.count()):
        box = charts.nth(place).locator(".main-svg").first.bounding_box()
        assert box["width"] > 800
        assert box["height"] > 300
    assert opened.locator("#loss .scatterlayer .trace").count() >= 4
    assert opened.locator("h1").inner_text() == "sinc: adam against lm"
    width = opened.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert width[0] <= width[1], "nothing is cut off at the right"


def test_axes_can_be_changed(opened: Page):
    assert (layout(opened, "loss", "xaxis.type"), layout(opened, "loss", "yaxis.type")) == ("log", "log")
    opened.click("#loss [data-axis=x][data-type=linear]")
    opened.click("#loss [data-axis=y][data-type=linear]")
    opened.click("#loss [data-against=seconds]")
    until(opened, lambda: "seconds" in layout(opened, "loss", "xaxis.title.text"))
    assert {layout(opened, "loss", f"{axis}axis.type") for axis in "xy"} == {"linear"}
    assert layout(opened, "loss", "xaxis.range[1]") == pytest.approx(149.5, rel=0.1), "half a second a step"
    pressed = opened.locator("#loss button[aria-pressed=true]").all_inner_texts()
    assert pressed == ["seconds", "linear", "linear"]


def test_runs_are_shown_and_hidden_by_a_click_on_the_legend(opened: Page):
    assert names(opened, visible=True) == {"adam, median of 2", "lm, median of 2"}
    hidden = {f"{name}, seed {seed}" for name in ("adam", "lm") for seed in (10, 11)}
    assert names(opened, visible=False) == hidden
    entry = opened.locator("#loss .legend .traces", has_text="lm, seed 10")
    entry.locator(".legendtoggle").click()
    until(opened, lambda: "lm, seed 10" in names(opened, visible=True))


def test_a_group_goes_with_its_band(opened: Page):
    def bands() -> int:
        return opened.evaluate(
            "document.querySelector('#loss .plot')._fullData.filter((c) => c.fill === 'tonexty' && c.visible"
            " === true).length"
        )

    assert bands() == 2
    entry = opened.locator("#loss .legend .traces", has_text="lm, median of 2")
    entry.locator(".legendtoggle").click()
    until(opened, lambda: bands() == 1)
    assert "lm, median of 2" not in names(opened, visible=True)


def test_a_drag_zooms_and_the_pointer_asks(opened: Page):
    before = layout(opened, "fit-0", "xaxis.range")
    point = opened.locator("#fit-0 .scatterlayer .points path").nth(5)
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    opened.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    opened.wait_for_selector("#fit-0 .hoverlayer .hovertext")
    area = opened.locator("#fit-0 .nsewdrag").first.bounding_box()
    middle = area["y"] + area["height"] / 2
    opened.mouse.move(area["x"] + area["width"] * 0.3, middle)
    opened.mouse.down()
    opened.mouse.move(area["x"] + area["width"] * 0.7, middle, steps=5)
    opened.mouse.up()
    until(opened, lambda: layout(opened, "fit-0", "xaxis.range[0]") > before[0] + 0.1)
    after = layout(opened, "fit-0", "xaxis.range")
    assert after[1] - after[0] < 0.6 * (before[1] - before[0])
