// A line chart on a canvas, drawn by hand: axes with names, ticks, a legend with dashes, marks, and the values under the
// pointer. It takes the size that CSS gives the canvas, and draws itself again when that, or the theme, changes.
//
// lineChart(canvas, {
//   series: [{name: "training", colour: "--blue", dashed: false, points: [[x, y], …]}, …],   // sorted by x
//   x: "epoch", y: "loss",
//   logY: true,                       // optional: a logarithmic y axis; what is not positive is left out
//   marks: [{x: 3, text: "best"}],    // optional: upright lines with a word
//   low: 0, high: 1,                  // optional: what the y axis shows at least
//   format: (y) => "…",               // optional: how a value of y is written
// })
// Values that are not finite leave a gap. Without any points there are just the axes.

import {colour, sharp, whenThemeChanges} from "./dom.js";

const FONT = "12px system-ui, 'Segoe UI', Roboto, Arial, sans-serif", LINE = 16;
const LEFT = 46, RIGHT = 14, BOTTOM = 36, DASH = [6, 4];
const charts = new WeakMap();                        // canvas -> {spec, pointer}

export function lineChart(canvas, spec) {
  let chart = charts.get(canvas);
  if (!chart) {
    chart = {spec, pointer: null};
    charts.set(canvas, chart);
    const again = () => draw(canvas, chart);
    new ResizeObserver(again).observe(canvas);
    whenThemeChanges(again);
    canvas.addEventListener("pointermove", (event) => { chart.pointer = event.offsetX; again(); });
    canvas.addEventListener("pointerleave", () => { chart.pointer = null; again(); });
    canvas.setAttribute("role", "img");
  }
  chart.spec = spec;
  canvas.setAttribute("aria-label", described(spec));
  draw(canvas, chart);
}

function described({series, x, y, format = short}) {
  const last = series.filter((one) => one.points.length).map((one) => `${one.name} ${format(one.points.at(-1)[1])}`);
  return `Chart of ${y} by ${x}. ${last.length ? `Last values: ${last.join(", ")}.` : "No values yet."}`;
}

function draw(canvas, {spec, pointer}) {
  const width = canvas.clientWidth, height = canvas.clientHeight;
  if (!width || !height) return;
  const {series, marks = [], logY = false, format = short} = spec;
  const context = sharp(canvas, width, height);
  context.clearRect(0, 0, width, height);
  context.font = FONT;
  context.textBaseline = "middle";
  const drawn = series.map((one) => ({...one, points: one.points.map(([x, y]) => [x, usable(y, logY) ? y : NaN])}));

  const top = legend(context, width, drawn, spec.y);
  const plot = {left: LEFT, right: width - RIGHT, top, bottom: height - BOTTOM};
  const xs = drawn.flatMap((one) => one.points.length ? [one.points[0][0], one.points.at(-1)[0]] : []);
  const across = linear(xs.length ? Math.min(...xs) : 0, xs.length ? Math.max(...xs) : 1, (plot.right - plot.left) / 70, false);
  const up = logY ? logarithmic(drawn, spec) : upright(drawn, spec, (plot.bottom - plot.top) / 34);
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
    context.fillText(short(tick), px(tick), plot.bottom + 12);
  }
  context.fillText(spec.x, (plot.left + plot.right) / 2, height - 8);
  context.strokeStyle = colour("--quiet");
  line(context, [[plot.left, plot.top], [plot.left, plot.bottom], [plot.right, plot.bottom]]);

  for (const mark of marks) {
    const x = px(mark.x), room = context.measureText(mark.text).width + 6;
    context.setLineDash([2, 3]);
    line(context, [[crisp(x), plot.top], [crisp(x), plot.bottom]]);
    context.setLineDash([]);
    context.textAlign = x + room > plot.right ? "right" : "left";
    context.fillText(mark.text, x + (x + room > plot.right ? -4 : 4), plot.top + 7);
  }
  context.lineJoin = "round";
  context.lineWidth = 2;
  for (const one of drawn) {
    context.strokeStyle = context.fillStyle = colour(one.colour);
    context.setLineDash(one.dashed ? DASH : []);
    line(context, one.points.map(([x, y]) => [px(x), py(y)]));
    context.setLineDash([]);
    if (one.points.length === 1) dot(context, px(one.points[0][0]), py(one.points[0][1]));
  }
  if (pointer !== null && pointer >= plot.left && pointer <= plot.right) under(context, drawn, plot, pointer, {across, px, py, format, spec});
}

const usable = (y, logY) => Number.isFinite(y) && (!logY || y > 0);
const crisp = (value) => Math.round(value) + 0.5;

function line(context, points) {                     // values that are not finite leave a gap
  let pen = false;
  context.beginPath();
  for (const [x, y] of points) {
    const fine = Number.isFinite(y);
    if (fine) { if (pen) context.lineTo(x, y); else context.moveTo(x, y); }
    pen = fine;
  }
  context.stroke();
}

function dot(context, x, y) {
  if (!Number.isFinite(y)) return;
  context.beginPath();
  context.arc(x, y, 3.5, 0, 7);
  context.fill();
}

// The name of the y axis and the series' names, in as many lines as they take; returns where the plot may begin.
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

// A vertical line at the pointer, and each series' value at the point nearest to it.
function under(context, series, plot, pointer, {across, px, py, format, spec}) {
  const wanted = across.low + (across.high - across.low) * (pointer - plot.left) / (plot.right - plot.left);
  const found = series.filter((one) => one.points.length).map((one) => [one, nearest(one.points, wanted)]);
  if (!found.length) return;
  const at = found[0][1][0], texts = [`${spec.x} ${short(at)}`, ...found.map(([one, [, y]]) => `${one.name} ${format(y)}`)];
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

function nearest(points, wanted) {
  let low = 0, high = points.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (points[middle][0] < wanted) low = middle; else high = middle;
  }
  return wanted - points[low][0] < points[high][0] - wanted ? points[low] : points[high];
}

function range(series, spec) {
  let low = Infinity, high = -Infinity;
  for (const one of series) for (const [, y] of one.points) if (Number.isFinite(y)) { low = Math.min(low, y); high = Math.max(high, y); }
  return [Math.min(low, spec.low ?? Infinity), Math.max(high, spec.high ?? -Infinity)];
}

function upright(series, spec, most) {
  let [low, high] = range(series, spec);
  if (low > high || !Number.isFinite(low + high)) [low, high] = [spec.low ?? 0, Math.max(spec.high ?? 1, (spec.low ?? 0) + 1)];
  if (low > 0 && low < 0.5 * high && spec.low === undefined) low = 0;   // near enough: the zero is worth seeing
  return {...linear(low, high, most, true), scale: (y) => y};
}

// From low to high in steps of 1, 2 or 5 times a power of ten; ``whole``: the axis begins and ends at a tick.
function linear(low, high, most, whole) {
  if (!(high > low)) [low, high] = low ? [low - Math.abs(low) / 2, low + Math.abs(low) / 2] : [0, 1];
  const rough = (high - low) / Math.max(2, most), power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((one) => one * power >= rough * 0.999) * power;
  const first = whole ? Math.floor(low / step + 1e-9) : Math.ceil(low / step - 1e-9);
  const last = whole ? Math.ceil(high / step - 1e-9) : Math.floor(high / step + 1e-9);
  const ticks = [];
  for (let i = first; i <= last; i++) ticks.push(Number((i * step).toPrecision(12)));
  return {low: whole ? first * step : low, high: whole ? last * step : high, ticks};
}

function logarithmic(series, spec) {
  let [low, high] = range(series, spec);
  if (!(low <= high) || !(low > 0)) [low, high] = [0.01, 1];
  let first = Math.floor(Math.log10(low) + 1e-9), last = Math.ceil(Math.log10(high) - 1e-9);
  if (first === last) last += 1;
  const ticks = [];
  for (let i = first; i <= last; i++) for (const part of last - first > 2 ? [1] : [1, 2, 5]) if (part === 1 || i < last) ticks.push(part * 10 ** i);
  return {low: 10 ** first, high: 10 ** last, ticks, scale: Math.log10};
}

// A number in as few signs as say it.
function short(value) {
  if (!Number.isFinite(value)) return "not finite";
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e6)) return value.toExponential(Number(value.toPrecision(2)) === Number(value.toPrecision(1)) ? 0 : 1).replace("e+", "e");
  return String(Number(value.toPrecision(size >= 1000 ? 6 : 3)));
}
