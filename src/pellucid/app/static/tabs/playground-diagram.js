// The network as a diagram: each unit a small picture of where in the plane it is active, each weight a line, blue and dashed
// where it is negative, vermilion where it is positive, the wider the larger.

import {unpackBytes, unpackFloats} from "./api.js";
import {element, sharp, whenThemeChanges} from "./dom.js";
import {COLOURS, colour, paintDots, shade, signedShade} from "./playground-plane.js";
import {LIMITS} from "./playground-state.js";

const HEAD = 66, NARROW_HEAD = 96, NEAR = 6, DOTS = 20;
const signed = (value) => (Math.abs(value) >= 100 || (value && Math.abs(value) < 0.01) ? value.toExponential(1) : value.toFixed(2)).replace("-", "−");
const subscript = (number) => String(number).replace(/\d/g, (digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]);

// changed(hidden): the layers were changed; pointed(unit or null): the number of the unit that is looked at; said(text).
export function diagram({changed, pointed, said}) {
  const lines = element("canvas", {class: "pg-lines", "aria-hidden": "true"});
  const stage = element("div", {class: "pg-stage"}, lines);
  const fewer = element("button", {type: "button", "aria-label": "Remove the last hidden layer", onclick: () => change((hidden) => hidden.pop())}, "−");
  const more = element("button", {type: "button", "aria-label": "Add a hidden layer", onclick: () => change((hidden) => hidden.push(hidden.at(-1) ?? 4))}, "+");
  const count = element("span", {class: "numbers pg-count", "aria-live": "polite"});
  const layers = element("div", {class: "row pg-layers"}, fewer, count, more);
  let hidden = [], classes = 2, state = null, columns = [], weights = [], held = null;     // held: {unit, look} of a clicked unit

  function change(how) {
    const next = [...hidden];
    how(next);
    changed(next);
  }

  // Columns of units: the inputs, the hidden layers, the outputs. Made anew when the shape of the network changes.
  function build() {
    stage.replaceChildren(lines);
    columns = [2, ...hidden, classes].map((units, j, all) => {
      const inner = j > 0 && j < all.length - 1, before = hidden.slice(0, j - 1).reduce((a, b) => a + b, 0);
      const made = Array.from({length: units}, (_, i) => {
        const canvas = element("canvas", {width: DOTS, height: DOTS});
        const name = j === 0 ? `input x${subscript(i + 1)}` : inner ? `layer ${j}, unit ${i + 1}` : `output: class ${i}`;
        const look = () => { said(about(j, i, name)); pointed(inner ? before + i : null); };
        const leave = () => {
          if (held) { held.look(); return; }
          said("");
          pointed(null);
        };
        return element("button", {
          type: "button", class: "pg-unit", "aria-label": name, onpointerenter: look, onfocus: look, onpointerleave: leave, onblur: leave,
          onclick: (event) => {                      // a tap or a click holds the picture until the next one
            const unit = event.currentTarget;
            held = held?.unit === unit ? null : {unit, look};
            for (const one of stage.querySelectorAll(".pg-unit")) one.classList.toggle("held", one === held?.unit);
            look();
          },
        }, canvas);
      });
      const head = element("div", {class: "pg-head"});
      if (inner) {
        head.append(
          element("button", {
            type: "button", "aria-label": `One unit fewer in layer ${j}`, disabled: units <= 1,
            onclick: () => change((next) => { next[j - 1] -= 1; }),
          }, "−"),
          element("button", {
            type: "button", "aria-label": `One unit more in layer ${j}`, disabled: units >= LIMITS.units,
            onclick: () => change((next) => { next[j - 1] += 1; }),
          }, "+"),
        );
      }
      const label = element("span", {class: "small numbers"}, inner ? String(units) : j ? "out" : "in");
      head.append(label);
      stage.append(head, ...made);
      return {units: made, head, label, inner};
    });
    held = null;
    pointed(null);
    count.textContent = `${hidden.length} hidden layer${hidden.length === 1 ? "" : "s"}`;
    fewer.disabled = !hidden.length;
    more.disabled = hidden.length >= LIMITS.layers;
    place();
  }

  function place() {
    const width = stage.clientWidth, height = stage.clientHeight;
    if (!width || !columns.length) return;
    const room = width / columns.length, narrow = room < 76, top = narrow ? NARROW_HEAD : HEAD;
    const tall = height - top, most = Math.max(...columns.map((column) => column.units.length));
    const pitch = Math.min(54, tall / most), size = Math.max(14, Math.min(44, pitch - 4, room - 10));
    columns.forEach((column, j) => {
      column.x = room * (j + 0.5);
      column.head.style.left = `${room * j}px`;
      column.head.style.width = `${room}px`;
      column.head.classList.toggle("narrow", narrow);
      if (column.inner && !narrow) column.label.textContent = `${column.units.length} unit${column.units.length === 1 ? "" : "s"}`;
      else if (column.inner) column.label.textContent = String(column.units.length);
      column.ys = column.units.map((unit, i) => {
        const y = top + tall / 2 + (i - (column.units.length - 1) / 2) * pitch;
        unit.style.left = `${column.x - size / 2}px`;
        unit.style.top = `${y - size / 2}px`;
        unit.style.width = unit.style.height = `${size}px`;
        return y;
      });
      column.half = size / 2;
    });
    wires();
  }

  function wires() {
    const width = stage.clientWidth, height = stage.clientHeight;
    if (!width || !state || weights.length !== columns.length - 1) return;
    const context = sharp(lines, width, height);
    context.clearRect(0, 0, width, height);
    const most = weights.reduce((found, {W}) => W.reduce((m, w) => Math.max(m, Math.abs(w)), found), 0) || 1;
    const [plus, minus] = [colour("--vermilion"), colour("--blue")];
    weights.forEach(({W}, j) => each(j, (i, o, from, to) => {
      const w = W[i * columns[j + 1].units.length + o], share = Math.abs(w) / most;
      if (share < 0.004) return;
      context.strokeStyle = w > 0 ? plus : minus;
      context.globalAlpha = 0.25 + 0.7 * share;
      context.lineWidth = 0.6 + 4.4 * share;
      context.setLineDash(w > 0 ? [] : [6, 4]);
      context.beginPath();
      context.moveTo(...from);
      context.lineTo(...to);
      context.stroke();
    }));
    context.globalAlpha = 1;
    context.setLineDash([]);
  }

  function each(j, visit) {                          // the lines between column j and the next
    const left = columns[j], right = columns[j + 1];
    left.ys.forEach((y, i) => right.ys.forEach((z, o) => visit(i, o, [left.x + left.half, y], [right.x - right.half, z])));
  }

  function pictures() {
    if (!state) return;
    const units = unpackBytes(state.units), decision = unpackBytes(state.decision), fine = Math.round(Math.sqrt(decision.length / classes));
    const paper = shade("--paper"), dots = Math.round(Math.sqrt(units.length / Math.max(1, hidden.reduce((a, b) => a + b, 0)))) || DOTS;
    let start = 0;
    columns.forEach((column, j) => column.units.forEach((unit, i) => {
      const canvas = unit.firstChild;
      if (column.inner) {
        paintDots(canvas, dots, signedShade(units, start));
        start += dots * dots;
      } else if (j) {
        const to = shade(COLOURS[i]), from = i * fine * fine;
        paintDots(canvas, fine, (k, data, at) => {
          for (let c = 0; c < 3; c++) data[at + c] = paper[c] + (to[c] - paper[c]) * decision[from + k] / 255;
        });
      }
    }));
  }

  function inputs() {                                // what the inputs see never changes: a slope to the right, one upwards
    columns[0]?.units.forEach((unit, axis) => {
      const slope = Uint8Array.from({length: DOTS * DOTS}, (_, k) => {
        const share = axis ? 1 - 2 * (Math.floor(k / DOTS) + 0.5) / DOTS : 2 * (k % DOTS + 0.5) / DOTS - 1;
        return 128 + Math.round(127 * share);
      });
      paintDots(unit.firstChild, DOTS, signedShade(slope));
    });
  }

  function about(j, i, name) {
    if (j === 0 || !weights[j - 1]) return name;
    const {W, b} = weights[j - 1], n = columns[j].units.length;
    const incoming = Array.from({length: W.length / n}, (_, k) => signed(W[k * n + i]));
    const shown = incoming.length > 6 ? `${incoming.slice(0, 6).join(", ")}, …` : incoming.join(", ");
    return `${name}: bias ${signed(b[i])}; weights ${shown}`;
  }

  stage.addEventListener("pointermove", (event) => {
    if (event.target !== lines || held) return;
    const frame = stage.getBoundingClientRect(), x = event.clientX - frame.left, y = event.clientY - frame.top;
    let best = NEAR, found = "";
    weights.forEach(({W}, j) => each(j, (i, o, [x0, y0], [x1, y1]) => {
      if (x < x0 || x > x1) return;
      const away = Math.abs(y0 + (y1 - y0) * (x - x0) / (x1 - x0) - y) * (x1 - x0) / Math.hypot(x1 - x0, y1 - y0);
      if (away >= best) return;
      best = away;
      const name = (k, unit) => columns[k].units[unit].getAttribute("aria-label");
      found = `weight ${signed(W[i * columns[j + 1].units.length + o])}: ${name(j, i)} → ${name(j + 1, o)}`;
    }));
    said(found);
  });
  lines.addEventListener("pointerleave", () => { if (!held) said(""); });

  new ResizeObserver(place).observe(stage);
  whenThemeChanges(() => { inputs(); pictures(); wires(); });
  return {
    stage, layers,
    shape(nextHidden, nextClasses) {
      if (columns.length && String(hidden) === String(nextHidden) && classes === nextClasses) return;
      [hidden, classes, state, weights] = [[...nextHidden], nextClasses, null, []];
      build();
      inputs();
    },
    clear() {
      [state, weights] = [null, []];
      build();
      inputs();
      lines.getContext("2d").clearRect(0, 0, lines.width, lines.height);
    },
    draw(next) {
      state = next;
      weights = state.weights.map(({W, b}) => ({W: unpackFloats(W), b: unpackFloats(b)}));
      pictures();
      wires();
    },
  };
}
