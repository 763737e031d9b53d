// A chart as a file: on white, with title, axes and legend, whatever the page's theme is.
function save(format, question, title, figure) {
  const { data: lines, layout } = figure({ light: true, saved: true });
  const named = new Set();
  for (const line of lines) {
    line.showlegend = line.meta === "read" && !named.has(line.name);
    if (line.showlegend) named.add(line.name);
  }
  layout.title = { text: `${text(question)}<br><sub>${text(title)}</sub>`, x: 0.02, xanchor: "left", font: { size: 17 } };
  Object.assign(layout, { paper_bgcolor: "#fff", plot_bgcolor: "#fff", legend: { orientation: "h", y: -0.2, yref: "paper" } });
  layout.margin = { l: 20, r: layout.annotations ? 210 : 20, t: 70, b: 20 };
  const filename = figureName(question, title);
  return charting().downloadImage({ data: lines, layout }, { format, filename, width: 900, height: layout.height || 560, scale: 2 });
}
