// Points of one's own: which class is painted, taking points back, and a text box to paste them into. And the small pictures of
// the data sets to choose from.

import {choice, element, sharp, whenThemeChanges} from "./dom.js";
import {COLOURS, colour, sign} from "./playground-plane.js";
import {LIMITS, pastedPoints} from "./playground-state.js";

const SIDE = 46;

// A sketch of a data set, by the formulas of pellucid.data.planar: [x1, x2, class] of a few points.
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
  if (name === "own") points.push([-1.2, 0.9, 0], [-0.5, 1.5, 0], [-1.5, -0.1, 0], [1.1, -0.7, 1], [1.5, 0.3, 1], [0.4, -1.4, 1]);
  return points;
}

export function thumbnail(name) {
  const canvas = element("canvas", {class: "pg-sketch", "aria-hidden": "true"}), points = sketch(name);
  const draw = () => {
    const context = sharp(canvas, SIDE, SIDE);
    context.fillStyle = colour("--paper");
    context.fillRect(0, 0, SIDE, SIDE);
    for (const [x1, x2, label] of points) {
      context.fillStyle = colour(COLOURS[label]);
      sign(context, label, SIDE * (x1 / 2.5 + 1) / 2, SIDE * (1 - x2 / 2.5) / 2, 2.1);
      context.fill();
    }
    if (name !== "own") return;
    context.strokeStyle = colour("--ink");           // a plus: here points can be added
    context.lineWidth = 2;
    context.beginPath();
    context.moveTo(SIDE / 2 - 5, SIDE / 2); context.lineTo(SIDE / 2 + 5, SIDE / 2);
    context.moveTo(SIDE / 2, SIDE / 2 - 5); context.lineTo(SIDE / 2, SIDE / 2 + 5);
    context.stroke();
  };
  draw();
  whenThemeChanges(draw);
  return canvas;
}

function swatch(label) {
  const canvas = element("canvas", {class: "pg-swatch", "aria-hidden": "true"});
  const draw = () => {
    const context = sharp(canvas, 16, 16);
    context.clearRect(0, 0, 16, 16);
    sign(context, label, 8, 8, 5.6);
    context.fillStyle = colour(COLOURS[label]);
    context.strokeStyle = colour("--paper");
    context.fill();
    context.stroke();
  };
  draw();
  whenThemeChanges(draw);
  return Object.assign(canvas, {draw});
}

// points(): those there are; changed(points, done): there are others, and the stroke is over; paints(label): the class changed.
export function ownPoints({points, changed, paints}) {
  let label = 0;
  const classes = choice("Class to paint", Array.from({length: LIMITS.classes}, (_, one) =>
    [String(one), element("span", {class: "pg-class"}, swatch(one), String(one))]), "0", (value) => { label = Number(value); paints(label); });
  const text = element("textarea", {rows: 4, spellcheck: "false", placeholder: "0.5, -1.2, 0\n1.5, 0.3, 1"});
  const said = element("p", {class: "small quiet", role: "status"});
  const undo = element("button", {type: "button", onclick: () => changed(points().slice(0, -1), true)}, "Undo");
  const clear = element("button", {type: "button", onclick: () => changed([], true)}, "Clear");

  function use() {
    try {
      const found = pastedPoints(text.value);
      said.textContent = `${found.points.length} points of ${found.classes.length} classes`
        + (found.scaled ? ", scaled to mean 0 and standard deviation 1 so that they fit." : ".");
      changed(found.points, true);
    } catch (error) {
      said.textContent = error.message;
    }
  }

  const box = element("div", {class: "stack pg-own"},
    element("div", {class: "field"}, element("span", {class: "small quiet"}, "Class to paint"), classes),
    element("div", {class: "row"}, undo, clear),
    element("details", {}, element("summary", {}, "Paste points"),
      element("label", {class: "field"}, "x₁, x₂, class: a line for each", text),
      element("div", {class: "row"}, element("button", {type: "button", onclick: use}, "Use these"),
        element("button", {type: "button", onclick: () => { text.value = points().map((one) => one.join(", ")).join("\n"); }}, "Show mine")),
      said));
  return {
    box,
    label: () => label,
    enough: () => points().length >= 4 && new Set(points().map((one) => one[2])).size >= 2,
    add(more, done) { changed([...points(), ...more].slice(0, LIMITS.points), done); },
    draw() {
      undo.disabled = clear.disabled = !points().length;
      for (const one of classes.querySelectorAll("canvas")) one.draw();
    },
  };
}
