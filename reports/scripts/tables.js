// Tables: what stands in each column, and sorting by it.

// Each row's cells by column: a cell that spans several rows or columns stands in all of them.
function spread(rows) {
  const places = rows.map(() => []);
  rows.forEach((row, y) => [...row.cells].forEach((cell) => {
    let x = 0;
    while (places[y][x]) x++;
    for (let dy = 0; dy < cell.rowSpan && y + dy < rows.length; dy++) {
      for (let dx = 0; dx < cell.colSpan; dx++) places[y + dy][x + dx] = cell;
    }
  }));
  return places;
}

// Below 0 where a comes first; a cell without a value comes last either way.
function compareCells(a, b, direction) {
  const [one, two] = [a, b].map((cell) => cell?.dataset.value ?? "");
  if (one === "" || two === "") return (one === "") - (two === "");
  const numbers = [one, two].map(Number);
  const order = numbers.some(Number.isNaN) ? one.localeCompare(two, undefined, { numeric: true }) : numbers[0] - numbers[1];
  return direction * order;
}

function sorting(section) {
  const tables = [...section.querySelectorAll("table[data-sortable]")].map((table) => {
    let chosen, direction; // a column's number, and 1 or -1; none in the grid's own order
    const heads = () => spread([...table.tHead.rows]).pop();
    const show = () => {
      heads().forEach((head, column) => {
        if (column === chosen) head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
        else head.removeAttribute("aria-sort");
      });
      const rows = [...table.tBodies[0].rows];
      const cell = (row) => row.cells[chosen];
      const sorted = rows.toSorted((a, b) =>
        (chosen !== undefined && compareCells(cell(a), cell(b), direction)) || a.dataset.row - b.dataset.row);
      if (rows.every((row, i) => row === sorted[i])) return;
      // Each into the place of another, so that the spaces between them stay where a page that is watched expects them.
      const places = rows.map((row) => {
        const place = document.createComment("");
        row.replaceWith(place);
        return place;
      });
      places.forEach((place, i) => place.replaceWith(sorted[i]));
    };
    table.tHead.addEventListener("click", ({ target }) => {
      const head = target.closest(".sort")?.closest("th");
      if (!head) return;
      const column = heads().indexOf(head);
      // Up, down, and back to the grid's order.
      if (column !== chosen) [chosen, direction] = [column, 1];
      else if (direction > 0) direction = -1;
      else chosen = undefined;
      show();
    });
    return show;
  });
  return () => tables.forEach((show) => show());
}
