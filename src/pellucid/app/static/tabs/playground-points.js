// The user's points in the playground: the class to add, undo, and a text box for pasting. Also the thumbnails of the data sets.

import {element, fitToScreen, onThemeChange, radioGroup} from "../dom.js";
import {CLASS_COLOURS, colour, traceMarker} from "./playground-plane.js";
import {LIMITS, parsePoints} from "./playground-settings.js";

const THUMBNAIL = 46, SWATCH = 16;                   // pixels

// The height of a surface of regression.
const HEIGHTS = {plane: (x1, x2) => (x1 + x2) / 4, saddle: (x1, x2) => x1 * x2 / 4, ripples: (x1, x2) => Math.cos(Math.PI * Math.hypot(x1, x2))};

// Some points [x1, x2, class] of a data set, by the formulas of pellucid.data.planar. A surface has no points.
function sketch(name) {
  const points = [], turn = 2 * Math.PI, n = name === "moons" ? 9 : 14;
  for (let i = 0; i < n; i++) {
    const t = (i + 0.5) / n;
    for (const label of [0, 1]) {
      const sign = 1 - 2 * label;
      if (name === "moons") points.push([1.3 * sign * (Math.cos(Math.PI * t) - 0.5), 1.3 * sign * (Math.sin(Math.PI * t) - 0.25), label]);
      if (name === "circles" && (label === 0 || i % 2)) points.push([(2 - label) * Math.cos(turn * t), (2 - label) * Math.sin(turn * t), label]);
      if (name === "spirals") points.push([2 * Math.sqrt(t) * Math.cos(turn * (Math.sqrt(t) + label / 2)), 2 * Math.sqrt(t) * Math.sin(turn * (Math.sqrt(t) + label / 2)), label]);
    }
    const [right, up] = [0.618 * i % 1, 0.755 * i % 1], angle = Math.PI / 2 + turn * (i % 3) / 3;
    if (name === "blobs") points.push([1.4 * Math.cos(angle) + right - 0.5, 1.4 * Math.sin(angle) + up - 0.5, i % 3]);
    if (name === "xor") {
      for (const [sx, sy] of i % 2 ? [[1, 1], [1, -1]] : [[-1, -1], [-1, 1]]) points.push([sx * (0.4 + 1.5 * right), sy * (0.4 + 1.5 * up), sx === sy ? 0 : 1]);
    }
  }
  if (name === "user") points.push([-1.2, 0.9, 0], [-0.5, 1.5, 0], [-1.5, -0.1, 0], [1.1, -0.7, 1], [1.5, 0.3, 1], [0.4, -1.4, 1]);
  return points;
}

export function thumbnail(name) {
  const canvas = element("canvas", {class: "playground-sketch", "aria-hidden": "true"}), points = sketch(name);
  const draw = () => {
    const context = fitToScreen(canvas, THUMBNAIL, THUMBNAIL);
    context.fillStyle = colour("--paper");
    context.fillRect(0, 0, THUMBNAIL, THUMBNAIL);
    if (HEIGHTS[name]) drawSurface(context, HEIGHTS[name]);
    for (const [x1, x2, label] of points) {
      context.fillStyle = colour(CLASS_COLOURS[label]);
      traceMarker(context, label, THUMBNAIL * (x1 / 2.5 + 1) / 2, THUMBNAIL * (1 - x2 / 2.5) / 2, 2.1);
      context.fill();
    }
    if (name === "user") drawPlus(context);
  };
  draw();
  onThemeChange(draw);
  return canvas;
}

function drawSurface(context, height) {              // in squares of the colour of the sign, more opaque with the height
  const squares = 15, side = THUMBNAIL / squares, place = (i) => 4 * (i + 0.5) / squares - 2;
  for (let row = 0; row < squares; row++) {
    for (let column = 0; column < squares; column++) {
      const y = height(place(column), -place(row));
      context.globalAlpha = Math.min(1, Math.abs(y));
      context.fillStyle = colour(y > 0 ? "--vermilion" : "--blue");
      context.fillRect(column * side, row * side, side, side);
    }
  }
  context.globalAlpha = 1;
}

function drawPlus(context) {                         // points can be added
  const middle = THUMBNAIL / 2;
  context.strokeStyle = colour("--ink");
  context.lineWidth = 2;
  context.beginPath();
  context.moveTo(middle - 5, middle); context.lineTo(middle + 5, middle);
  context.moveTo(middle, middle - 5); context.lineTo(middle, middle + 5);
  context.stroke();
}

function swatch(label) {
  const canvas = element("canvas", {class: "playground-swatch", "aria-hidden": "true"});
  const draw = () => {
    const context = fitToScreen(canvas, SWATCH, SWATCH);
    context.clearRect(0, 0, SWATCH, SWATCH);
    traceMarker(context, label, SWATCH / 2, SWATCH / 2, 5.6);
    context.fillStyle = colour(CLASS_COLOURS[label]);
    context.strokeStyle = colour("--paper");
    context.fill();
    context.stroke();
  };
  draw();
  onThemeChange(draw);
  return canvas;
}

// points() returns the current points; onChange(points) is called with new points, onClass(label) with the class to add.
export function pointEditor({points, onChange, onClass}) {
  const options = Array.from({length: LIMITS.classes}, (_, label) =>
    [String(label), element("span", {class: "playground-class"}, swatch(label), String(label))]);
  const classes = radioGroup("Class to add", options, "0", (label) => onClass(Number(label)));
  const text = element("textarea", {rows: 4, spellcheck: "false", placeholder: "0.5, -1.2, 0\n1.5, 0.3, 1"});
  const status = element("p", {class: "small quiet", role: "status"});
  const undo = element("button", {type: "button", onclick: () => onChange(points().slice(0, -1))}, "Undo");
  const clear = element("button", {type: "button", onclick: () => onChange([])}, "Clear");

  function usePasted() {
    try {
      const parsed = parsePoints(text.value);
      status.textContent = `${parsed.points.length} points of ${parsed.classes.length} classes`
        + (parsed.scaled ? ", scaled to mean 0 and standard deviation 1 to fit into the plane." : ".");
      onChange(parsed.points);
    } catch (error) {
      status.textContent = error.message;
    }
  }
  const showCurrent = () => { text.value = points().map((point) => point.join(", ")).join("\n"); };

  return {
    box: element("div", {class: "stack playground-editor"},
      element("div", {class: "field"}, element("span", {class: "small quiet"}, "Class to add"), classes),
      element("div", {class: "row"}, undo, clear),
      element("details", {}, element("summary", {}, "Paste points"),
        element("label", {class: "field"}, "x₁, x₂, class: one point per line", text),
        element("div", {class: "row"}, element("button", {type: "button", onclick: usePasted}, "Use these"),
          element("button", {type: "button", onclick: showCurrent}, "Show current")),
        status)),
    update() { undo.disabled = clear.disabled = !points().length; },
  };
}
