// What every part of the page uses. All files of this folder run in one function, in the order that page.py names.
const data = JSON.parse(document.getElementById("data").textContent);
// The palette of the theme that is shown, or of the light one. A custom property holds its text, light-dark() and all; only a used
// value is resolved.
const palettes = new Map();
function colours(light = false) {
  if (!palettes.has(light)) {
    const probe = document.body.appendChild(document.createElement("span"));
    probe.style.forcedColorAdjust = "none"; // else all colours are one where the system chooses them
    if (light) probe.style.colorScheme = "light";
    const names = ["ink", "soft", "line", "paper", ...Array.from({ length: 8 }, (_, i) => `c${i}`)];
    palettes.set(light, Object.fromEntries(names.map((name) => {
      probe.style.color = `var(--${name})`;
      return [name, getComputedStyle(probe).color];
    })));
    probe.remove();
  }
  return palettes.get(light);
}
const sans = (section) => getComputedStyle(section.querySelector("h3")).fontFamily;
const count = (n) => Math.round(n).toString().replace(/\B(?=(\d{3})+$)/g, "\u202f");
const number = (x) => (x === undefined ? "–" : Number(x.toPrecision(3)).toString().replace("-", "−"));

// A file's name of what users and we call its content, and the file as if it had been downloaded.
const slug = (words) => words.normalize("NFKD").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 60);
const figureName = (...names) => [document.querySelector("h1").textContent, ...names].map(slug).filter(Boolean).join("_");
function download(file, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// The last entry of [[step, ...], ...] that is not after the step.
const upTo = (entries, step) => entries.filter((entry) => entry[0] <= step).pop();

// Plotly, whose script takes longer to run than all else here: it is text until the first chart is drawn. What is put into the
// page as a script runs at once; its hash is among those that the page's policy names.
function charting() {
  if (!window.Plotly) {
    const script = document.createElement("script");
    script.textContent = document.getElementById("plotly").textContent;
    document.head.append(script);
  }
  return window.Plotly;
}

// Plotly reads names as a small markup of its own, and as formulas between dollars; what users wrote is shown as it is.
const text = (label) => label.replace(/[&<>$]/g, (sign) => `&#${sign.codePointAt()};`);
