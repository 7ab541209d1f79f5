// The diagram of dense layers: the input as pixels, each layer as a column of neurons, and the connections that say most.
// A connection's share is weight × activation of the neuron before; only the strongest MOST of each layer are drawn.

import {colour, rgb, sharp, whenThemeChanges} from "./dom.js";

const MOST = 120, SHADES = 8, NEAR = 7;              // connections a layer; steps of opacity; pixels to a connection that is meant

export function diagram(canvas, tip) {
  let layers = [], classes = [], state = null, shape = [28, 28, 1], columns = [], edges = [], focus = null, waiting = false;

  function network(dense, names) { layers = dense; classes = names; state = null; edges = []; draw(); }

  function setState(stages, inputShape) {
    state = stages;
    if (inputShape) shape = inputShape;
    draw();
  }

  const draw = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; paint(); canvas.dataset.frames = 1 + Number(canvas.dataset.frames || 0); });
  };

  // Where everything stands: columns of points, the first one the input's pixels.
  function place(width, height) {
    const [h, w, c] = shape, maps = Math.ceil(Math.sqrt(c)), gap = c > 1 ? 1 : 0;   // maps stand one cell apart
    const across = maps * (w + gap) - gap, down = Math.ceil(c / maps) * (h + gap) - gap;
    const room = Math.min(width * 0.3, height - 40), fit = room / Math.max(across, down);
    const cell = fit > 3 ? Math.floor(fit) : fit, left = 8, top = Math.round((height - down * cell) / 2);
    const input = {kind: "pixels", cell, box: [left, top, across, down], cells: [], points: []};
    for (let i = 0; i < h * w * c; i++) {
      const k = i % c, x = (k % maps) * (w + gap) + Math.floor(i / c) % w, y = Math.floor(k / maps) * (h + gap) + Math.floor(i / c / w);
      input.cells.push(y * across + x);
      input.points.push([left + (x + 0.5) * cell, top + (y + 0.5) * cell]);
    }
    columns = [input];
    const start = left + across * cell + 40, end = width - 62;
    layers.forEach((layer, i) => {
      const units = layer.shape[1], last = i === layers.length - 1;
      const x = layers.length === 1 ? end : start + (end - start) * (i + 1) / layers.length - (last ? 0 : 20);
      const lines = last ? 1 : Math.ceil(units / Math.max(1, Math.floor((height - 30) / 5)));
      const rows = Math.ceil(units / lines), step = (height - 30) / rows, radius = Math.max(1.5, Math.min(last ? 9 : 6, step * 0.42));
      columns.push({kind: "neurons", radius, points: Array.from({length: units}, (_, k) =>
        [x + (Math.floor(k / rows) - (lines - 1) / 2) * Math.max(5, radius * 2.3), 15 + step * (k % rows + 0.5)])});
    });
  }

  // The strongest shares of one layer, by a histogram: sorting 200,000 numbers for each frame would take too long.
  function strongest(inputs, weights, units) {
    let most = 0;
    for (let i = 0; i < inputs.length; i++) {
      const a = Math.abs(inputs[i]);
      if (a) for (let j = 0, at = i * units; j < units; j++, at++) { const s = a * Math.abs(weights[at]); if (s > most) most = s; }
    }
    if (!most) return [];
    const bins = new Uint32Array(257), scale = 256 / most;
    for (let i = 0; i < inputs.length; i++) {
      const a = Math.abs(inputs[i]) * scale;
      if (a) for (let j = 0, at = i * units; j < units; j++, at++) bins[(a * Math.abs(weights[at])) | 0]++;
    }
    let bin = 256, count = bins[256];
    while (bin > 1 && count + bins[bin - 1] <= MOST) count += bins[--bin];
    const least = bin / scale, found = [];
    for (let i = 0; i < inputs.length; i++) {
      const a = Math.abs(inputs[i]);
      if (a) for (let j = 0, at = i * units; j < units; j++, at++) if (a * Math.abs(weights[at]) >= least) found.push([i, j, weights[at]]);
    }
    return found;
  }

  function paint() {
    const width = canvas.clientWidth;
    if (!width) return;
    const height = Math.max(320, Math.min(620, width * 0.62));
    canvas.style.height = `${height}px`;
    const context = sharp(canvas, width, height);
    context.clearRect(0, 0, width, height);
    if (!layers.length) return;
    place(width, height);
    edges = state ? state.map((one, i) => strongest(one.inputs, layers[i].weights, layers[i].shape[1])) : [];
    edges.forEach((found, i) => connections(context, found, i));
    columns.forEach((column, i) => (column.kind === "pixels" ? pixels : neurons)(context, column, i));
  }

  function connections(context, found, i) {
    const [from, to] = [columns[i].points, columns[i + 1].points], inputs = state[i].inputs;
    let active = 0, heavy = 0;
    for (const [k, , w] of found) { active = Math.max(active, Math.abs(inputs[k])); heavy = Math.max(heavy, Math.abs(w)); }
    const groups = new Map();                           // one path for all lines that look alike: few strokes, many lines
    for (const edge of found) {
      const [k, j, w] = edge;
      if (focus && !(focus.column === i && focus.index === k) && !(focus.column === i + 1 && focus.index === j)) continue;
      const shade = Math.ceil(SHADES * Math.abs(inputs[k]) / active), thick = Math.abs(w) > heavy / 2 ? 2 : 1;
      const key = (w > 0 ? 100 : 0) + shade * 4 + thick;
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push(edge);
    }
    const [plus, minus] = [rgb(colour("--vermilion")), rgb(colour("--blue"))];
    for (const [key, same] of groups) {
      const shade = ((key % 100) >> 2) / SHADES;
      context.strokeStyle = `rgb(${(key >= 100 ? plus : minus).join(" ")} / ${0.08 + 0.72 * shade})`;
      context.lineWidth = key % 4 === 2 ? 1.5 : 0.7;
      context.beginPath();
      for (const [k, j] of same) { context.moveTo(...from[k]); context.lineTo(...to[j]); }
      context.stroke();
    }
  }

  // The input's pixels, as one small image that is made large: 784 rectangles a frame would take their time.
  const sheet = document.createElement("canvas");
  function pixels(context, {cell, box: [left, top, across, down], cells}) {
    const values = state?.[0].inputs, most = values ? values.reduce((m, v) => Math.max(m, Math.abs(v)), 1e-9) : 1;
    const [paper, ink, minus] = [rgb(colour("--soft")), rgb(colour("--ink")), rgb(colour("--blue"))];
    sheet.width = across; sheet.height = down;
    const small = sheet.getContext("2d"), image = small.createImageData(across, down);
    cells.forEach((at, i) => {
      const share = values ? values[i] / most : 0, to = share < 0 ? minus : ink, part = Math.abs(share);
      for (let c = 0; c < 3; c++) image.data[4 * at + c] = paper[c] + (to[c] - paper[c]) * part;
      image.data[4 * at + 3] = 255;
    });
    small.putImageData(image, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(sheet, left, top, across * cell, down * cell);
  }

  function neurons(context, column, i) {
    const values = state?.[i - 1].values, most = values ? values.reduce((m, v) => Math.max(m, Math.abs(v)), 1e-9) : 1;
    const last = i === columns.length - 1, [paper, ink] = [rgb(colour("--paper")), rgb(colour(last ? "--vermilion" : "--ink"))];
    context.strokeStyle = colour("--quiet");
    context.lineWidth = 0.6;
    context.font = "600 15px system-ui, sans-serif";
    context.textBaseline = "middle";
    column.points.forEach(([x, y], k) => {
      const share = values ? Math.abs(values[k]) / (last ? 1 : most) : 0;
      context.fillStyle = `rgb(${paper.map((p, c) => Math.round(p + (ink[c] - p) * share)).join(" ")})`;
      if (column.radius < 3) {                          // hundreds of small ones: squares are painted quicker than circles
        context.fillRect(x - column.radius, y - column.radius, 2 * column.radius, 2 * column.radius);
        context.strokeRect(x - column.radius, y - column.radius, 2 * column.radius, 2 * column.radius);
      } else {
        context.beginPath();
        context.arc(x, y, column.radius, 0, 7);
        context.fill();
        context.stroke();
      }
      if (last) {
        context.fillStyle = colour("--ink");
        context.fillText(classes[k] === "no digit" ? "none" : classes[k], x + column.radius + 5, y);
      }
    });
  }

  // -- pointing ------------------------------------------------------------------------------------------------------

  function at(event) {
    const frame = canvas.getBoundingClientRect(), x = event.clientX - frame.left, y = event.clientY - frame.top;
    for (let i = columns.length - 1; i >= 0; i--) {
      const near = columns[i].kind === "pixels" ? columns[i].cell / 2 + 1 : columns[i].radius + 2;
      const index = columns[i].points.findIndex(([px, py]) => Math.abs(px - x) <= near && Math.abs(py - y) <= near);
      if (index >= 0) return {x, y, column: i, index};
    }
    let best = NEAR, meant = null;
    edges.forEach((found, i) => {
      for (const [k, j, w] of found) {
        const distance = toLine(x, y, columns[i].points[k], columns[i + 1].points[j]);
        if (distance < best) { best = distance; meant = {x, y, edge: [i, k, j, w]}; }
      }
    });
    return meant;
  }

  function said(meant) {
    if (meant.edge) {
      const [i, k, j, w] = meant.edge, a = state[i].inputs[k];
      return `${name(i, k)} → ${name(i + 1, j)}: weight ${w.toFixed(3)} × activation ${a.toFixed(3)} = ${(w * a).toFixed(3)}`;
    }
    const {column, index} = meant, value = state && (column ? state[column - 1].values[index] : state[0].inputs[index]);
    return value == null ? name(column, index) : `${name(column, index)}: ${value.toFixed(3)}`;
  }

  function name(column, index) {
    if (column === columns.length - 1) return `output “${classes[index]}”`;
    if (column) return `${layers[column - 1].name}, neuron ${index}`;
    const [, w, c] = shape, row = Math.floor(index / c / w), across = Math.floor(index / c) % w;
    return c > 1 ? `map ${index % c}, row ${row}, column ${across}` : `pixel in row ${row}, column ${across}`;
  }

  function point(event) {
    const meant = at(event), next = meant && meant.edge === undefined ? meant : null;
    tip.hidden = !meant;
    if (meant) {
      tip.textContent = said(meant);
      tip.style.left = `${Math.min(meant.x + 14, canvas.clientWidth - 190)}px`;
      tip.style.top = `${meant.y + 14}px`;
    }
    if (focus?.column !== next?.column || focus?.index !== next?.index) { focus = next; draw(); }
  }
  canvas.addEventListener("pointermove", point);
  canvas.addEventListener("pointerdown", point);
  canvas.addEventListener("pointerleave", () => { tip.hidden = true; if (focus) { focus = null; draw(); } });
  new ResizeObserver(draw).observe(canvas.parentElement);
  whenThemeChanges(draw);
  return {network, state: setState, resized: draw};
}

function toLine(x, y, [x0, y0], [x1, y1]) {
  const dx = x1 - x0, dy = y1 - y0, along = Math.max(0, Math.min(1, ((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy || 1)));
  return Math.hypot(x - x0 - along * dx, y - y0 - along * dy);
}
