"use strict";
for (const section of document.querySelectorAll("section.chart")) {
  const plot = section.querySelector(".plot");
  const figure = JSON.parse(section.querySelector("script").textContent);
  const press = (buttons, chosen) =>
    buttons.forEach((button) => button.setAttribute("aria-pressed", String(button === chosen)));
  // One after the other: Plotly answers a call once it has drawn.
  let drawn = Plotly.newPlot(plot, figure.data, figure.layout, { responsive: true, displaylogo: false });
  const then = (change) => { drawn = drawn.then(change); };

  const against = [...section.querySelectorAll("[data-against]")];
  for (const button of against) {
    button.addEventListener("click", () => {
      const choice = figure.layout.meta.choices[button.dataset.against];
      press(against, button);
      then(() => Plotly.update(plot, { x: choice.x, y: choice.y },
        { "xaxis.title.text": figure.layout.meta.titles[button.dataset.against], "xaxis.autorange": true }));
    });
  }
  for (const axis of ["x", "y"]) {
    const types = [...section.querySelectorAll(`[data-axis="${axis}"]`)];
    press(types, types.find((button) => button.dataset.type === (figure.layout[`${axis}axis`].type ?? "linear")));
    for (const button of types) {
      button.addEventListener("click", () => {
        press(types, button);
        then(() => Plotly.relayout(plot,
          { [`${axis}axis.type`]: button.dataset.type, [`${axis}axis.autorange`]: true }));
      });
    }
  }
}
