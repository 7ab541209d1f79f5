// The pad: strokes by mouse, pen, touch or keyboard, in units of 0 to 1000; and the panel around it, which the tabs Draw, Inside
// and Why hand to each other.

import {desk} from "./desk.js";
import {choice, colour, element, paintGrey, sharp, whenThemeChanges} from "./dom.js";

const UNIT = 1000, PEN = 46, NEAR = 3;               // units; points nearer than NEAR to the last one are left out
const MOST = 5000;                                    // points: what a request can hold, and far more than a digit has

// changed(strokes) is called while one is drawn.
function pad(changed) {
  let strokes = [], active = null, cursor = null, penDown = false;
  const canvas = element("canvas", {
    tabindex: 0, role: "application",
    "aria-label": "Drawing pad. Draw with mouse, pen or finger; or with the arrow keys: space sets the pen down and lifts it.",
  });
  const hint = element("div", {class: "hint", "aria-hidden": "true"}, "Draw a digit here");
  const box = element("div", {class: "pad"}, canvas, hint);

  const point = (event) => {
    const frame = canvas.getBoundingClientRect();
    return [UNIT * (event.clientX - frame.left) / frame.width, UNIT * (event.clientY - frame.top) / frame.height]
      .map((value) => Math.round(Math.min(UNIT, Math.max(0, value))));
  };
  const add = (at) => {
    const line = strokes.at(-1), last = line.at(-1);
    if (strokes.reduce((sum, one) => sum + one.length, 0) >= MOST) return;
    if (!last || Math.hypot(at[0] - last[0], at[1] - last[1]) >= NEAR) line.push(at);
  };
  const tell = () => { soon(); changed(strokes.filter((line) => line.length)); };
  let waiting = false;                                // a pen tells of more points than there are frames to paint
  const soon = () => { if (!waiting) { waiting = true; requestAnimationFrame(() => { waiting = false; paint(true); }); } };
  let painted = [0, 0];                               // how many strokes, and points of the last one, are on the canvas

  canvas.addEventListener("pointerdown", (event) => {
    if (active !== null || event.button !== 0) return;
    event.preventDefault();
    canvas.focus({preventScroll: true});
    canvas.setPointerCapture(event.pointerId);
    active = event.pointerId;
    cursor = null;
    strokes.push([]);
    add(point(event));
    tell();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== active) return;
    const between = event.getCoalescedEvents?.() || [];
    for (const one of between.length ? between : [event]) add(point(one));
    tell();
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
    canvas.addEventListener(end, (event) => { if (event.pointerId === active) active = null; });
  }
  canvas.addEventListener("keydown", (event) => {
    const move = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
    if ((event.ctrlKey || event.metaKey) && event.key === "z") { undo(); event.preventDefault(); return; }
    if (event.key === "Delete" || event.key === "Backspace") { clear(); event.preventDefault(); return; }
    if (event.key === " ") {
      event.preventDefault();
      cursor ??= [UNIT / 2, UNIT / 2];
      penDown = !penDown;
      if (penDown) { strokes.push([]); add([...cursor]); }
      tell();
      return;
    }
    if (!move) return;
    event.preventDefault();
    const step = event.shiftKey ? 10 : 40;
    cursor ??= [UNIT / 2, UNIT / 2];
    cursor = cursor.map((value, axis) => Math.min(UNIT, Math.max(0, value + step * move[axis])));
    if (penDown && strokes.length) { add([...cursor]); tell(); } else paint();
  });
  canvas.addEventListener("blur", () => { penDown = false; paint(); });

  // All of it, or what is new since the last time: a long stroke is not painted again for every point.
  function paint(onlyNew = false) {
    const side = canvas.clientWidth;
    if (!side) return;
    const before = canvas.width, context = sharp(canvas, side, side), scale = side / UNIT;
    const grown = onlyNew && !cursor && before === canvas.width && painted[0] && strokes.length >= painted[0];
    if (!grown) { context.clearRect(0, 0, side, side); painted = [0, 0]; }
    context.strokeStyle = context.fillStyle = colour("--ink");
    context.lineCap = context.lineJoin = "round";
    context.lineWidth = PEN * scale;
    for (let i = Math.max(0, painted[0] - 1); i < strokes.length; i++) {
      const line = strokes[i], from = i === painted[0] - 1 ? Math.max(0, painted[1] - 1) : 0;
      if (line.length <= from) continue;
      context.beginPath();
      context.moveTo(line[from][0] * scale, line[from][1] * scale);
      for (const [x, y] of line.slice(from)) context.lineTo(x * scale, y * scale);
      context.stroke();
    }
    painted = [strokes.length, strokes.at(-1)?.length ?? 0];
    if (cursor) {
      context.lineWidth = 3;
      context.strokeStyle = colour(penDown ? "--vermilion" : "--blue");
      context.beginPath();
      context.arc(cursor[0] * side / UNIT, cursor[1] * side / UNIT, 12, 0, 7);
      context.stroke();
    }
    hint.hidden = strokes.length > 0 || cursor !== null;
  }

  function undo() { strokes.pop(); painted = [0, 0]; penDown = false; active = null; tell(); }
  function clear() { strokes = []; painted = [0, 0]; penDown = false; active = null; tell(); }

  new ResizeObserver(() => paint()).observe(canvas);
  whenThemeChanges(() => paint());
  return {box, undo, clear, paint};
}

const NORMALIZATIONS = [
  ["mass", "centre of mass", "fitted into 20 × 20, its centre of mass in the middle: as MNIST was made"],
  ["box", "box", "fitted into 20 × 20, the middle of its box in the middle"],
  ["none", "as drawn", "the whole pad, made smaller"],
];

function panel() {
  const drawn = pad((strokes) => desk.draws(strokes));
  const seen = element("canvas", {class: "pixels seen", width: 28, height: 28, role: "img", "aria-label": "The picture of 28 × 28 pixels that the networks see"});
  const box = element("div", {class: "stack panel"},
    drawn.box,
    element("div", {class: "row"},
      element("button", {type: "button", onclick: drawn.undo, title: "Ctrl+Z on the pad"}, "Undo"),
      element("button", {type: "button", onclick: drawn.clear, title: "Delete on the pad"}, "Clear")),
    element("div", {class: "card seeing"},
      seen,
      element("div", {},
        element("h2", {}, "What the networks see"),
        element("p", {class: "quiet"}, "28 × 28 pixels. How the drawing is brought there:"),
        choice("How the drawing is brought into 28 × 28 pixels", NORMALIZATIONS, "mass", (how) => desk.normalizes(how)))));
  paintGrey(seen, new Uint8Array(784), 28, 28);
  desk.addEventListener("drawing", () => { if (!desk.strokes.length) paintGrey(seen, new Uint8Array(784), 28, 28); });
  return {box, sees: (pixels) => paintGrey(seen, pixels, 28, 28), paint: drawn.paint};
}

let shared = null;

// Puts the one pad there is into ``place``, and returns it: {sees(pixels)}.
export function padIn(place) {
  shared ??= panel();
  if (shared.box.parentElement !== place) place.prepend(shared.box);
  requestAnimationFrame(() => shared.paint());
  return shared;
}
