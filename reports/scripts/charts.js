// The curves: losses, logits and scores over steps.
function charts(section, comparison) {
  const training = section.querySelector(".training");
  const hidden = new Set();
  const near = new Set(), stale = new Set(); // plots near the window, and those that show something old or nothing

  function traces(curves) {
    const lines = [];
    comparison.levels.forEach(({ label, cell: index }, i) => {
      if (hidden.has(i)) return;
      const cell = data.cells[index];
      const colour = colourOf(`c${cell.colour}`);
      const runs = Object.entries(cell.runs).filter(([, run]) => data.runs[run]);
      for (const quantity of curves) {
        const name = curves.length > 1 ? `${text(label)}, ${quantity.split("_")[1]}` : text(label);
        const add = (curve, width, opacity, hover) => curve && curve[0].length && lines.push({
          x: curve[0], y: curve[1], name, opacity, type: "scatter", showlegend: false,
          mode: comparison.scores.includes(quantity) ? "lines+markers" : "lines", marker: { size: width * 2.5 },
          line: { color: colour, width, dash: quantity === "logit_fake" ? "dot" : cell.dash },
          hoverinfo: hover ? undefined : "skip", hovertemplate: hover ? "%{y:.4g}" : undefined,
        });
        const mean = cell.mean[quantity];
        for (const [, run] of runs) {
          const { status, curves: { [quantity]: curve } } = data.runs[run];
          add(curve, mean ? 0.8 : 2, mean ? 0.5 : 1, !mean);
          if (status === "failed" && curve?.[0].length) {
            lines.push({
              x: curve[0].slice(-1), y: curve[1].slice(-1), type: "scatter", mode: "markers", showlegend: false,
              marker: { symbol: "x", size: 8, color: colour }, hoverinfo: "skip",
            });
          }
        }
        add(mean, 2.2, 1, true);
      }
    });
    return lines;
  }

  function draw(plot) {
    const ink = colourOf("ink"), soft = colourOf("soft"), line = colourOf("line"), paper = colourOf("paper");
    const log = plot.closest("figure").querySelector(".log")?.checked;
    const axis = { gridcolor: line, linecolor: line, zerolinecolor: line, tickfont: { color: soft, size: 11 }, automargin: true };
    const layout = {
      margin: { l: 8, r: 8, t: 8, b: 8 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(section.querySelector("h3")).fontFamily, color: ink, size: 12 },
      hovermode: "x unified", hoverdistance: -1, hoverlabel: { bgcolor: paper, bordercolor: line, font: { color: ink, size: 12 } },
      xaxis: { ...axis, rangemode: "tozero", hoverformat: "d", unifiedhovertitle: { text: "step %{x}" },
        spikecolor: soft, spikethickness: -1, spikedash: "solid" }, uirevision: log ? "log" : "linear",
      yaxis: { ...axis, type: log ? "log" : "linear", nticks: log ? 4 : 7, tickformat: log ? "~g" : "" },
    };
    const options = {
      responsive: true, displaylogo: false, displayModeBar: "hover", doubleClick: "reset",
      // These and no others: Plotly's own choice has one that would send the data to its makers' server.
      modeBarButtons: [["zoom2d", "pan2d", "resetScale2d", "toImage"]], plotlyServerURL: "",
    };
    Plotly.react(plot, traces(JSON.parse(plot.dataset.curves)), layout, options);
    stale.delete(plot);
  }

  const plots = [...section.querySelectorAll(".plot")];
  const keys = [...section.querySelectorAll(".legend button")];
  const known = (name) => comparison.levels.some(({ cell }) =>
    Object.values(data.cells[cell].runs).some((run) => data.runs[run]?.curves[name]?.[0].length));
  const refresh = () => {
    keys.forEach((key, i) => key.setAttribute("aria-pressed", !hidden.has(i)));
    for (const plot of plots) {
      plot.closest("figure").hidden = !JSON.parse(plot.dataset.curves).some(known);
      stale.add(plot);
    }
    training.hidden = plots.every((plot) => plot.closest("figure").hidden);
    near.forEach(draw);
  };
  for (const plot of plots) plot.closest("figure").querySelector(".log")?.addEventListener("change", () => draw(plot));
  keys.forEach((key, i) => {
    key.addEventListener("click", () => { if (!hidden.delete(i)) hidden.add(i); refresh(); });
    key.addEventListener("dblclick", () => {
      hidden.clear();
      keys.forEach((_, other) => other !== i && hidden.add(other));
      refresh();
    });
  });
  refresh();
  // Charts are drawn when they come near the window: a page of many comparisons opens at once.
  const watcher = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) near.delete(target);
      else if (near.add(target) && stale.has(target)) draw(target);
    }
  }, { rootMargin: "400px" });
  plots.forEach((plot) => watcher.observe(plot));
  return refresh;
}
