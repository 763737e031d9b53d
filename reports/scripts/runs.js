// The search in the list of runs, and links into it.
function search() {
  const box = document.getElementById("search");
  const find = () => {
    const runs = [...document.querySelectorAll("details.run")];
    const words = box.querySelector("input").value.toLowerCase().split(/\s+/);
    const found = runs.filter((run) => {
      run.hidden = !words.every((word) => run.dataset.search.includes(word));
      return !run.hidden;
    });
    box.querySelector("output").textContent = `${found.length} of ${runs.length}`;
  };
  box.addEventListener("input", find);
  box.hidden = document.querySelectorAll("details.run").length < 2;
  find();
  return find;
}

function openTarget() {
  const target = document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) target.open = true;
}
