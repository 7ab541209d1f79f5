// The drawing pad: strokes by mouse, pen, touch or keyboard, in units of 0 to 1000. The drawing mode and exported pages use it.

import {colour, element, fitToScreen, oncePerFrame, onThemeChange} from "./dom.js";

const SIZE = 1000;                                   // units of the pad in each direction
const PEN_WIDTH = 46;                                // units
const MIN_DISTANCE = 3;                              // units between two points of a stroke; closer points are left out
const MAX_POINTS = 5000;                             // fits into one request, and is far more than a digit needs

// onChange(strokes) is called after every new point.
export function createPad(onChange) {
  let strokes = [], pointer = null, cursor = null, penDown = false;
  let painted = [0, 0];                              // the strokes, and the points of the last stroke, that are on the canvas
  const canvas = element("canvas", {
    tabindex: 0, role: "application",
    "aria-label": "Drawing pad. Draw with a mouse, pen or finger, or with the arrow keys: the space key lowers and lifts the pen.",
  });
  const hint = element("div", {class: "hint", "aria-hidden": "true"}, "Draw a digit here");
  const box = element("div", {class: "pad"}, canvas, hint);

  const clamp = (value) => Math.min(SIZE, Math.max(0, value));
  const position = (event) => {
    const frame = canvas.getBoundingClientRect();
    return [SIZE * (event.clientX - frame.left) / frame.width, SIZE * (event.clientY - frame.top) / frame.height]
      .map((value) => Math.round(clamp(value)));
  };
  const addPoint = (point) => {
    const stroke = strokes.at(-1), last = stroke.at(-1);
    if (strokes.reduce((sum, one) => sum + one.length, 0) >= MAX_POINTS) return;
    if (!last || Math.hypot(point[0] - last[0], point[1] - last[1]) >= MIN_DISTANCE) stroke.push(point);
  };
  const paintSoon = oncePerFrame(() => paint(true));  // a pen sends more points than there are frames
  const changed = () => { paintSoon(); onChange(strokes.filter((stroke) => stroke.length)); };

  canvas.addEventListener("pointerdown", (event) => {
    if (pointer !== null || event.button !== 0) return;
    event.preventDefault();
    canvas.focus({preventScroll: true});
    canvas.setPointerCapture(event.pointerId);
    pointer = event.pointerId;
    cursor = null;
    strokes.push([]);
    addPoint(position(event));
    changed();
  });
  // Otherwise a finger that leaves the pad at speed starts a fling, and the next tap, on a button, only ends it.
  canvas.addEventListener("touchstart", (event) => event.preventDefault(), {passive: false});
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer) return;
    const events = event.getCoalescedEvents?.() || [];
    for (const one of events.length ? events : [event]) addPoint(position(one));
    changed();
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
    canvas.addEventListener(end, (event) => { if (event.pointerId === pointer) pointer = null; });
  }
  canvas.addEventListener("keydown", (event) => {
    const direction = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
    if ((event.ctrlKey || event.metaKey) && event.key === "z") { undo(); event.preventDefault(); return; }
    if (event.key === "Delete" || event.key === "Backspace") { clear(); event.preventDefault(); return; }
    if (event.key === " ") {
      event.preventDefault();
      cursor ??= [SIZE / 2, SIZE / 2];
      penDown = !penDown;
      if (penDown) { strokes.push([]); addPoint([...cursor]); }
      changed();
      return;
    }
    if (!direction) return;
    event.preventDefault();
    const step = event.shiftKey ? 10 : 40;
    cursor ??= [SIZE / 2, SIZE / 2];
    cursor = cursor.map((value, axis) => clamp(value + step * direction[axis]));
    if (penDown && strokes.length) { addPoint([...cursor]); changed(); } else paint();
  });
  canvas.addEventListener("blur", () => { penDown = false; paint(); });

  // With `onlyNew`, only new points are painted: repainting a long stroke for every point would be slow.
  function paint(onlyNew = false) {
    const side = canvas.clientWidth;
    if (!side) return;
    const before = canvas.width, context = fitToScreen(canvas, side, side), scale = side / SIZE;
    const keep = onlyNew && !cursor && before === canvas.width && painted[0] && strokes.length >= painted[0];
    if (!keep) { context.clearRect(0, 0, side, side); painted = [0, 0]; }
    context.strokeStyle = context.fillStyle = colour("--ink");
    context.lineCap = context.lineJoin = "round";
    context.lineWidth = PEN_WIDTH * scale;
    for (let i = Math.max(0, painted[0] - 1); i < strokes.length; i++) {
      const stroke = strokes[i], from = i === painted[0] - 1 ? Math.max(0, painted[1] - 1) : 0;
      if (stroke.length <= from) continue;
      context.beginPath();
      context.moveTo(stroke[from][0] * scale, stroke[from][1] * scale);
      for (const [x, y] of stroke.slice(from)) context.lineTo(x * scale, y * scale);
      context.stroke();
    }
    painted = [strokes.length, strokes.at(-1)?.length ?? 0];
    if (cursor) {
      context.lineWidth = 3;
      context.strokeStyle = colour(penDown ? "--vermilion" : "--blue");
      context.beginPath();
      context.arc(cursor[0] * scale, cursor[1] * scale, 12, 0, 7);
      context.stroke();
    }
    hint.hidden = strokes.length > 0 || cursor !== null;
  }

  function replaceStrokes(next) {
    strokes = next;
    painted = [0, 0];
    penDown = false;
    pointer = null;
    changed();
  }
  const undo = () => replaceStrokes(strokes.slice(0, -1));
  const clear = () => replaceStrokes([]);

  new ResizeObserver(() => paint()).observe(canvas);
  onThemeChange(() => paint());
  return {box, undo, clear, paint, replace: replaceStrokes, focus: () => canvas.focus({preventScroll: true})};
}
