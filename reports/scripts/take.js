// Tables as files: CSV with the numbers as they are, Markdown and LaTeX (booktabs) as they are shown.
// gan_bench_reports/exports.py writes the same from a script; both escape alike.

const squeezed = (string) => string.replace(/[\s\u0000-\u001f\u007f-\u009f]+/g, (space) => (/^[\u00a0\u202f]$/.test(space) ? space : " ")).trim();

// What a cell says; what stands small beside it follows in brackets.
function cellText(cell) {
  if (!cell) return "";
  const copy = cell.cloneNode(true);
  copy.querySelectorAll(".mark, [aria-hidden=true]").forEach((part) => part.remove());
  copy.querySelectorAll("small").forEach((part) => part.replaceWith(` (${squeezed(part.textContent)})`));
  return squeezed(copy.textContent);
}

// A number as it is; text as it is shown. A cell that spans columns gives its value once.
const cellValue = (cell) => (cell ? squeezed(cell.dataset.value ?? cellText(cell)) : "");
const isNumber = (value) => value !== "" && Number.isFinite(Number(value));

// A table's parts: its head by rows, the names of its columns, its rows, and whether a column holds numbers.
function parts(table) {
  const head = table.tHead ? spread([...table.tHead.rows]) : [];
  const rows = spread([...table.rows].filter((row) => row.parentNode !== table.tHead && !row.hidden));
  const columns = Math.max(...[...head, ...rows].map((row) => row.length));
  const once = rows.map((row) => row.map((cell, x) => (cell === row[x - 1] ? undefined : cell)));
  const names = [...Array(columns).keys()].map((x) => [...new Set(head.map((row) => row[x]))].map(cellText).join(", "));
  const numeric = names.map((_, x) => x > 0 && rows.some((row) => isNumber(cellValue(row[x]))));
  const bare = names.map((_, x) => [...new Set(head.map((row) => row[x]))].map((cell) => cell.dataset.name ?? cellText(cell)).join(", "));
  return { head, names, bare, rows: once, numeric, title: squeezed(table.caption?.textContent || "") };
}

// A text that a spreadsheet would take for a formula is quoted, so that it stays a text.
const csvText = (value) => (!isNumber(value) && /^[=+\-@]/.test(value) ? `'${value}` : value);
const csvField = (value) => (/[",\n\r']|^\s|\s$/.test(value) ? `"${value.replace(/"/g, '""')}"` : value);
const mdText = (string) => string.replace(/[\\`*_[\]<>|~&$]/g, "\\$&");
const TEX = {
  "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "<": "\\textless{}", ">": "\\textgreater{}",
  "|": "\\textbar{}", "`": "\\textasciigrave{}", '"': "{\\char34}", "[": "{[}", "]": "{]}", "*": "{*}",
  "±": "$\\pm$", "−": "$-$", "×": "$\\times$", "≠": "$\\neq$", "–": "--", "’": "'", "\u00a0": "~", "\u202f": "\\,",
};
const WIDEST = 90; // characters in a row of a LaTeX table
const FITTED = "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%"; // a table that is too wide is set smaller
const texText = (string) => string.replace(/[\\~^<>|`"[\]*±−×≠–’\u00a0\u202f&%$#_{}]|-(?=-)/g, (c) => TEX[c] ?? (c === "-" ? "-{}" : `\\${c}`));

// The columns beside the first, table by table, each about as wide as a page of paper; what stands under one head is never parted.
function pages({ head, names, rows }) {
  const width = (x) => Math.max(...[...head.slice(-1), ...rows].map((row) => cellText(row[x]).length));
  const parts = [];
  let room = 0;
  for (let x = 1; x < names.length;) {
    const together = [...Array(head[0]?.[x]?.colSpan || 1).keys()].map((i) => x + i);
    const needed = together.map(width).reduce((a, b) => a + b);
    if (needed > room) {
      parts.push([]);
      room = WIDEST - width(0);
    }
    parts.at(-1).push(...together);
    room -= needed;
    x += together.length;
  }
  return parts;
}

function texTable({ head, rows, numeric }, columns, title) {
  const shown = (cell) => (cell?.matches(".best") ? `\\textbf{${texText(cellText(cell))}}` : texText(cellText(cell)));
  const line = (cells) => `${cells.join(" & ")} \\\\`;
  const all = [0, ...columns];
  const filled = rows.filter((row) => columns.some((x) => cellText(row[x])));
  const heads = head.map((row, y) => {
    const cells = [], rules = [];
    for (let i = 0; i < all.length; i += row[all[i]]?.colSpan || 1) {
      const cell = row[all[i]];
      // What spans rows stands in the last of them.
      const own = head[y + 1]?.[all[i]] === cell ? "" : texText(cellText(cell));
      const span = cell?.colSpan || 1;
      cells.push(span > 1 ? `\\multicolumn{${span}}{c}{${own}}` : own);
      if (span > 1) rules.push(`\\cmidrule(lr){${i + 1}-${i + span}}`);
    }
    return line(cells) + rules.join("");
  });
  return ["\\begin{table}", "\\centering", `\\caption{${texText(title)}}`, FITTED, `\\begin{tabular}{${all.map((x) => (numeric[x] ? "r" : "l")).join("")}}`,
    "\\toprule", ...heads, ...(heads.length ? ["\\midrule"] : []), ...filled.map((row) => line(all.map((x) => shown(row[x])))),
    "\\bottomrule", "\\end{tabular}}", "\\end{table}"].join("\n");
}

const formats = {
  csv: (tables) => tables.map(({ bare: names, rows, title }) => {
    const spreads = names.map((_, x) => rows.some((row) => row[x]?.dataset.deviation !== undefined));
    const line = (values) => values.map(csvText).map(csvField).join(",");
    const head = names.flatMap((name, x) => (spreads[x] ? [name, `${name}, standard deviation`] : [name]));
    const lines = rows.map((row) => names.flatMap((_, x) => (spreads[x] ? [cellValue(row[x]), row[x]?.dataset.deviation ?? ""] : [cellValue(row[x])])));
    return [...(tables.length > 1 ? [[title]] : []), ...(names.some(Boolean) ? [head] : []), ...lines].map(line).join("\n");
  }).join("\n\n") + "\n",

  md: (tables, about) => tables.map(({ names, rows, numeric, title }) => {
    const line = (cells) => `| ${cells.join(" | ")} |`;
    const shown = (cell) => (cell?.matches(".best") ? `**${mdText(cellText(cell))}**` : mdText(cellText(cell)));
    const lines = rows.map((row) => line(names.map((_, x) => shown(row[x]))));
    return `**${mdText(title || about)}**\n\n${[line(names.map(mdText)), line(numeric.map((is) => (is ? "---:" : ":---"))), ...lines].join("\n")}`;
  }).join("\n\n") + "\n",

  tex: (tables, about) => "% Needs \\usepackage{booktabs,graphicx}\n" + tables.flatMap((table) => {
    const title = table.title || about;
    return pages(table).map((columns, i) => texTable(table, columns, i ? `${title} (continued)` : title));
  }).join("\n\n") + "\n",
};

function takeAway({ target }) {
  const button = target.closest?.("button[data-format]");
  if (!button) return;
  const place = button.closest("[data-take]");
  const tables = [...place.querySelectorAll("table")].filter((table) => table.closest("[data-take]") === place).map(parts);
  const file = new Blob([formats[button.dataset.format](tables, place.dataset.take)], { type: "text/plain;charset=utf-8" });
  download(file, `${slug(place.dataset.take) || "table"}.${button.dataset.format}`);
}
document.addEventListener("click", takeAway);
