// The diagram of the playground's network: each unit is an image of its activation on the plane, each weight a line; blue and
// dashed where it is negative, vermilion where it is positive, and wider for larger weights.

import {unpackBytes, unpackFloats} from "../api.js";
import {element, fitToScreen, onThemeChange, paintPixels} from "../dom.js";
import {CLASS_COLOURS, colour, colourRgb, signedColours} from "./playground-plane.js";
import {FEATURES, LIMITS} from "./playground-settings.js";
import {createWeightFields} from "./playground-weights.js";

const HEAD = 66, NARROW_HEAD = 96;                   // pixels above the units, for the buttons of a layer
const POINTER_DISTANCE = 6;                          // pixels from the pointer to the line that it selects
const DOTS = 20;                                     // across the image of an input
const DEFAULT_UNITS = 4;                             // of a first hidden layer

const formatNumber = (value) => (Math.abs(value) >= 100 || (value && Math.abs(value) < 0.01) ? value.toExponential(1) : value.toFixed(2)).replace("-", "−");
const sum = (values) => values.reduce((a, b) => a + b, 0);

// onLayers(hidden): the user changes the layers; onUnit(number or null): the hidden unit at the pointer; onText(text): a
// description of what is at the pointer; onWeight(layer, source, unit, value): the user sets a weight, see setWeight of the
// session; onUndo(): the user undoes them.
export function createDiagram({onLayers, onUnit, onText, onWeight, onUndo}) {
  const lines = element("canvas", {class: "playground-lines", "aria-hidden": "true"});
  const stage = element("div", {class: "playground-stage"}, lines);
  const layers = layerButtons((change) => { const next = [...hidden]; change(next); onLayers(next); });
  const fields = createWeightFields({
    onSet: (source, value) => onWeight(held.column, source, held.index + 1, value), onUndo,
    onClose: () => { const {unit} = held; release(); unit.focus(); },
  });
  let features = [], hidden = [], outputs = 2;       // the shape of the network
  let isRegression = false, shape = "";
  let state = null, weights = [];                    // the values of the network: as the server sent them, and unpacked
  let columns = [];                                  // what is on the stage: the inputs, the hidden layers, the outputs
  let held = null;                                   // {unit, look, column, index} of the unit that was clicked: it stays selected

  // -- structure ----------------------------------------------------------------------------------------------------

  function build() {
    stage.replaceChildren(lines);
    columns = [features.length, ...hidden, outputs].map((count, j, all) => {
      const isHidden = j > 0 && j < all.length - 1, first = sum(hidden.slice(0, j - 1));
      const units = Array.from({length: count}, (_, i) => {
        const name = j === 0 ? `input ${features[i].label}` : isHidden ? `layer ${j}, unit ${i + 1}` : isRegression ? "output" : `output: class ${i}`;
        return unitButton(name, j, i, () => { onText(describe(j, i, name)); onUnit(isHidden ? first + i : null); });
      });
      const head = element("div", {class: "playground-head"}), label = element("span", {class: "small numbers"}, isHidden ? String(count) : j ? "out" : "in");
      if (isHidden) head.append(...layers.unitButtons(j, count));
      head.append(label);
      stage.append(head, ...units);
      return {units, head, label, isHidden};
    });
    held = null;
    fields.close();
    onUnit(null);
    layers.update(hidden.length);
    place();
  }

  // A click or tap selects a unit until the next click, and shows the fields of its weights.
  function hold(next) {
    held = next;
    for (const one of stage.querySelectorAll(".playground-unit")) one.classList.toggle("held", one === held?.unit);
    if (!held?.column || !weights.length) { fields.close(); return; }
    fields.open(nameOf(held.column, held.index), columns[held.column - 1].units.map((_, i) => nameOf(held.column - 1, i)));
    updateFields();
  }

  function release() {
    hold(null);
    onText("");
    onUnit(null);
  }

  function updateFields() {
    if (!held?.column) return;
    onText(describe(held.column, held.index, nameOf(held.column, held.index)));
    const {W, b} = weights[held.column - 1], count = columns[held.column].units.length;
    fields.update([b[held.index], ...Array.from({length: W.length / count}, (_, k) => W[k * count + held.index])]);
  }

  const nameOf = (column, unit) => columns[column].units[unit].getAttribute("aria-label");

  function unitButton(name, column, index, look) {
    const leave = () => {
      if (held) { held.look(); return; }
      onText("");
      onUnit(null);
    };
    return element("button", {
      type: "button", class: "playground-unit", "aria-label": name, onpointerenter: look, onfocus: look, onpointerleave: leave, onblur: leave,
      onclick: (event) => {
        const unit = event.currentTarget;
        hold(held?.unit === unit ? null : {unit, look, column, index});
        look();
        if (held && !event.detail) fields.focus(1);   // with the keyboard
      },
    }, element("canvas", {width: DOTS, height: DOTS}));
  }

  function place() {
    const width = stage.clientWidth, height = stage.clientHeight;
    if (!width || !columns.length) return;
    const room = width / columns.length, narrow = room < 76, top = narrow ? NARROW_HEAD : HEAD;
    const available = height - top, longest = Math.max(...columns.map((column) => column.units.length));
    const pitch = Math.min(54, available / longest), size = Math.max(14, Math.min(44, pitch - 4, room - 10));
    columns.forEach((column, j) => {
      const count = column.units.length;
      column.x = room * (j + 0.5);
      column.halfSize = size / 2;
      column.head.style.left = `${room * j}px`;
      column.head.style.width = `${room}px`;
      column.head.classList.toggle("narrow", narrow);
      if (column.isHidden) column.label.textContent = narrow ? String(count) : `${count} unit${count === 1 ? "" : "s"}`;
      column.ys = column.units.map((unit, i) => {
        const y = top + available / 2 + (i - (count - 1) / 2) * pitch;
        unit.style.left = `${column.x - size / 2}px`;
        unit.style.top = `${y - size / 2}px`;
        unit.style.width = unit.style.height = `${size}px`;
        return y;
      });
    });
    paintLines();
  }

  // -- drawing ------------------------------------------------------------------------------------------------------

  function paintLines() {
    const width = stage.clientWidth, height = stage.clientHeight;
    if (!width || !state || weights.length !== columns.length - 1) return;
    const context = fitToScreen(lines, width, height);
    context.clearRect(0, 0, width, height);
    const max = weights.reduce((found, {W}) => W.reduce((m, w) => Math.max(m, Math.abs(w)), found), 0) || 1;
    const [plus, minus] = [colour("--vermilion"), colour("--blue")];
    weights.forEach(({W}, j) => visitLines(j, (i, o, from, to) => {
      const w = W[i * columns[j + 1].units.length + o], fraction = Math.abs(w) / max;
      if (fraction < 0.004) return;
      context.strokeStyle = w > 0 ? plus : minus;
      context.globalAlpha = 0.25 + 0.7 * fraction;
      context.lineWidth = 0.6 + 4.4 * fraction;
      context.setLineDash(w > 0 ? [] : [6, 4]);
      context.beginPath();
      context.moveTo(...from);
      context.lineTo(...to);
      context.stroke();
    }));
    context.globalAlpha = 1;
    context.setLineDash([]);
  }

  // Calls visit(i, o, start, end) for each line between unit i of column j and unit o of the next column.
  function visitLines(j, visit) {
    const left = columns[j], right = columns[j + 1];
    left.ys.forEach((y, i) => right.ys.forEach((z, o) => visit(i, o, [left.x + left.halfSize, y], [right.x - right.halfSize, z])));
  }

  function paintUnits() {
    if (!state) return;
    const maps = unpackBytes(state.units), decision = unpackBytes(state.decision), fine = Math.round(Math.sqrt(decision.length / outputs));
    const paper = colourRgb("--paper"), dots = Math.round(Math.sqrt(maps.length / Math.max(1, sum(hidden)))) || DOTS;
    let start = 0;
    columns.forEach((column, j) => column.units.forEach((unit, i) => {
      const canvas = unit.firstChild;
      if (column.isHidden) {
        paintPixels(canvas, dots, dots, signedColours(maps, start));
        start += dots * dots;
      } else if (j && isRegression) {
        paintPixels(canvas, fine, fine, signedColours(decision));
      } else if (j) {
        const to = colourRgb(CLASS_COLOURS[i]), from = i * fine * fine;
        paintPixels(canvas, fine, fine, (k, data, at) => {
          for (let c = 0; c < 3; c++) data[at + c] = paper[c] + (to[c] - paper[c]) * decision[from + k] / 255;
        });
      }
    }));
  }

  function paintInputs() {                           // they never change: x₁ increases to the right, x₂ upwards
    const place = (dot) => LIMITS.extent * (2 * (dot + 0.5) / DOTS - 1);
    columns[0]?.units.forEach((unit, i) => {
      const values = Array.from({length: DOTS * DOTS}, (_, k) => features[i].of(place(k % DOTS), -place(Math.floor(k / DOTS))));
      const largest = Math.max(...values.map(Math.abs));
      paintPixels(unit.firstChild, DOTS, DOTS, signedColours(Uint8Array.from(values, (value) => 128 + Math.round(127 * value / largest))));
    });
  }

  // -- the pointer --------------------------------------------------------------------------------------------------

  function describe(j, i, name) {
    if (j === 0 || !weights[j - 1]) return name;
    const {W, b} = weights[j - 1], count = columns[j].units.length;
    const incoming = Array.from({length: W.length / count}, (_, k) => formatNumber(W[k * count + i]));
    const shown = incoming.length > 6 ? `${incoming.slice(0, 6).join(", ")}, …` : incoming.join(", ");
    return `${name}: bias ${formatNumber(b[i])}; weights ${shown}`;
  }

  // The line at the pointer: {j, i, o} as in visitLines and its weight; undefined if there is none.
  function lineAt(event) {
    const frame = stage.getBoundingClientRect(), x = event.clientX - frame.left, y = event.clientY - frame.top;
    let smallest = POINTER_DISTANCE, found;
    weights.forEach(({W}, j) => visitLines(j, (i, o, [x0, y0], [x1, y1]) => {
      if (x < x0 || x > x1) return;
      const distance = Math.abs(y0 + (y1 - y0) * (x - x0) / (x1 - x0) - y) * (x1 - x0) / Math.hypot(x1 - x0, y1 - y0);
      if (distance >= smallest) return;
      smallest = distance;
      found = {j, i, o, weight: W[i * columns[j + 1].units.length + o]};
    }));
    return found;
  }

  stage.addEventListener("pointermove", (event) => {
    if (event.target !== lines) return;
    const line = lineAt(event);
    lines.classList.toggle("pointing", Boolean(line));
    if (!held) onText(line ? `weight ${formatNumber(line.weight)}: ${nameOf(line.j, line.i)} → ${nameOf(line.j + 1, line.o)}` : "");
  });
  lines.addEventListener("click", (event) => {       // selects the unit to which the line leads
    const line = lineAt(event);
    if (!line) return;
    const unit = columns[line.j + 1].units[line.o];
    if (held?.unit !== unit) unit.click();
    fields.focus(line.i + 1);
  });
  lines.addEventListener("pointerleave", () => { if (!held) onText(""); });

  new ResizeObserver(place).observe(stage);
  onThemeChange(() => { paintInputs(); paintUnits(); paintLines(); });
  return {
    stage, layers: layers.box, weights: fields.box,
    setShape(settings, nextOutputs, nextIsRegression) {
      const key = JSON.stringify([settings.features, settings.hidden, nextOutputs, nextIsRegression]);
      fields.setEdits(settings.edits.length);
      if (columns.length && key === shape) return;
      [shape, hidden, outputs, isRegression, state, weights] = [key, [...settings.hidden], nextOutputs, nextIsRegression, null, []];
      features = FEATURES.filter(({name}) => settings.features.includes(name));
      build();
      paintInputs();
    },
    clear() {
      [state, weights] = [null, []];
      build();
      paintInputs();
      lines.getContext("2d").clearRect(0, 0, lines.width, lines.height);
    },
    draw(next, edits) {
      state = next;
      fields.setEdits(edits);
      weights = state.weights.map(({W, b}) => ({W: unpackFloats(W), b: unpackFloats(b)}));
      paintUnits();
      paintLines();
      updateFields();
    },
  };
}

// The buttons that add and remove hidden layers, and those of one layer for its units. change(f) applies f to a copy of the list
// of hidden layers.
function layerButtons(change) {
  const button = (text, label, edit, disabled = false) =>
    element("button", {type: "button", "aria-label": label, disabled, onclick: () => change(edit)}, text);
  const remove = button("−", "Remove the last hidden layer", (hidden) => hidden.pop());
  const add = button("+", "Add a hidden layer", (hidden) => hidden.push(hidden.at(-1) ?? DEFAULT_UNITS));
  const count = element("span", {class: "numbers playground-count", "aria-live": "polite"});
  return {
    box: element("div", {class: "row playground-layers"}, remove, count, add),
    unitButtons: (layer, units) => [
      button("−", `Remove a unit from layer ${layer}`, (hidden) => { hidden[layer - 1] -= 1; }, units <= 1),
      button("+", `Add a unit to layer ${layer}`, (hidden) => { hidden[layer - 1] += 1; }, units >= LIMITS.units),
    ],
    update(layers) {
      count.textContent = `${layers} hidden layer${layers === 1 ? "" : "s"}`;
      remove.disabled = !layers;
      add.disabled = layers >= LIMITS.layers;
    },
  };
}
