// On paper all charts are drawn, in light colours and at a width that fits two beside each other on A4 and on US letter.
const onPaper = {}; // by comparison: what draws its charts
const WIDTH = 640; // CSS pixels of a printed page's column, that wide tables are made to fit
const smaller = () => (matchMedia("print").matches ? 1 : 0.8); // the print style's text to the text that is measured
const tables = () => document.querySelectorAll(".scroll > table");
let paper; // how charts look there; undefined on the screen
let opened = [];
addEventListener("beforeprint", () => {
  paper = { light: true, size: { width: 325, height: 215 } };
  // The findings of all metrics are part of the answer; other parts are printed as they stand, open or closed.
  opened = [...document.querySelectorAll("details.findings:not([open])")];
  for (const part of opened) part.open = true;
  for (const table of tables()) {
    table.style.width = "min-content";
    table.style.zoom = Math.min(1, WIDTH / (smaller() * table.offsetWidth));
    table.style.width = "";
  }
  Object.values(onPaper).forEach((draw) => draw());
});
addEventListener("afterprint", () => {
  paper = undefined;
  for (const part of opened) part.open = false;
  for (const table of tables()) table.style.zoom = "";
  refresh();
});
