// The search in the list of runs, and links into it.
function search() {
  const box = document.getElementById("search");
  const input = box.querySelector("input");
  const pressed = () => [...box.querySelectorAll("[data-status][aria-pressed=true]")].map((chip) => chip.dataset.status);
  const find = () => {
    const runs = [...document.querySelectorAll("details.run")];
    const words = input.value.toLowerCase().split(/\s+/);
    const statuses = pressed();
    const found = runs.filter((run) => {
      const own = run.dataset.status.split(" ");
      run.hidden = !(words.every((word) => run.dataset.search.includes(word))
        && (!statuses.length || statuses.some((status) => own.includes(status))));
      return !run.hidden;
    });
    for (const row of document.querySelectorAll("#run-table tbody tr")) {
      row.hidden = document.getElementById(row.dataset.run).hidden;
    }
    for (const cell of document.querySelectorAll(".runs > .cell")) {
      cell.hidden = !cell.querySelector(":scope > .run:not([hidden])");
    }
    box.querySelector("output").textContent = `${found.length} of ${runs.length}`;
  };
  box.addEventListener("input", find);
  box.addEventListener("click", ({ target }) => {
    const chip = target.closest("[data-status]");
    if (!chip) return;
    chip.setAttribute("aria-pressed", chip.getAttribute("aria-pressed") !== "true");
    find();
  });
  box.hidden = document.querySelectorAll("details.run").length < 2;
  find();
  return find;
}

// The runs of one cell of thousands: a page that is watched fetches them when its name is pressed, and lets go of others.
async function openPart({ target }) {
  const button = target.closest?.("button.open-part");
  const place = document.getElementById("part");
  if (!button || !place) return;
  const opens = button.getAttribute("aria-expanded") !== "true";
  document.querySelectorAll("button.open-part").forEach((one) => one.setAttribute("aria-expanded", one === button && opens));
  if (!opens) return place.replaceChildren();
  place.textContent = "…";
  const answer = await fetch(`part/${button.dataset.part}`).catch(() => undefined);
  const text = answer?.ok ? await answer.text() : "";
  if (button.getAttribute("aria-expanded") !== "true") return; // another one was pressed meanwhile
  if (text) place.innerHTML = text;
  else place.textContent = "These runs can’t be had: gan-bench has ended here, or the store is another by now.";
  place.scrollIntoView({ block: "nearest" });
  find();
}
document.addEventListener("click", openPart);

function openTarget() {
  const target = document.getElementById(location.hash.slice(1));
  if (!(target instanceof HTMLDetailsElement)) return;
  target.open = true;
  if (target.closest("[hidden]")) { // the search has left it out
    for (const chip of document.querySelectorAll("#search [data-status]")) chip.setAttribute("aria-pressed", false);
    const input = document.querySelector("#search input");
    input.value = "";
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }
  target.scrollIntoView(); // the browser went there before it was open
  target.querySelector("summary").focus({ preventScroll: true });
}
