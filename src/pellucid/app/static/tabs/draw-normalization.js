// How the strokes of the pad become the image of 28 × 28 pixels: four steps, one by one or as an animation. The steps are computed
// by the scripts of exported pages, which give the same image as the server.

import {appState} from "../app-state.js";
import {colour, element, fitToScreen, onThemeChange, oncePerFrame, radioGroup} from "../dom.js";
import {predictions} from "../predictions.js";
import {BOX, SIDE, normalized} from "../rendering.js";

const PAD = 1000;                                    // units of the pad
const PER_PIXEL = PAD / SIDE;                        // units of the pad for each pixel of the image
const MOVE = 1200, REST = 1300;                      // milliseconds of a movement from step to step, and of a pause between two
const STEPS = [
  ["0", "1 Pen", "The points that the pen gave: far apart where it was fast, and unsteady as the hand is."],
  ["1", "2 Even", "A smooth curve through them, with points at equal distances."],
  ["2", "3 Scaled", "Scaled into 20 × 20 pixels, as digits of MNIST are, and moved: the centre of mass (+) is in the middle."],
  ["3", "4 Image", "Drawn with a pen of 2.4 pixels: how much of each pixel is covered. The networks see these 784 numbers."],
];

export function normalizationSteps() {
  const canvas = element("canvas", {class: "steps-canvas", role: "img", "aria-label": "The strokes on the way to the image of 28 × 28 pixels"});
  const caption = element("p", {role: "status"});
  const play = element("button", {type: "button", class: "main", onclick: start}, "Play");
  const steps = radioGroup("Step", STEPS.map(([value, name]) => [value, name]), "0", (value) => { stop(); show(Number(value)); });
  const box = element("details", {class: "card steps"}, element("summary", {}, "How the strokes become an image"),
    element("div", {class: "steps-content"}, canvas, element("div", {class: "stack"},
      element("div", {class: "row"}, play, steps), caption)));
  let at = 0, frame = null, timer = null, stages = null;   // at: the step, with a fraction during a movement

  function show(step) {
    at = step;
    steps.check(String(Math.round(step)));
    caption.textContent = stages ? STEPS[Math.round(step)][2] : "Draw a digit first, or choose one under the pad.";
    drawSoon();
  }

  function start() {
    if (frame !== null || timer !== null) { stop(); return; }
    if (!stages) return;
    play.textContent = "Stop";
    show(0);
    timer = setTimeout(() => next(0), REST);
  }

  // Moves to the step after `step`; without movement for those who do not want any.
  function next(step) {
    timer = null;
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) { arrive(step + 1); return; }
    const begin = performance.now();
    const move = (now) => {
      const part = Math.min(1, (now - begin) / MOVE);
      if (part === 1) { frame = null; arrive(step + 1); return; }
      show(step + part * part * (3 - 2 * part));
      frame = requestAnimationFrame(move);
    };
    frame = requestAnimationFrame(move);
  }

  function arrive(step) {
    show(step);
    if (step < STEPS.length - 1) timer = setTimeout(() => next(step), REST); else stop();
  }

  function stop() {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    frame = timer = null;
    play.textContent = "Play";
  }

  function changed() {
    stop();
    stages = appState.strokes.length ? stagesOf(appState.strokes) : null;
    play.disabled = !stages;
    if (box.open) show(at === Math.round(at) ? at : 0);
  }

  const drawSoon = oncePerFrame(() => { if (box.open) paint(canvas, stages, at); });
  box.addEventListener("toggle", () => { if (box.open) changed(); else stop(); });
  predictions.addEventListener("change", () => { if (box.open) changed(); });
  new ResizeObserver(drawSoon).observe(canvas);
  onThemeChange(drawSoon);
  show(0);
  play.disabled = true;
  return {box, stop};
}

// The points of each step in units of the pad: of the pen, at the same fractions of its length as the even ones, the even ones, and
// these placed in the image.
function stagesOf(strokes) {
  const {strokes: even, fitted, shift} = normalized(strokes);
  const name = appState.normalization, move = name === "mass" ? shift : [0, 0];
  const placed = name === "none" ? even : fitted.map((stroke) => stroke.map((point) => point.map((value, axis) => (value + move[axis] + 0.5) * PER_PIXEL)));
  return {pen: strokes, along: even.map((stroke, i) => along(strokes[i], stroke.length)), even, placed, image: predictions.image};
}

// `count` points at equal distances along a stroke.
function along(stroke, count) {
  const lengths = [0];
  for (let i = 1; i < stroke.length; i++) lengths.push(lengths.at(-1) + Math.hypot(stroke[i][0] - stroke[i - 1][0], stroke[i][1] - stroke[i - 1][1]));
  let j = 0;
  return Array.from({length: count}, (_, i) => {
    const length = count > 1 ? lengths.at(-1) * i / (count - 1) : 0;
    while (j < stroke.length - 2 && lengths[j + 1] <= length) j++;
    const part = lengths[j + 1] > lengths[j] ? (length - lengths[j]) / (lengths[j + 1] - lengths[j]) : 0;
    return [0, 1].map((axis) => stroke[j][axis] + part * ((stroke[j + 1] ?? stroke[j])[axis] - stroke[j][axis]));
  });
}

function paint(canvas, stages, at) {
  const side = canvas.clientWidth;
  if (!side) return;
  const context = fitToScreen(canvas, side, side), scale = side / PAD;
  context.clearRect(0, 0, side, side);
  context.scale(scale, scale);
  if (!stages) return;
  const pixels = Math.min(1, Math.max(0, at - 2)), grid = Math.min(1, Math.max(0, at - 1));
  if (pixels && stages.image) paintImage(context, stages.image, pixels);
  paintGrid(context, grid * (1 - 0.6 * pixels));
  const mix = (from, to, part) => from.map((stroke, i) => stroke.map((point, j) => point.map((value, axis) => value + part * (to[i][j][axis] - value))));
  const strokes = at <= 1 ? mix(stages.along, stages.even, at) : mix(stages.even, stages.placed, Math.min(1, at - 1));
  context.globalAlpha = 1 - 0.8 * pixels;
  paintStrokes(context, at === 0 ? stages.pen : strokes, at === 0 ? 11 : 7, colour("--vermilion"));
  context.globalAlpha = 1;
  if (grid === 1) paintCross(context);
}

function paintStrokes(context, strokes, radius, dots) {
  context.strokeStyle = colour("--quiet");
  context.lineWidth = 6;
  for (const stroke of strokes) {
    context.beginPath();
    for (const [x, y] of stroke) context.lineTo(x, y);
    context.stroke();
  }
  context.fillStyle = dots;
  for (const [x, y] of strokes.flat()) { context.beginPath(); context.arc(x, y, radius, 0, 7); context.fill(); }
}

// The pixels of the image, and the box of 20 × 20 pixels in their middle.
function paintGrid(context, opacity) {
  if (!opacity) return;
  context.globalAlpha = opacity;
  context.strokeStyle = colour("--line");
  context.lineWidth = 2;
  context.beginPath();
  for (let i = 0; i <= SIDE; i++) {
    context.moveTo(i * PER_PIXEL, 0); context.lineTo(i * PER_PIXEL, PAD);
    context.moveTo(0, i * PER_PIXEL); context.lineTo(PAD, i * PER_PIXEL);
  }
  context.stroke();
  context.strokeStyle = colour("--blue");
  context.lineWidth = 5;
  const edge = (SIDE - BOX) / 2 * PER_PIXEL;
  context.strokeRect(edge, edge, PAD - 2 * edge, PAD - 2 * edge);
  context.globalAlpha = 1;
}

function paintCross(context) {
  context.strokeStyle = colour("--blue");
  context.lineWidth = 6;
  context.beginPath();
  context.moveTo(PAD / 2 - 30, PAD / 2); context.lineTo(PAD / 2 + 30, PAD / 2);
  context.moveTo(PAD / 2, PAD / 2 - 30); context.lineTo(PAD / 2, PAD / 2 + 30);
  context.stroke();
}

function paintImage(context, image, opacity) {
  for (let i = 0; i < SIDE * SIDE; i++) {
    context.fillStyle = `rgb(${image[i]} ${image[i]} ${image[i]} / ${opacity})`;
    context.fillRect(i % SIDE * PER_PIXEL, Math.floor(i / SIDE) * PER_PIXEL, PER_PIXEL + 0.5, PER_PIXEL + 0.5);
  }
}
