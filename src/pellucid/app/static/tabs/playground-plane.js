// The plane of the playground: the decision of the network at every place, and the points of the training set (filled) and of the
// validation set (hollow). The user adds points with mouse, finger or keyboard.

import {unpackBytes, unpackFloats} from "../api.js";
import {colour as readColour, element, fitToScreen, onThemeChange, paintPixels, rgb} from "../dom.js";
import {LIMITS, quantize} from "./playground-settings.js";

export const CLASS_COLOURS = ["--blue", "--vermilion", "--green", "--purple"];
const FONT = "system-ui, 'Segoe UI', Roboto, Arial, sans-serif";
const DECISION_OPACITY = 0.62, UNIT_OPACITY = 0.85;  // paler than the points, so that these are visible
const POINT_DISTANCE = 0.16;                         // between two points of one stroke, in units of the plane

// Drawing reads colours hundreds of times, and the browser is slow to compute them: they are cached until the theme changes.
let cache = {};
onThemeChange(() => { cache = {}; });
export const colour = (name) => (cache[name] ||= readColour(name));
export const colourRgb = (name) => (cache[`rgb ${name}`] ||= rgb(colour(name) || "#808080"));

// A colour function for paintPixels: signed bytes. 128 is zero, the colour of the paper; 255 is vermilion, 1 blue.
export function signedColours(bytes, start = 0, opacity = 1) {
  const [paper, plus, minus] = ["--paper", "--vermilion", "--blue"].map(colourRgb);
  return (i, data, at) => {
    const signed = opacity * (bytes[start + i] - 128) / 127, to = signed > 0 ? plus : minus, fraction = Math.abs(signed);
    for (let c = 0; c < 3; c++) data[at + c] = paper[c] + (to[c] - paper[c]) * fraction;
  };
}

// A colour function for paintPixels: the probabilities of k classes as k planes of `size` bytes. A probability of 1/k is the colour
// of the paper.
function decisionColours(bytes, k, size) {
  const paper = colourRgb("--paper"), to = CLASS_COLOURS.map(colourRgb), mixed = [0, 0, 0];
  return (i, data, at) => {
    for (let c = 0; c < 3; c++) mixed[c] = paper[c];
    for (let label = 0; label < k; label++) {
      const fraction = DECISION_OPACITY * Math.max(0, (bytes[label * size + i] / 255 - 1 / k) / (1 - 1 / k));
      for (let c = 0; c < 3; c++) mixed[c] += fraction * (to[label][c] - paper[c]);
    }
    for (let c = 0; c < 3; c++) data[at + c] = mixed[c];
  };
}

// The colour between two colours "#rrggbb".
function mixed(from, to, fraction) {
  const [a, b] = [rgb(from), rgb(to)];
  return `rgb(${a.map((value, c) => Math.round(value + (b[c] - value) * fraction)).join(" ")})`;
}

// The path of a marker: a circle, a square, a triangle or a diamond, depending on the class.
export function traceMarker(context, label, x, y, r) {
  context.beginPath();
  if (label === 0) context.arc(x, y, r, 0, 7);
  else if (label === 1) context.rect(x - 0.88 * r, y - 0.88 * r, 1.76 * r, 1.76 * r);
  else {
    const corners = label === 2 ? [[0, -1.2], [1.1, 0.8], [-1.1, 0.8]] : [[0, -1.3], [1.15, 0], [0, 1.3], [-1.15, 0]];
    corners.forEach(([dx, dy], i) => (i ? context.lineTo(x + dx * r, y + dy * r) : context.moveTo(x + dx * r, y + dy * r)));
    context.closePath();
  }
}

// onPoints(points, done): the user adds points; onText(text): a description of the place at the pointer.
export function createPlane({onPoints, onText}) {
  const canvas = element("canvas", {class: "playground-plane", tabindex: 0});
  const background = document.createElement("canvas"), markers = document.createElement("canvas");
  let points = [];                                   // [x1, x2, class, whether it is in the training set]
  let decision = null;                               // {bytes, outputs, dots}; null: there is no network for the points
  let isRegression = false;                          // the points have numbers from −1 to 1 in the place of classes
  let unit = null;                                   // {bytes, dots}: shown in place of the decision
  let paintClass = null;                             // the class of the points that the user adds; null: not allowed
  let cursor = null, pointer = null, lastPoint = null;

  const side = () => canvas.clientWidth;
  const px = (x1) => (x1 / LIMITS.extent + 1) / 2 * side();
  const py = (x2) => (1 - x2 / LIMITS.extent) / 2 * side();
  const position = (event) => {
    const frame = canvas.getBoundingClientRect();
    return [2 * (event.clientX - frame.left) / frame.width - 1, 1 - 2 * (event.clientY - frame.top) / frame.height]
      .map((value) => quantize(LIMITS.extent * value));
  };

  // -- drawing ------------------------------------------------------------------------------------------------------

  function paintMarkers() {                          // on a separate canvas, because they rarely change
    const width = side(), context = fitToScreen(markers, width, width), r = Math.max(3, width / 105);
    context.clearRect(0, 0, width, width);
    const paper = colour("--paper");
    for (const [x1, x2, y, isTraining] of points) {
      const label = isRegression ? Number(y > 0) : y;   // a number has the marker and the colour of its sign
      const own = isRegression ? mixed(paper, colour(CLASS_COLOURS[label]), Math.min(1, Math.abs(y))) : colour(CLASS_COLOURS[label]);
      context.lineWidth = isTraining ? 1 : 1.7;
      traceMarker(context, label, px(x1), py(x2), isTraining ? r + 0.4 : r + 0.2);
      context.fillStyle = isTraining ? own : paper;
      context.strokeStyle = isRegression ? colour(isTraining ? "--quiet" : CLASS_COLOURS[label]) : isTraining ? paper : own;
      context.fill();
      context.stroke();
    }
  }

  function paintBackground() {
    if (unit) paintPixels(background, unit.dots, unit.dots, signedColours(unit.bytes, 0, UNIT_OPACITY));
    else if (decision && isRegression) paintPixels(background, decision.dots, decision.dots, signedColours(decision.bytes, 0, DECISION_OPACITY));
    else if (decision) paintPixels(background, decision.dots, decision.dots, decisionColours(decision.bytes, decision.outputs, decision.dots ** 2));
  }

  function compose() {
    const width = side();
    if (!width) return;
    const context = fitToScreen(canvas, width, width);
    context.fillStyle = colour("--paper");
    context.fillRect(0, 0, width, width);
    context.imageSmoothingEnabled = true;
    if (decision) context.drawImage(background, 0, 0, width, width);
    paintAxes(context, width);
    if (markers.width) context.drawImage(markers, 0, 0, width, width);
    if (cursor) paintCursor(context);
    if (paintClass !== null && !points.length && !cursor) {
      context.textAlign = "center";
      context.font = `17px ${FONT}`;
      context.fillStyle = colour("--quiet");
      context.fillText("Click or drag to add points", width / 2, width * 0.3);
    }
  }

  function paintAxes(context, width) {
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
    context.font = `12px ${FONT}`;
    context.textBaseline = "middle";
    context.fillStyle = colour("--ink");
    const labels = [["−2", px(-2), width / 2 + 12, "center"], ["2", px(2), width / 2 + 12, "center"], ["x₁", width - 6, width / 2 + 12, "right"],
      ["−2", width / 2 - 8, py(-2), "right"], ["2", width / 2 - 8, py(2), "right"], ["x₂", width / 2 - 8, 10, "right"]];
    for (const [text, x, y, align] of labels) { context.textAlign = align; context.fillText(text, x, y); }
  }

  function paintCursor(context) {
    const [x, y] = [px(cursor[0]), py(cursor[1])];
    context.strokeStyle = colour("--ink");
    context.lineWidth = 2;
    traceMarker(context, paintClass, x, y, 9);
    context.stroke();
    context.beginPath();
    context.moveTo(x - 15, y); context.lineTo(x + 15, y);
    context.moveTo(x, y - 15); context.lineTo(x, y + 15);
    context.stroke();
  }

  // -- pointer and keyboard -----------------------------------------------------------------------------------------

  function describe([x1, x2]) {
    const place = `x₁ ${x1.toFixed(2)}, x₂ ${x2.toFixed(2)}`.replaceAll("-", "−");
    if (!decision) { onText(place); return; }
    const {bytes, outputs, dots} = decision;
    const column = Math.min(dots - 1, Math.floor((x1 / LIMITS.extent + 1) / 2 * dots));
    const row = Math.min(dots - 1, Math.floor((1 - x2 / LIMITS.extent) / 2 * dots));
    if (isRegression) {
      onText(`${place}: output ${((bytes[row * dots + column] - 128) / 127).toFixed(2)}`.replaceAll("-", "−"));
      return;
    }
    const probability = (label) => bytes[label * dots * dots + row * dots + column] / 255;
    let best = 0;
    for (let label = 1; label < outputs; label++) if (probability(label) > probability(best)) best = label;
    onText(`${place}: class ${best}, ${Math.round(100 * probability(best))} %`);
  }

  function addPoint(place, done) {
    lastPoint = place;
    onPoints([[...place, paintClass]], done);
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (paintClass === null || pointer !== null || event.button !== 0) return;
    event.preventDefault();
    canvas.focus({preventScroll: true});
    canvas.setPointerCapture(event.pointerId);
    pointer = event.pointerId;
    cursor = null;
    addPoint(position(event), false);
  });
  canvas.addEventListener("pointermove", (event) => {
    const place = position(event);
    describe(place);
    const isFar = () => Math.hypot(place[0] - lastPoint[0], place[1] - lastPoint[1]) >= POINT_DISTANCE;
    if (event.pointerId === pointer && isFar()) addPoint(place, false);
  });
  canvas.addEventListener("pointerleave", () => onText(""));
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
    canvas.addEventListener(end, (event) => { if (event.pointerId === pointer) { pointer = null; onPoints([], true); } });
  }
  canvas.addEventListener("keydown", (event) => {
    const direction = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]}[event.key];
    if (paintClass === null) return;
    if (event.key === " " || event.key === "Enter") {
      event.preventDefault();
      cursor ??= [0, 0];
      addPoint([...cursor], true);
    } else if (direction) {
      event.preventDefault();
      const step = event.shiftKey ? 0.05 : 0.25;
      cursor = (cursor ?? [0, 0]).map((value, axis) => quantize(value + step * direction[axis]));
      describe(cursor);
      compose();
    }
  });
  canvas.addEventListener("blur", () => { cursor = null; compose(); });

  const draw = () => { paintBackground(); compose(); };
  new ResizeObserver(() => { paintMarkers(); compose(); }).observe(canvas);
  onThemeChange(() => { paintMarkers(); draw(); });
  return {
    canvas, draw,
    // The class of the points that the user adds; null: the points cannot be changed.
    setPaintClass(label) {
      paintClass = label;
      canvas.classList.toggle("editable", label !== null);
      canvas.setAttribute("role", label === null ? "img" : "application");
      canvas.tabIndex = label === null ? -1 : 0;
      canvas.setAttribute("aria-label", label === null
        ? "The plane: the points, and the output of the network at every place."
        : `The plane. Click or drag to add points of class ${label}; or move with the arrow keys and add with the space key.`);
    },
    // {train: {x, y}, validation: {x, y}} with packed coordinates.
    setPoints(sets, areNumbers) {
      isRegression = areNumbers;
      points = ["validation", "train"].flatMap((name) => {
        const x = unpackFloats(sets[name].x);
        return sets[name].y.map((label, i) => [x[2 * i], x[2 * i + 1], label, name === "train"]);
      });
      paintMarkers();
    },
    // Points of the user that are not split into two sets yet.
    setUserPoints(list) { isRegression = false; points = list.map(([x1, x2, label]) => [x1, x2, label, true]); paintMarkers(); compose(); },
    setDecision(packed, outputs) {
      const bytes = unpackBytes(packed);
      decision = {bytes, outputs, dots: Math.round(Math.sqrt(bytes.length / outputs))};
    },
    dropDecision() { decision = null; compose(); },
    showUnit(next) { unit = next; },
  };
}
