// The plane: what the network decides at every place, and the points it learns from (filled) and is checked with (hollow).
// With points of one's own it is painted on, by mouse, finger or keyboard.

import {unpackBytes, unpackFloats} from "./api.js";
import {colour as fresh, element, rgb, sharp, whenThemeChanges} from "./dom.js";
import {LIMITS, rounded} from "./playground-state.js";

export const COLOURS = ["--blue", "--vermilion", "--green", "--purple"];
const STRENGTH = 0.62;                               // of the colours under the points, which are to stand out
const APART = 0.16;                                  // between two points of one stroke, in units of the plane

// Colours are asked for hundreds of times a picture, and asking the browser for one is slow: they are kept.
let kept = {};
whenThemeChanges(() => { kept = {}; });
export const colour = (name) => (kept[name] ||= fresh(name));
export const shade = (name) => (kept[`rgb ${name}`] ||= rgb(colour(name) || "#808080"));

// A picture of dots × dots on a canvas of its own; mix(i, data, at) puts the red, green and blue of dot i into data at ``at``.
export function paintDots(canvas, dots, mix) {
  if (canvas.width !== dots || canvas.height !== dots) canvas.width = canvas.height = dots;
  const context = canvas.getContext("2d"), image = context.createImageData(dots, dots);
  for (let i = 0; i < dots * dots; i++) {
    mix(i, image.data, 4 * i);
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

// Shades for signed bytes: 128 is zero and the paper, 255 vermilion, 1 blue.
export function signedShade(bytes, start = 0, strength = 1) {
  const [paper, plus, minus] = ["--paper", "--vermilion", "--blue"].map(shade);
  return (i, data, at) => {
    const share = strength * (bytes[start + i] - 128) / 127, to = share > 0 ? plus : minus, much = Math.abs(share);
    for (let c = 0; c < 3; c++) data[at + c] = paper[c] + (to[c] - paper[c]) * much;
  };
}

// Shades for the probabilities of k classes, k planes of bytes: the surer, the stronger; where none is, the paper.
function decisionShade(bytes, k, size) {
  const paper = shade("--paper"), to = COLOURS.map(shade), mixed = [0, 0, 0];
  return (i, data, at) => {
    for (let c = 0; c < 3; c++) mixed[c] = paper[c];
    for (let label = 0; label < k; label++) {
      const sure = STRENGTH * Math.max(0, (bytes[label * size + i] / 255 - 1 / k) / (1 - 1 / k));
      for (let c = 0; c < 3; c++) mixed[c] += sure * (to[label][c] - paper[c]);
    }
    for (let c = 0; c < 3; c++) data[at + c] = mixed[c];
  };
}

// A class's sign: a circle, a square, a triangle, a diamond.
export function sign(context, label, x, y, r) {
  context.beginPath();
  if (label === 0) context.arc(x, y, r, 0, 7);
  else if (label === 1) context.rect(x - 0.88 * r, y - 0.88 * r, 1.76 * r, 1.76 * r);
  else {
    const corners = label === 2 ? [[0, -1.2], [1.1, 0.8], [-1.1, 0.8]] : [[0, -1.3], [1.15, 0], [0, 1.3], [-1.15, 0]];
    corners.forEach(([dx, dy], i) => (i ? context.lineTo(x + dx * r, y + dy * r) : context.moveTo(x + dx * r, y + dy * r)));
    context.closePath();
  }
}

// painted(points, done): points of one's own were added; said(text): what is under the pointer.
export function plane({painted, said}) {
  const canvas = element("canvas", {class: "pg-plane", tabindex: 0});
  const under = document.createElement("canvas"), above = document.createElement("canvas");
  let points = [], decision = null, classes = 2, unit = null, own = null, cursor = null, active = null, dots = 50, usable = true;

  const side = () => canvas.clientWidth;
  const px = (x1) => (x1 / LIMITS.reach + 1) / 2 * side();
  const py = (x2) => (1 - x2 / LIMITS.reach) / 2 * side();
  const at = (event) => {
    const frame = canvas.getBoundingClientRect();
    return [2 * (event.clientX - frame.left) / frame.width - 1, 1 - 2 * (event.clientY - frame.top) / frame.height]
      .map((share) => rounded(LIMITS.reach * share));
  };

  function signs() {                                 // the points, on a layer of their own: they rarely change
    const width = side(), context = sharp(above, width, width), r = Math.max(3, width / 105);
    context.clearRect(0, 0, width, width);
    const paper = colour("--paper");
    for (const [x1, x2, label, trains] of points) {
      context.lineWidth = trains ? 1 : 1.7;
      sign(context, label, px(x1), py(x2), trains ? r + 0.4 : r + 0.2);
      context.fillStyle = trains ? colour(COLOURS[label]) : paper;
      context.strokeStyle = trains ? paper : colour(COLOURS[label]);
      context.fill();
      context.stroke();
    }
  }

  function ground() {
    if (unit) paintDots(under, unit.dots, signedShade(unit.bytes, 0, 0.85));
    else if (decision) paintDots(under, dots, decisionShade(decision, classes, dots * dots));
  }

  function draw() {
    const width = side();
    if (!width) return;
    const context = sharp(canvas, width, width);
    context.fillStyle = colour("--paper");
    context.fillRect(0, 0, width, width);
    context.imageSmoothingEnabled = true;
    if ((decision || unit) && usable) context.drawImage(under, 0, 0, width, width);
    axes(context, width);
    if (above.width) context.drawImage(above, 0, 0, width, width);
    if (cursor) crosshair(context);
    if (own !== null && !points.length && !cursor) {
      context.textAlign = "center";
      context.font = "17px system-ui, 'Segoe UI', Roboto, Arial, sans-serif";
      context.fillStyle = colour("--quiet");
      context.fillText("Click or drag to add points", width / 2, width * 0.3);
    }
  }

  function axes(context, width) {
    context.lineWidth = 1;
    context.strokeStyle = context.fillStyle = colour("--quiet");
    context.globalAlpha = 0.35;
    context.beginPath();
    context.moveTo(0, width / 2); context.lineTo(width, width / 2);
    context.moveTo(width / 2, 0); context.lineTo(width / 2, width);
    for (let i = -2; i <= 2; i++) {
      context.moveTo(px(i), width / 2 - 3); context.lineTo(px(i), width / 2 + 3);
      context.moveTo(width / 2 - 3, py(i)); context.lineTo(width / 2 + 3, py(i));
    }
    context.stroke();
    context.globalAlpha = 1;
    context.font = "12px system-ui, 'Segoe UI', Roboto, Arial, sans-serif";
    context.textBaseline = "middle";
    context.fillStyle = colour("--ink");
    const texts = [["−2", px(-2), width / 2 + 12, "center"], ["2", px(2), width / 2 + 12, "center"], ["x₁", width - 6, width / 2 + 12, "right"],
      ["−2", width / 2 - 8, py(-2), "right"], ["2", width / 2 - 8, py(2), "right"], ["x₂", width / 2 - 8, 10, "right"]];
    for (const [text, x, y, align] of texts) { context.textAlign = align; context.fillText(text, x, y); }
  }

  function crosshair(context) {
    context.strokeStyle = colour("--ink");
    context.lineWidth = 2;
    sign(context, own, px(cursor[0]), py(cursor[1]), 9);
    context.stroke();
    context.beginPath();
    context.moveTo(px(cursor[0]) - 15, py(cursor[1])); context.lineTo(px(cursor[0]) + 15, py(cursor[1]));
    context.moveTo(px(cursor[0]), py(cursor[1]) - 15); context.lineTo(px(cursor[0]), py(cursor[1]) + 15);
    context.stroke();
  }

  function tell([x1, x2]) {
    const place = `x₁ ${x1.toFixed(2)}, x₂ ${x2.toFixed(2)}`.replaceAll("-", "−");
    if (!decision || !usable) { said(place); return; }
    const column = Math.min(dots - 1, Math.floor((x1 / LIMITS.reach + 1) / 2 * dots));
    const row = Math.min(dots - 1, Math.floor((1 - x2 / LIMITS.reach) / 2 * dots)), i = row * dots + column;
    let best = 0;
    for (let label = 1; label < classes; label++) if (decision[label * dots * dots + i] > decision[best * dots * dots + i]) best = label;
    said(`${place}: class ${best}, ${Math.round(100 * decision[best * dots * dots + i] / 255)} %`);
  }

  let last = null;
  const add = (place, done) => { last = place; painted([[...place, own]], done); };
  canvas.addEventListener("pointerdown", (event) => {
    if (own === null || active !== null || event.button !== 0) return;
    event.preventDefault();
    canvas.focus({preventScroll: true});
    canvas.setPointerCapture(event.pointerId);
    active = event.pointerId;
    cursor = null;
    add(at(event), false);
  });
  canvas.addEventListener("pointermove", (event) => {
    const place = at(event);
    tell(place);
    if (event.pointerId === active && Math.hypot(place[0] - last[0], place[1] - last[1]) >= APART) add(place, false);
  });
  canvas.addEventListener("pointerleave", () => said(""));
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
    canvas.addEventListener(end, (event) => { if (event.pointerId === active) { active = null; painted([], true); } });
  }
  canvas.addEventListener("keydown", (event) => {
    const move = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]}[event.key];
    if (own === null) return;
    if (event.key === " " || event.key === "Enter") {
      event.preventDefault();
      cursor ??= [0, 0];
      add([...cursor], true);
    } else if (move) {
      event.preventDefault();
      const far = event.shiftKey ? 0.05 : 0.25;
      cursor = (cursor ?? [0, 0]).map((value, axis) => rounded(value + far * move[axis]));
      tell(cursor);
      draw();
    }
  });
  canvas.addEventListener("blur", () => { cursor = null; draw(); });

  const all = () => { ground(); signs(); draw(); };
  new ResizeObserver(() => { signs(); draw(); }).observe(canvas);
  whenThemeChanges(all);
  return {
    canvas,
    // The class that is painted, or null: the points cannot be changed.
    paints(label) {
      own = label;
      canvas.classList.toggle("paints", own !== null);
      canvas.setAttribute("role", own === null ? "img" : "application");
      canvas.tabIndex = own === null ? -1 : 0;
      canvas.setAttribute("aria-label", own === null
        ? "The plane: the points, and what the network decides at every place."
        : `The plane. Click or drag to add points of class ${own}; or move with the arrow keys and add with the space key.`);
    },
    points(sets) {                                   // {train: {x, y}, validation: {x, y}} as the server packs them
      points = ["validation", "train"].flatMap((name) => {
        const x = unpackFloats(sets[name].x);
        return sets[name].y.map((label, i) => [x[2 * i], x[2 * i + 1], label, name === "train"]);
      });
      signs();
    },
    ownPoints(list) { points = list.map(([x1, x2, label]) => [x1, x2, label, true]); signs(); draw(); },
    decides(packed, k) { decision = unpackBytes(packed); classes = k; usable = true; dots = Math.round(Math.sqrt(decision.length / k)); },
    shows(one) { unit = one; },                      // {bytes, dots} of a unit, or null: the decision
    dims() { usable = false; draw(); },              // there is no network for these points yet
    draw() { ground(); draw(); },
  };
}
