// Sample grids as a file: the pictures that stand together, as they are shown now, pixel for pixel enlarged, with their captions.
const SHEET = { width: 1600, tile: 300, gap: 24, line: 22 }; // pixels
const fonts = (size, weight = 400) => `${weight} ${size}px ${getComputedStyle(document.querySelector("figcaption")).fontFamily}`;

// Words in lines of at most so many pixels.
function wrapped(pen, words, width) {
  const lines = [""];
  for (const word of words.split(/\s+/).filter(Boolean)) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (lines.at(-1) && pen.measureText(longer).width > width) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines;
}

// What an element shows: its picture's first w x h pixels; of a picture of points, which is a mask, in the element's colour.
async function drawn(element, w, h) {
  const look = getComputedStyle(element), points = look.maskImage !== "none" && look.maskImage !== "";
  const address = /url\("(.*)"\)/.exec(points ? look.maskImage : look.backgroundImage)?.[1];
  if (!address) return undefined;
  const picture = new Image();
  picture.src = address;
  await picture.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: w, height: h }), pen = canvas.getContext("2d");
  pen.drawImage(picture, 0, 0);
  if (points) {
    pen.globalCompositeOperation = "source-in";
    pen.fillStyle = look.backgroundColor;
    pen.fillRect(0, 0, w, h);
  }
  return canvas;
}

async function saveSheet(sheet) {
  const { colorScheme } = document.documentElement.style;
  document.documentElement.style.colorScheme = "light"; // on white, whatever the page's theme is
  const tiles = await Promise.all([...sheet.querySelectorAll(":is(.tiles, .hung) > .tile")].map(async (tile) => {
    const frame = tile.querySelector(".frame"), own = getComputedStyle(frame);
    const [w, h] = ["--w", "--h"].map((name) => Number(own.getPropertyValue(name)));
    const parts = [...frame.querySelectorAll(".under, .picture")].map((part) => drawn(part, w, h));
    const words = (selector) => tile.querySelector(`figcaption ${selector}`)?.textContent.trim() || "";
    const rows = [...tile.querySelectorAll(".rows li")].map((row) => row.textContent.trim());
    return { w, h, rows, pictures: (await Promise.all(parts)).filter(Boolean), name: words("b"), about: words("small") };
  })).finally(() => { document.documentElement.style.colorScheme = colorScheme; });
  const zoom = Math.max(1, Math.round(SHEET.tile / Math.max(...tiles.map(({ w }) => w))));
  const pen = document.createElement("canvas").getContext("2d");
  for (const tile of tiles) {
    pen.font = fonts(16, 600);
    const names = wrapped(pen, tile.name, tile.w * zoom);
    pen.font = fonts(14);
    tile.left = Math.max(0, ...tile.rows.map((row) => pen.measureText(row).width + 8)); // room for the rows' names
    tile.lines = [...names.map((line) => [line, fonts(16, 600), "#1c1b19"]), ...wrapped(pen, tile.about, tile.w * zoom).map((line) => [line, fonts(14), "#5f5b54"])];
  }
  const widest = Math.max(...tiles.map(({ w, left }) => w * zoom + left));
  const columns = Math.max(1, Math.floor((SHEET.width - SHEET.gap) / (widest + SHEET.gap)));
  // Each row is as high as its highest picture with its caption.
  let y = 70, right = 0;
  for (let i = 0; i < tiles.length; i += columns) {
    const row = tiles.slice(i, i + columns);
    let x = SHEET.gap;
    for (const tile of row) {
      x += tile.left;
      Object.assign(tile, { x, y });
      x += tile.w * zoom + SHEET.gap;
    }
    right = Math.max(right, x);
    y += Math.max(...row.map((tile) => tile.h * zoom + SHEET.line * tile.lines.length)) + SHEET.gap;
  }
  pen.font = fonts(20, 600);
  const seed = sheet.querySelector(".seed")?.value;
  const title = sheet.dataset.sheet + (seed === undefined ? "" : `, seed ${seed}`);
  const canvas = Object.assign(pen.canvas, { width: Math.ceil(Math.max(right, pen.measureText(title).width + 2 * SHEET.gap)), height: Math.ceil(y) });
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingEnabled = false;
  const write = (words, font, colour, x, base) => {
    Object.assign(pen, { font, fillStyle: colour });
    pen.fillText(words, x, base);
  };
  write(title, fonts(20, 600), "#1c1b19", SHEET.gap, 42);
  for (const { x, y: top, w, h, left, rows, pictures, lines } of tiles) {
    rows.forEach((row, i) => write(row, fonts(14), "#5f5b54", x - left, top + ((i + 0.5) * h * zoom) / rows.length + 5));
    pictures.forEach((picture) => pen.drawImage(picture, x, top, w * zoom, h * zoom));
    pen.strokeStyle = "#ddd8ce";
    pen.strokeRect(x - 0.5, top - 0.5, w * zoom + 1, h * zoom + 1);
    lines.forEach(([words, font, colour], i) => write(words, font, colour, x, top + h * zoom + SHEET.line * (i + 1)));
  }
  canvas.toBlob((file) => download(file, `${figureName(sheet.dataset.sheet, "samples")}.png`));
}
document.addEventListener("click", ({ target }) => {
  const sheet = target.closest?.("button.save-sheet")?.closest("[data-sheet]");
  if (sheet) saveSheet(sheet);
});
