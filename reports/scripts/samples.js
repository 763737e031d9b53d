// Sample grids: one slider over snapshots, and one seed, for every comparison of the page.
const shown = { step: undefined, seed: undefined }; // no step: the end, also when there are new snapshots
const strips = new Map(); // by comparison: what brings its pictures in line with `shown`
const everywhere = () => strips.forEach((show) => show());

// Moves the slider of one comparison from snapshot to snapshot, and all pictures with it.
const player = {
  id: undefined, // of the comparison whose button was pressed
  timer: undefined,
  stop() {
    clearInterval(this.timer);
    this.id = undefined;
    everywhere();
  },
  start(id, next, count) {
    this.stop();
    this.id = id;
    // Slow enough to be followed where a reader wants little motion; else the whole takes a few seconds.
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.timer = setInterval(() => next() || this.stop(), calm ? 1500 : Math.min(Math.max(6000 / count, 120), 700));
    everywhere();
  },
};

function samples(section, comparison) {
  const strip = section.querySelector(".strip");
  if (!strip) return undefined;
  const slider = strip.querySelector(".moment");
  const seed = strip.querySelector(".seed");
  const play = strip.querySelector(".play");
  const output = strip.querySelector("output");
  const show = () => {
    slider.closest("label").hidden = comparison.steps.length < 2;
    slider.max = comparison.steps.length - 1;
    slider.value = shown.step === undefined ? slider.max : comparison.steps.findLastIndex((step) => step <= shown.step);
    if ([...seed.options].some((option) => option.value === shown.seed)) seed.value = shown.seed;
    const step = comparison.steps[slider.value];
    const playing = player.id === section.id;
    if (play) {
      play.textContent = playing ? "Pause" : "Play";
      play.classList.toggle("playing", playing);
    }
    output.setAttribute("aria-live", playing ? "off" : "polite");
    output.textContent = `step ${count(step)}`;
    slider.setAttribute("aria-valuetext", `step ${step}`);
    strip.querySelector(".seed-shown").textContent = seed.value;
    for (const tile of strip.querySelectorAll("[data-cell]")) {
      const run = data.runs[data.cells[tile.dataset.cell].runs[seed.value]];
      const [moment, name] = (run && upTo(run.pictures, step)) || [0, ""];
      const frame = tile.querySelector(".frame");
      const picture = tile.querySelector(".picture");
      if (picture.dataset.name !== name) {
        // The old picture stays underneath until the new one is decoded, so that nothing flickers; points are no cover.
        const under = tile.classList.contains("points") ? "" : picture.dataset.name;
        frame.className = `frame ${name ? under || "" : "none"}`;
        picture.className = `picture ${name}`;
        picture.dataset.name = name;
      }
      tile.querySelector(".at").textContent = caption(run, moment, step);
    }
  };
  const caption = (run, moment, step) => {
    if (!run) return "not started";
    if (!moment) return run.pictures.length ? "not in the page" : "no picture yet";
    const [steps, values] = run.curves[comparison.score] || [[], []];
    const value = values[steps.indexOf(moment)];
    const end = moment < step && run.status !== "finished" ? `${run.status}, ` : "";
    return `${end}step ${count(moment)}${value === undefined ? "" : ` · ${comparison.score} ${number(value)}`}`;
  };
  const move = (index) => {
    shown.step = index >= comparison.steps.length - 1 ? undefined : comparison.steps[Math.max(index, 0)];
    everywhere();
  };
  slider.addEventListener("input", () => {
    if (player.id) player.stop();
    move(Number(slider.value));
  });
  seed.addEventListener("change", () => {
    shown.seed = seed.value;
    everywhere();
  });
  play?.addEventListener("click", () => {
    if (player.id === section.id) return player.stop();
    if (shown.step === undefined) move(0);
    const next = () => {
      move(Number(slider.value) + 1);
      return shown.step !== undefined;
    };
    player.start(section.id, next, comparison.steps.length);
  });
  strip.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || event.target.matches("input, select") || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    if (player.id) player.stop();
    move(Number(slider.value) + by);
  });
  strip.querySelector(".controls").hidden = false;
  strips.set(section.id, show);
  show();
  return show;
}
