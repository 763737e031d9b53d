// The charts of a comparison: one axis for all of them, what is shown of it, and which levels.
function charts(section, comparison) {
  const training = section.querySelector(".training");
  if (!training) return undefined;
  const find = (selector) => [...training.querySelectorAll(selector)];
  const plots = find(".plot"), keys = find(".legend button"), axes = find(".axis input");
  const all = training.querySelector(".all"), reading = training.querySelector(".reading");
  const view = { axis: "steps", logX: false, each: false, hidden: new Set(), range: undefined };
  keys.forEach((key, i) => key.getAttribute("aria-pressed") === "false" && view.hidden.add(i));
  const near = new Set(), stale = new Set(); // plots near the window, and those that show something old or nothing
  const figureOf = (plot) => plot.closest("figure");
  const curvesOf = (plot) => JSON.parse(plot.dataset.curves);
  const titleOf = (plot) => figureOf(plot).querySelector(".what").textContent.trim().replace(/\s+/g, " ");

  function figure(plot, style) {
    const look = { font: sans(section), log: figureOf(plot).querySelector(".log")?.checked || false, narrow: plot.clientWidth < 600, ...style, colours: colours(style.light) };
    const lines = linesOf(comparison, curvesOf(plot), view, look);
    return { data: lines, layout: layoutOf(lines, comparison, view, look) };
  }

  function draw(plot, style = paper || {}) {
    const { data: lines, layout } = figure(plot, style), Plotly = charting();
    if (plot.layout?.width && !style.size) Plotly.purge(plot); // else it would keep the size that it had on paper
    const first = !plot.data;
    Plotly.react(plot, lines, layout, { responsive: true, displayModeBar: false, doubleClick: false, showTips: false, plotlyServerURL: "" });
    stale.delete(plot);
    plot.setAttribute("aria-label", `${titleOf(plot)}, against ${AXES[view.axis]}. Last values: ${lastValues(lines) || "none"}.`);
    if (!first) return;
    plot.on("plotly_relayout", (change) => {
      const range = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
      if (range.every(Number.isFinite)) zoom(view.logX ? range.map((x) => 10 ** x) : range);
    });
    plot.on("plotly_doubleclick", () => zoom(undefined));
    plot.on("plotly_hover", ({ xvals }) => others(plot).forEach((other) => Plotly.Fx.hover(other, { xval: xvals[0] }, "xy", true)));
    plot.on("plotly_unhover", () => others(plot).forEach((other) => Plotly.Fx.unhover(other)));
  }
  const others = (plot) => [...near].filter((other) => other !== plot && other.data && !figureOf(other).hidden);
  const plain = (name) => new DOMParser().parseFromString(name, "text/html").body.textContent;
  const read = (lines) => lines.filter((line) => line.meta === "read" && line.y.length);
  const lastValues = (lines) => read(lines).map(({ name, y }) => `${plain(name)} ${number(y.at(-1))}`).join("; ");

  function zoom(range) {
    view.range = range;
    refresh();
  }

  // Reading a chart with the keyboard: its values at one place after the other, shown and spoken.
  const places = new Map();
  function readAt(plot, move) {
    const lines = read(plot.data || []);
    const [from, to] = rangeOf(comparison, view);
    const xs = (lines[0]?.x || []).filter((x) => x >= from && x <= to);
    if (!xs.length) return;
    const i = Math.min(Math.max(move(places.get(plot) ?? -1, xs.length), 0), xs.length - 1);
    places.set(plot, i);
    Plotly.Fx.hover(plot, { xval: view.logX ? Math.log10(xs[i]) : xs[i] }, "xy", true);
    const at = ({ x, y }) => y[x.reduce((best, value, j) => (Math.abs(value - xs[i]) < Math.abs(x[best] - xs[i]) ? j : best), 0)];
    reading.textContent = `${titleOf(plot)} at ${count(xs[i])} ${AXES[view.axis]}: ${lines.map((line) => `${plain(line.name)} ${number(at(line))}`).join("; ")}`;
  }
  function closer(factor) {
    const [from, to] = rangeOf(comparison, view);
    const middle = (from + to) / 2, half = ((to - from) / 2) * factor;
    const [whole] = [rangeOf(comparison, { ...view, range: undefined })];
    const range = [Math.max(middle - half, whole[0]), Math.min(middle + half, whole[1])];
    zoom(range[0] === whole[0] && range[1] === whole[1] ? undefined : range);
  }
  const strides = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 };
  function press(event) {
    const plot = event.currentTarget, { key } = event;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (key in strides) readAt(plot, (i) => i + strides[key]);
    else if (key === "Home") readAt(plot, () => 0);
    else if (key === "End") readAt(plot, (_, n) => n - 1);
    else if (key === "+" || key === "=") closer(0.5);
    else if (key === "-") closer(2);
    else if (key === "0" || key === "Escape") zoom(undefined);
    else return;
    event.preventDefault();
  }

  const has = ({ cell }, name) => runsOf(data.cells[cell]).some(([, run]) => own(run.curves, name)?.[0].length);
  const known = (name) => comparison.levels.some((level) => has(level, name));
  const shown = (name) => comparison.levels.some((level, i) => !view.hidden.has(i) && has(level, name));
  function refresh() {
    view.axis = axes.find((axis) => axis.checked).value;
    const timed = comparison.levels.flatMap(({ cell }) => runsOf(data.cells[cell]));
    for (const axis of axes) axis.disabled = axis.value !== "steps" && !timed.some(([, run]) => own(run.clock, axis.value));
    if (axes.find((axis) => axis.checked).disabled) view.axis = "steps";
    keys.forEach((key, i) => key.setAttribute("aria-pressed", !view.hidden.has(i)));
    all.disabled = !view.range && !view.hidden.size;
    for (const plot of plots) {
      figureOf(plot).hidden = !curvesOf(plot).some(shown);
      stale.add(plot);
    }
    training.hidden = !plots.some((plot) => curvesOf(plot).some(known));
    near.forEach((plot) => draw(plot));
  }

  for (const axis of axes) axis.addEventListener("change", () => zoom(undefined));
  training.querySelector(".log-x").addEventListener("change", (event) => { view.logX = event.target.checked; refresh(); });
  training.querySelector(".each").addEventListener("change", (event) => { view.each = event.target.checked; refresh(); });
  all.addEventListener("click", () => { view.hidden.clear(); zoom(undefined); });
  for (const plot of plots) {
    figureOf(plot).querySelector(".log")?.addEventListener("change", () => draw(plot));
    plot.addEventListener("keydown", press);
    plot.addEventListener("blur", () => plot.data && Plotly.Fx.unhover(plot));
    for (const button of figureOf(plot).querySelectorAll(".save")) {
      button.addEventListener("click", () => save(button.textContent.toLowerCase(), comparison.title, titleOf(plot), (style) => figure(plot, style)));
    }
  }
  const only = (i) => {
    view.hidden.clear();
    keys.forEach((_, other) => other !== i && view.hidden.add(other));
    refresh();
  };
  keys.forEach((key, i) => {
    key.addEventListener("click", () => { if (!view.hidden.delete(i)) view.hidden.add(i); refresh(); });
    key.addEventListener("dblclick", () => only(i));
    key.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !event.shiftKey) return;
      event.preventDefault();
      only(i);
    });
  });
  // One after the other, so that the page listens in between.
  function drawNext() {
    const plot = [...near].find((one) => stale.has(one) && !figureOf(one).hidden);
    if (!plot) return;
    draw(plot);
    setTimeout(drawNext);
  }
  refresh();
  // Charts are drawn when they come near the window: a page of many comparisons opens at once.
  const watcher = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) near.delete(target);
      else near.add(target);
    }
    drawNext();
  }, { rootMargin: "400px" });
  plots.forEach((plot) => watcher.observe(plot));
  onPaper[section.id] = () => plots.filter((plot) => !figureOf(plot).hidden).forEach((plot) => draw(plot));
  return refresh;
}
