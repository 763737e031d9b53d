// Bring the page to life, and switch between light and dark.
const redraws = Object.entries(data.comparisons).map(([id, comparison]) => {
  const section = document.getElementById(id);
  samples(section, comparison);
  return charts(section, comparison);
});
search();
openTarget();
addEventListener("hashchange", openTarget);
const dark = matchMedia("(prefers-color-scheme: dark)");
const restyle = () => redraws.forEach((redraw) => redraw());
dark.addEventListener("change", restyle);
const theme = document.getElementById("theme");
theme.hidden = false;
theme.addEventListener("click", () => {
  const root = document.documentElement;
  root.dataset.theme = (root.dataset.theme || (dark.matches ? "dark" : "light")) === "dark" ? "light" : "dark";
  restyle();
});
