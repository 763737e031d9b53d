// What a chart shows, on the page, on paper or in a saved picture: its lines and its axes.
const AXES = { steps: "generator steps", images: "real images seen", seconds: "training seconds" };
const own = (object, name) => (object && Object.hasOwn(object, name) ? object[name] : undefined);

// A finger that moves over a chart scrolls the page.
const touched = matchMedia("(pointer: coarse)").matches;

// Where a run was along an axis at these steps. Its clock is straight between its points.
function along(run, axis, steps) {
  if (axis === "steps") return steps;
  const [at, values] = own(run.clock, axis) || [[], []];
  let i = 0;
  return steps.map((step) => {
    while (i < at.length - 2 && at[i + 1] < step) i += 1;
    if (at.length < 2) return values[0] ?? null;
    return values[i] + ((values[i + 1] - values[i]) * (step - at[i])) / (at[i + 1] - at[i]);
  });
}

const runsOf = (cell) => Object.entries(cell.runs).filter(([, run]) => data.runs[run]).map(([seed, run]) => [seed, data.runs[run]]);

// A cell's mean and range over seeds along an axis, as [x, mean, lowest, highest].
function bandOf(cell, quantity, axis) {
  const band = own(cell.bands[axis === "seconds" ? "seconds" : "steps"], quantity);
  if (axis !== "images" || !band) return band;
  const timed = runsOf(cell).find(([, run]) => own(run.clock, axis)); // seeds of a cell see equally many images a step
  return timed && [along(timed[1], axis, band[0]), ...band.slice(1)];
}

// The lines of some curves. view: axis, hidden levels, whether each seed is drawn. look: colours, whether y is logarithmic.
function linesOf(comparison, curves, view, look) {
  const lines = [];
  const add = (line) => lines.push({ type: "scatter", showlegend: false, hoverinfo: "skip", ...line });
  comparison.levels.forEach(({ label, cell: index }, level) => {
    if (view.hidden.has(level)) return;
    const cell = data.cells[index], runs = runsOf(cell), colour = look.colours[`c${cell.colour}`];
    curves.forEach((quantity, part) => {
      const name = text(curves.length > 1 ? `${label}, ${quantity.split("_").pop()}` : label);
      const line = { color: colour, dash: part ? "dot" : cell.dash };
      const marked = comparison.scores.includes(quantity) ? "lines+markers" : "lines";
      const band = bandOf(cell, quantity, view.axis);
      if (band && !view.each) {
        const [x, mean, low, high] = band;
        const least = look.log ? Math.min(...[...mean, ...high].filter((y) => y > 0)) : -Infinity;
        add({ x: [...x, ...[...x].reverse()], y: [...high, ...low.map((y) => Math.max(y, least)).reverse()], mode: "lines",
          fill: "toself", fillcolor: colour, opacity: 0.18, line: { width: 0, color: colour } });
      }
      for (const [seed, run] of runs) {
        const [steps, y] = own(run.curves, quantity) || [[], []];
        const x = along(run, view.axis, steps);
        const failed = run.status === "failed";
        // In a band only what goes on where others have not come to is drawn for itself.
        const from = band && !view.each && !failed ? x.findLastIndex((value) => value <= band[0].at(-1)) : 0;
        if (from >= 0 && x.length - from > (band ? 1 : 0)) {
          add({ x: x.slice(from), y: y.slice(from), mode: marked, opacity: band ? 0.55 : 1, marker: { size: band ? 2 : 5 },
            line: { ...line, width: band ? 0.9 : 2 },
            ...(!band && { name: runs.length > 1 ? `${name}, seed ${seed}` : name, hoverinfo: undefined, hovertemplate: "%{y:.4g}", meta: "read" }) });
        }
        if (failed && x.length) add({ x: x.slice(-1), y: y.slice(-1), mode: "markers", marker: { symbol: "x", size: 8, color: colour } });
      }
      if (band) {
        add({ x: band[0], y: band[1], name, mode: view.axis === "seconds" ? "lines" : marked, marker: { size: 5.5 }, line: { ...line, width: 2.2 },
          customdata: band[2].map((low, i) => [low, band[3][i]]), meta: "read", hoverinfo: undefined,
          hovertemplate: `%{y:.4g}${look.narrow ? "" : " <i>(%{customdata[0]:.4g} to %{customdata[1]:.4g})</i>"}` });
      }
    });
  });
  return lines;
}

// The x axis of all charts of a comparison: where its runs have come to, or what the reader chose of it.
function rangeOf(comparison, view) {
  if (view.range) return view.range;
  const ends = comparison.levels.flatMap(({ cell }) => runsOf(data.cells[cell]).flatMap(([, run]) => {
    const steps = Object.values(run.curves).map(([x]) => x).filter((x) => x.length);
    return along(run, view.axis, [Math.min(...steps.map((x) => x[0])), Math.max(...steps.map((x) => x.at(-1)))]);
  })).filter((x) => Number.isFinite(x) && x > 0);
  const last = Math.max(...ends, 1);
  return view.logX ? [Math.min(...ends, last) / 1.1, last * 1.1] : [0, last * 1.02];
}

// Where the lines lie between two places in x; undefined where Plotly may choose, for all is shown.
function heights(lines, view, log) {
  if (!view.range) return undefined;
  const [from, to] = view.range;
  const shown = lines.flatMap(({ x, y }) => y.filter((value, i) => x[i] >= from && x[i] <= to && (!log || value > 0)));
  if (!shown.length) return undefined;
  const [low, high] = [Math.min, Math.max].map((end) => shown.reduce((a, b) => end(a, b)));
  const scaled = log ? [Math.log10(low), Math.log10(high)] : [low, high];
  const room = 0.06 * (scaled[1] - scaled[0]) || 0.5;
  return [scaled[0] - room, scaled[1] + room];
}

function layoutOf(lines, comparison, view, look) {
  const { ink, soft, line, paper } = look.colours;
  const range = rangeOf(comparison, view);
  const y = heights(lines, view, look.log);
  const axis = { gridcolor: line, linecolor: line, zerolinecolor: line, tickfont: { color: soft, size: 11 }, automargin: !!look.saved };
  const title = (words) => ({ text: words, font: { color: soft, size: 11 }, standoff: 6 });
  return {
    // Fixed, so that the x axes of charts above each other are, too; Plotly's own choice takes it a second drawing.
    margin: { l: 54, r: 10, t: 8, b: 40 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: look.font, color: ink, size: 12 }, dragmode: touched ? false : "zoom", ...look.size,
    hovermode: "x unified", hoverdistance: -1, hoverlabel: { bgcolor: paper, bordercolor: line, font: { color: ink, size: 12 }, namelength: look.narrow ? 20 : 40 },
    xaxis: { ...axis, fixedrange: touched, type: view.logX ? "log" : "linear", range: view.logX ? range.map(Math.log10) : range, title: title(AXES[view.axis]),
      hoverformat: view.axis === "seconds" ? ".1f" : ",d", unifiedhovertitle: { text: `%{x} ${AXES[view.axis]}` },
      nticks: view.logX ? 5 : 0, tickformat: !view.logX ? "" : view.axis === "seconds" ? "~g" : "~s", spikecolor: soft, spikethickness: -1, spikedash: "solid" },
    yaxis: { ...axis, type: look.log ? "log" : "linear", nticks: look.log ? 4 : 7, tickformat: look.log ? "~g" : "", fixedrange: true,
      ...(y ? { range: y, autorange: false } : { autorange: true }) },
  };
}
