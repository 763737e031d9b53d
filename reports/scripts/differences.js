// A comparison's paired differences as a file: the picture beside its findings, drawn anew with names and numbers.
function differences({ title, reference, better, ends, ticks, rows }, look) {
  const at = (i, x, own) => ({ type: "scatter", x, y: x.map(() => i), hoverinfo: "skip", showlegend: false, ...own });
  const lines = rows.flatMap(({ colour, seeds, interval, mean }, i) => {
    const color = look.colours[`c${colour}`];
    return [
      ...(interval ? [at(i, interval, { mode: "lines", opacity: 0.4, line: { width: 6, color } })] : []),
      at(i, seeds, { mode: "markers", marker: { symbol: "circle", size: 9, color: "#fff", line: { width: 1.7, color } } }),
      at(i, [mean], { mode: "markers", marker: { symbol: "line-ns", size: 11, line: { width: 3.5, color } } }),
    ];
  });
  const { ink, soft, line } = look.colours;
  const font = { color: soft, size: 12 };
  const words = ["← better", "worse →"];
  const ways = better === "lower" ? words : ["← worse", "better →"];
  return {
    data: lines,
    layout: {
      height: 190 + 36 * rows.length, font: { family: look.font, color: ink, size: 13 },
      xaxis: { range: ends, tickvals: ticks.map(([x]) => x), ticktext: ticks.map(([, words]) => words), tickfont: font, gridcolor: line, zerolinecolor: soft, automargin: true,
        title: { text: `paired difference to ${text(reference)}: ${ways.join("   ")}`, font, standoff: 12 } },
      yaxis: { range: [rows.length - 0.4, -0.6], tickvals: rows.map((_, i) => i), ticktext: rows.map((row) => text(row.label)), showgrid: false, zeroline: false, automargin: true },
      annotations: rows.map((row, i) => ({ x: 1, xref: "paper", xanchor: "left", y: i, yref: "y", text: `  ${text(row.said)}`, showarrow: false, font })),
    },
  };
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest?.("button[data-differences]");
  if (!button) return;
  const section = button.closest("section"), comparison = data.comparisons[section.id];
  const shown = comparison.differences[button.dataset.differences];
  save(button.dataset.kind, comparison.title, shown.title, () => differences(shown, { colours: colours(true), font: sans(section) }));
});
