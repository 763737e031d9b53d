// Bring the page to life, and switch between light and dark.
const refreshes = {}; // by comparison: what brings its parts in line with the data, the HTML and the theme
function start(id) {
  const section = document.getElementById(id);
  refreshes[id] = [samples, charts, sorting].map((part) => part(section, data.comparisons[id]));
}
Object.keys(data.comparisons).forEach(start);
refreshes.searches = [...document.querySelectorAll("section.tuning")].map(sorting);
refreshes.runs = [sorting(document.getElementById("runs"))];
const find = search();
const refresh = () => {
  palettes.clear();
  Object.values(refreshes).flat().forEach((part) => part?.());
  find();
};
openTarget();
addEventListener("hashchange", openTarget);
const dark = matchMedia("(prefers-color-scheme: dark)");
dark.addEventListener("change", refresh);
const theme = document.getElementById("theme");
theme.hidden = false;
theme.addEventListener("click", () => {
  const root = document.documentElement;
  root.dataset.theme = (root.dataset.theme || (dark.matches ? "dark" : "light")) === "dark" ? "light" : "dark";
  refresh();
});
