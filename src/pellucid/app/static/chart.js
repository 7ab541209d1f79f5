// A line chart on a canvas: axes with names, ticks, a legend, marks, and the values at the pointer. The chart has the size that CSS
// gives the canvas, and is drawn again when the size or the theme changes.
//
// lineChart(canvas, {
//   series: [{name: "training", colour: "--blue", dashed: false, points: [[x, y], …]}, …],   // sorted by x
//   x: "epoch", y: "loss",
//   logY: true,                       // optional: a logarithmic y axis; values that are not positive leave a gap
//   marks: [{x: 3, text: "best"}],    // optional: vertical lines with a label
//   notes: [{x, number, text, onClick}],   // optional: vertical lines with a numbered button (chart-notes.js); [] leaves room for them
//   low: 0, high: 1,                  // optional: values that the y axis always covers
//   format: (y) => "…",               // optional: formats a value of y
// })
// Values that are not finite leave a gap. A chart without points shows only the axes.

import {NOTES_ROOM, placeNotes} from "./chart-notes.js";
import {colour, fitToScreen, onThemeChange} from "./dom.js";

const FONT = "12px system-ui, 'Segoe UI', Roboto, Arial, sans-serif", LINE = 16;
const LEFT = 46, RIGHT = 14, BOTTOM = 36, DASH = [6, 4];
const charts = new WeakMap();                        // canvas -> {spec, pointer}

export function lineChart(canvas, spec) {
  let chart = charts.get(canvas);
  if (!chart) {
    chart = {spec, pointer: null};
    charts.set(canvas, chart);
    const redraw = () => draw(canvas, chart);
    new ResizeObserver(redraw).observe(canvas);
    onThemeChange(redraw);
    canvas.addEventListener("pointermove", (event) => { chart.pointer = event.offsetX; redraw(); });
    canvas.addEventListener("pointerleave", () => { chart.pointer = null; redraw(); });
    canvas.setAttribute("role", "img");
  }
  chart.spec = spec;
  canvas.setAttribute("aria-label", description(spec));
  draw(canvas, chart);
}

function description({series, x, y, format = shortNumber}) {
  const last = series.filter((one) => one.points.length).map((one) => `${one.name} ${format(one.points.at(-1)[1])}`);
  return `Chart of ${y} by ${x}. ${last.length ? `Last values: ${last.join(", ")}.` : "No values yet."}`;
}

function draw(canvas, {spec, pointer}) {
  const width = canvas.clientWidth, height = canvas.clientHeight;
  if (!width || !height) return;
  const {series, marks = [], notes, logY = false, format = shortNumber} = spec;
  const context = fitToScreen(canvas, width, height);
  context.clearRect(0, 0, width, height);
  context.font = FONT;
  context.textBaseline = "middle";
  const plotted = series.map((one) => ({...one, points: one.points.map(([x, y]) => [x, isDrawable(y, logY) ? y : NaN])}));

  const below = legend(context, width, plotted, spec.y);
  const plot = {left: LEFT, right: width - RIGHT, top: below + (notes ? NOTES_ROOM : 0), bottom: height - BOTTOM};
  const xs = plotted.flatMap((one) => one.points.length ? [one.points[0][0], one.points.at(-1)[0]] : []);
  const across = ticksBetween(xs.length ? Math.min(...xs) : 0, xs.length ? Math.max(...xs) : 1, (plot.right - plot.left) / 70, false);
  const up = logY ? logarithmicAxis(plotted, spec) : linearAxis(plotted, spec, (plot.bottom - plot.top) / 34);
  const px = (x) => plot.left + (plot.right - plot.left) * (x - across.low) / (across.high - across.low);
  const py = (y) => plot.bottom - (plot.bottom - plot.top) * (up.scale(y) - up.scale(up.low)) / (up.scale(up.high) - up.scale(up.low));

  context.lineWidth = 1;
  context.strokeStyle = colour("--line");
  context.fillStyle = colour("--quiet");
  context.textAlign = "right";
  for (const tick of up.ticks) {
    line(context, [[plot.left, crisp(py(tick))], [plot.right, crisp(py(tick))]]);
    context.fillText(format(tick), plot.left - 6, py(tick));
  }
  context.textAlign = "center";
  for (const tick of across.ticks) {
    line(context, [[crisp(px(tick)), plot.bottom], [crisp(px(tick)), plot.bottom + 4]]);
    context.fillText(shortNumber(tick), px(tick), plot.bottom + 12);
  }
  context.fillText(spec.x, (plot.left + plot.right) / 2, height - 8);
  context.strokeStyle = colour("--quiet");
  line(context, [[plot.left, plot.top], [plot.left, plot.bottom], [plot.right, plot.bottom]]);

  const inside = (x) => Math.min(Math.max(px(x), plot.left), plot.right);
  for (const mark of marks) {
    const x = inside(mark.x), room = context.measureText(mark.text).width + 6;
    context.setLineDash([2, 3]);
    line(context, [[crisp(x), plot.top], [crisp(x), plot.bottom]]);
    context.setLineDash([]);
    context.textAlign = x + room > plot.right ? "right" : "left";
    context.fillText(mark.text, x + (x + room > plot.right ? -4 : 4), plot.top + 7);
  }
  if (notes) {
    context.setLineDash([2, 3]);
    for (const x of new Set(notes.map((note) => crisp(inside(note.x))))) line(context, [[x, plot.top - 10], [x, plot.bottom]]);
    context.setLineDash([]);
    placeNotes(canvas, notes, inside, below);
  }
  context.lineJoin = "round";
  context.lineWidth = 2;
  for (const one of plotted) {
    context.strokeStyle = context.fillStyle = colour(one.colour);
    context.setLineDash(one.dashed ? DASH : []);
    line(context, one.points.map(([x, y]) => [px(x), py(y)]));
    context.setLineDash([]);
    if (one.points.length === 1) dot(context, px(one.points[0][0]), py(one.points[0][1]));
  }
  if (pointer !== null && pointer >= plot.left && pointer <= plot.right) readout(context, plotted, plot, pointer, {across, px, py, format, spec});
}

const isDrawable = (y, logY) => Number.isFinite(y) && (!logY || y > 0);
const crisp = (value) => Math.round(value) + 0.5;

function line(context, points) {                     // values that are not finite leave a gap
  let pen = false;
  context.beginPath();
  for (const [x, y] of points) {
    const finite = Number.isFinite(y);
    if (finite) { if (pen) context.lineTo(x, y); else context.moveTo(x, y); }
    pen = finite;
  }
  context.stroke();
}

function dot(context, x, y) {
  if (!Number.isFinite(y)) return;
  context.beginPath();
  context.arc(x, y, 3.5, 0, 7);
  context.fill();
}

// Draws the name of the y axis and the names of the series, in as many lines as necessary. Returns the top of the plot.
function legend(context, width, series, name) {
  context.textAlign = "left";
  context.fillStyle = colour("--ink");
  context.fillText(name, 4, LINE / 2 + 2);
  const start = Math.max(LEFT, context.measureText(name).width + 18);
  let x = start, y = LINE / 2 + 2;
  for (const one of series) {
    const room = 26 + context.measureText(one.name).width + 14;
    if (x + room > width && x > start) { x = start; y += LINE; }
    context.strokeStyle = colour(one.colour);
    context.lineWidth = 2;
    context.setLineDash(one.dashed ? DASH : []);
    line(context, [[x, y], [x + 22, y]]);
    context.setLineDash([]);
    context.fillText(one.name, x + 27, y);
    x += room;
  }
  return y + LINE / 2 + 8;
}

// A vertical line at the pointer, and the value of each series at the nearest point.
function readout(context, series, plot, pointer, {across, px, py, format, spec}) {
  const target = across.low + (across.high - across.low) * (pointer - plot.left) / (plot.right - plot.left);
  const found = series.filter((one) => one.points.length).map((one) => [one, nearest(one.points, target)]);
  if (!found.length) return;
  const at = found[0][1][0], texts = [`${spec.x} ${shortNumber(at)}`, ...found.map(([one, [, y]]) => `${one.name} ${format(y)}`)];
  context.lineWidth = 1;
  context.strokeStyle = colour("--quiet");
  line(context, [[crisp(px(at)), plot.top], [crisp(px(at)), plot.bottom]]);
  for (const [one, [x, y]] of found) { context.fillStyle = colour(one.colour); dot(context, px(x), py(y)); }
  const room = Math.max(...texts.map((text) => context.measureText(text).width)) + 14;
  const x = px(at) + room + 8 > plot.right ? px(at) - room - 8 : px(at) + 8;
  context.fillStyle = colour("--paper");
  context.fillRect(x, plot.top + 2, room, texts.length * LINE + 6);
  context.strokeRect(crisp(x), crisp(plot.top + 2), Math.round(room), texts.length * LINE + 6);
  context.textAlign = "left";
  context.fillStyle = colour("--ink");
  texts.forEach((text, i) => context.fillText(text, x + 7, plot.top + 5 + LINE * (i + 0.5)));
}

function nearest(points, target) {
  let low = 0, high = points.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (points[middle][0] < target) low = middle; else high = middle;
  }
  return target - points[low][0] < points[high][0] - target ? points[low] : points[high];
}

function range(series, spec) {
  let low = Infinity, high = -Infinity;
  for (const one of series) for (const [, y] of one.points) if (Number.isFinite(y)) { low = Math.min(low, y); high = Math.max(high, y); }
  return [Math.min(low, spec.low ?? Infinity), Math.max(high, spec.high ?? -Infinity)];
}

function linearAxis(series, spec, maxTicks) {
  let [low, high] = range(series, spec);
  if (low > high || !Number.isFinite(low + high)) [low, high] = [spec.low ?? 0, Math.max(spec.high ?? 1, (spec.low ?? 0) + 1)];
  if (low > 0 && low < 0.5 * high && spec.low === undefined) low = 0;   // zero is near: show it
  return {...ticksBetween(low, high, maxTicks, true), scale: (y) => y};
}

// Ticks from low to high in steps of 1, 2 or 5 times a power of ten. With `whole`, the axis begins and ends at a tick.
function ticksBetween(low, high, maxTicks, whole) {
  if (!(high > low)) [low, high] = low ? [low - Math.abs(low) / 2, low + Math.abs(low) / 2] : [0, 1];
  const rough = (high - low) / Math.max(2, maxTicks), power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((one) => one * power >= rough * 0.999) * power;
  const first = whole ? Math.floor(low / step + 1e-9) : Math.ceil(low / step - 1e-9);
  const last = whole ? Math.ceil(high / step - 1e-9) : Math.floor(high / step + 1e-9);
  const ticks = [];
  for (let i = first; i <= last; i++) ticks.push(Number((i * step).toPrecision(12)));
  return {low: whole ? first * step : low, high: whole ? last * step : high, ticks};
}

function logarithmicAxis(series, spec) {
  let [low, high] = range(series, spec);
  if (!(low <= high) || !(low > 0)) [low, high] = [0.01, 1];
  let first = Math.floor(Math.log10(low) + 1e-9), last = Math.ceil(Math.log10(high) - 1e-9);
  if (first === last) last += 1;
  const ticks = [];
  for (let i = first; i <= last; i++) for (const part of last - first > 2 ? [1] : [1, 2, 5]) if (part === 1 || i < last) ticks.push(part * 10 ** i);
  return {low: 10 ** first, high: 10 ** last, ticks, scale: Math.log10};
}

// A value with as few characters as possible.
function shortNumber(value) {
  if (!Number.isFinite(value)) return "not finite";
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e5)) return value.toExponential(Number(value.toPrecision(2)) === Number(value.toPrecision(1)) ? 0 : 1).replace("e+", "e");
  return String(Number(value.toPrecision(size >= 1000 ? 6 : 3)));
}
