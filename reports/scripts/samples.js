// The slider over snapshots: it moves the sample grids of all levels together.
function samples(section, comparison) {
  const strip = section.querySelector(".strip");
  if (!strip) return undefined;
  const slider = strip.querySelector(".moment");
  const seed = strip.querySelector(".seed");
  const show = () => {
    const step = comparison.steps[slider.value];
    strip.querySelector("output").textContent = `step ${count(step)}`;
    slider.setAttribute("aria-valuetext", `step ${step}`);
    strip.querySelector(".seed-shown").textContent = seed.value;
    for (const tile of strip.querySelectorAll("[data-cell]")) {
      const run = data.runs[data.cells[tile.dataset.cell].runs[seed.value]];
      const [moment, name] = (run && upTo(run.pictures, step)) || [0, ""];
      const frame = tile.querySelector(".frame");
      const picture = tile.querySelector(".picture");
      // The old picture stays underneath until the new one is decoded, so that nothing flickers.
      frame.className = `frame ${name ? picture.dataset.name || "" : "none"}`;
      picture.className = `picture ${name}`;
      picture.dataset.name = name;
      tile.querySelector(".at").textContent = caption(run, moment, step);
    }
  };
  const caption = (run, moment, step) => {
    if (!run) return "not started";
    if (!moment) return "no picture yet";
    const [steps, values] = run.curves[comparison.score] || [[], []];
    const value = values[steps.indexOf(moment)];
    const end = moment < step && run.status !== "finished" ? `${run.status}, ` : "";
    return `${end}step ${count(moment)}${value === undefined ? "" : ` · ${comparison.score} ${number(value)}`}`;
  };
  let chosen; // a step; none while the slider stands at its end, where it follows new pictures
  slider.addEventListener("input", () => {
    chosen = slider.value === slider.max ? undefined : comparison.steps[slider.value];
    show();
  });
  seed.addEventListener("change", show);
  strip.querySelector(".controls").hidden = false;
  const refresh = () => {
    slider.max = comparison.steps.length - 1;
    slider.value = chosen === undefined ? slider.max : comparison.steps.findLastIndex((step) => step <= chosen);
    show();
  };
  refresh();
  return refresh;
}
