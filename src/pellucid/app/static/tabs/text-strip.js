// The text as a strip of cells, with lines from one position to those that it reads. The position can be chosen with the mouse and
// with the arrow keys.

import {colour, element, fitToScreen, onThemeChange, oncePerFrame, percent} from "../dom.js";
import {inWords, sign} from "./text-names.js";

const FONT = "14px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace";
const CELL = 22, ROW = 58, ARC = 32;                  // CSS pixels: the height of a cell, of a row, and of the lines above the cells
const NARROWEST = 13, PADDING = 5;                    // of a cell
const LEAST = 0.02;                                   // weights with a line
const KEYS = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1, Home: -Infinity, End: Infinity, PageUp: -10, PageDown: 10};

// choose(position) is called with the chosen position; null stands for the last one.
export function textStrip(choose) {
  const canvas = element("canvas", {class: "text-strip", role: "slider", tabindex: 0, "aria-label": "Position in the text", "aria-valuemin": 0});
  const reading = element("p", {class: "small numbers text-reading"});
  let tokens = [], weights = null, position = 0, cells = [];

  function layOut(context, width) {
    context.font = FONT;
    let x = 0, y = ARC;
    cells = tokens.map(({name}) => {
      const w = Math.max(NARROWEST, context.measureText(sign(name)).width + PADDING);
      if (x + w > width && x > 0) { x = 0; y += ROW; }
      const cell = {x, y, w};
      x += w;
      return cell;
    });
    return y + CELL + 2;
  }

  const paint = oncePerFrame(() => {
    const width = canvas.clientWidth;
    if (!width) return;
    const height = layOut(canvas.getContext("2d"), width);
    canvas.style.height = `${height}px`;
    const context = fitToScreen(canvas, width, height);
    const ink = colour("--ink"), blue = colour("--blue"), line = colour("--line"), query = cells[position];
    context.clearRect(0, 0, width, height);
    context.font = FONT;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineCap = "round";
    if (!query) return;
    tokens.forEach(({name}, j) => {
      const {x, y, w} = cells[j], weight = weights?.[j] ?? 0;
      context.globalAlpha = weight * 0.75;
      context.fillStyle = blue;
      context.fillRect(x + 0.5, y, w - 1, CELL);
      context.globalAlpha = j > position ? 0.45 : 1;
      context.fillStyle = ink;
      context.fillText(sign(name), x + w / 2, y + CELL / 2 + 1);
      context.globalAlpha = 1;
      context.strokeStyle = line;
      context.lineWidth = 1;
      context.strokeRect(x + 0.5, y + 0.5, w - 1, CELL - 1);
    });
    context.strokeStyle = blue;
    cells.forEach((cell, j) => {
      const weight = weights?.[j] ?? 0;
      if (weight < LEAST) return;
      context.globalAlpha = 0.25 + 0.75 * weight;
      context.lineWidth = 1 + 4 * weight;
      context.beginPath();
      const from = query.x + query.w / 2, to = cell.x + cell.w / 2;
      context.moveTo(from, query.y - 1);
      if (cell.y === query.y) {
        const rise = Math.min(ARC - 4, 6 + Math.abs(to - from) / 6);
        if (j === position) context.arc(from, query.y - 6, 4, Math.PI / 2, 2.5 * Math.PI);   // it reads itself
        else context.bezierCurveTo(from, query.y - 1.3 * rise, to, query.y - 1.3 * rise, to, cell.y - 1);
      } else {
        context.bezierCurveTo(from, query.y - ARC, to, cell.y + CELL + ARC, to, cell.y + CELL + 1);
      }
      context.stroke();
    });
    context.globalAlpha = 1;
    context.lineWidth = 2;
    context.strokeStyle = ink;
    context.strokeRect(query.x + 1, query.y + 1, query.w - 2, CELL - 2);
  });

  function describe() {
    const at = tokens[position];
    canvas.setAttribute("aria-valuemax", Math.max(0, tokens.length - 1));
    canvas.setAttribute("aria-valuenow", position);
    canvas.setAttribute("aria-valuetext", at ? `${inWords(at.name)} at position ${position}` : "no text");
    if (!at || !weights) { reading.textContent = ""; return; }
    const most = [...weights.keys()].sort((a, b) => weights[b] - weights[a]).slice(0, 3).filter((j) => weights[j] >= LEAST);
    const read = most.map((j) => `${percent(weights[j], 0)} from ${j === position ? "itself" : `${inWords(tokens[j].name)} (${position - j} back)`}`);
    const taken = read.join(", ") || `less than ${percent(LEAST, 0)} from each position`;
    reading.textContent = `${inWords(at.name)} at position ${position} takes ${taken}.`;
  }

  const cellAt = (event) => {
    const box = canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    return cells.findIndex((cell) => x >= cell.x && x < cell.x + cell.w && y >= cell.y - 4 && y < cell.y + CELL + 4);
  };
  canvas.addEventListener("click", (event) => {
    const j = cellAt(event);
    if (j >= 0) choose(j === tokens.length - 1 ? null : j);
  });
  canvas.addEventListener("mousemove", (event) => {
    const j = cellAt(event);
    canvas.title = j < 0 || !weights ? "" : `${inWords(tokens[j].name)}: ${percent(weights[j])}`;
  });
  canvas.addEventListener("keydown", (event) => {
    const step = KEYS[event.key];
    if (!step || !tokens.length) return;
    event.preventDefault();
    const next = Math.max(0, Math.min(tokens.length - 1, position + step));
    choose(next === tokens.length - 1 ? null : next);
  });
  new ResizeObserver(paint).observe(canvas);
  onThemeChange(paint);
  describe();
  return {
    canvas, reading,
    // Shows the tokens, and the weights with which the position reads each of them (null: the network has no attention).
    show(newTokens, newPosition, newWeights) {
      tokens = newTokens; position = newPosition; weights = newWeights;
      describe();
      paint();
    },
  };
}
