// A chart as a file: on white, with title, axes and legend, whatever the page's theme is.
const slug = (words) => words.normalize("NFKD").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 60);

function save(format, question, title, figure) {
  const { data: lines, layout } = figure({ light: true, saved: true });
  const named = new Set();
  for (const line of lines) {
    line.showlegend = line.meta === "read" && !named.has(line.name);
    if (line.showlegend) named.add(line.name);
  }
  layout.title = { text: `${text(question)}<br><sub>${text(title)}</sub>`, x: 0.02, xanchor: "left", font: { size: 17 } };
  Object.assign(layout, { paper_bgcolor: "#fff", plot_bgcolor: "#fff", legend: { orientation: "h", y: -0.2, yref: "paper" } });
  layout.margin = { l: 20, r: 20, t: 70, b: 20 };
  const filename = [document.querySelector("h1").textContent, question, title].map(slug).filter(Boolean).join("_");
  return charting().downloadImage({ data: lines, layout }, { format, filename, width: 900, height: 560, scale: 2 });
}
