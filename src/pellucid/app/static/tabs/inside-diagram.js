// The diagram of the dense layers: the input as pixels, each layer as a column of neurons, and the strongest connections.
// The contribution of a connection is its weight × the activation of the neuron before it; only the MAX_CONNECTIONS connections of
// each layer with the largest contributions are drawn.

import {colour, fitToScreen, oncePerFrame, onThemeChange, rgb} from "../dom.js";

const MAX_CONNECTIONS = 120;                          // drawn for each layer
const MAX_OWN = 60;                                   // drawn of one neuron, for each layer
const OPACITY_STEPS = 8;
const POINTER_DISTANCE = 7;                           // pixels from the pointer to the connection that it selects

// onSelect(layer, unit) is called when a neuron is clicked.
export function createDiagram(canvas, tip, onSelect) {
  let layers = [], classes = [];                      // the network: its dense layers, and the names of the outputs
  let activations = null, inputShape = [28, 28, 1];   // {inputs, values} of each layer for the current drawing, or null
  let columns = [], connections = [];                 // what the last paint() has drawn, with its positions
  let focus = null;                                   // the neuron or pixel under the pointer: only its connections are drawn
  const sheet = document.createElement("canvas");

  const draw = oncePerFrame(() => {
    paint();
    canvas.dataset.frames = 1 + Number(canvas.dataset.frames || 0);
  });

  function setNetwork(dense, names) {
    layers = dense;
    classes = names;
    activations = focus = null;
    connections = [];
    draw();
  }

  function setActivations(next, shape) {
    activations = next;
    if (shape) inputShape = shape;
    draw();
  }

  function paint() {
    const width = canvas.clientWidth;
    if (!width) return;
    const height = Math.max(320, Math.min(620, width * 0.62));
    canvas.style.height = `${height}px`;
    const context = fitToScreen(canvas, width, height);
    context.clearRect(0, 0, width, height);
    if (!layers.length) return;
    columns = [inputColumn(inputShape, width, height), ...neuronColumns(layers, inputShape, width, height)];
    connections = activations ? activations.map(({inputs}, i) => strongest(inputs, layers[i].weights, layers[i].shape[1])) : [];
    connections.forEach((found, i) => paintConnections(context, focus ? connectionsOf(focus, i) : found, i));
    columns.forEach((column, i) => (i ? paintNeurons : paintInput)(context, column, i));
    if (focus && columns[focus.column]?.points[focus.index]) {
      const [x, y] = columns[focus.column].points[focus.index];
      context.strokeStyle = colour("--blue");
      context.lineWidth = 2;
      context.beginPath();
      context.arc(x, y, (columns[focus.column].radius ?? columns[focus.column].cell) + 3, 0, 7);
      context.stroke();
    }
  }

  // The strongest connections of one neuron or pixel to the layer before (column - 1) or after it, as strongest() returns them.
  function connectionsOf({column, index}, i) {
    const {inputs} = activations[i], {weights, shape: [, units]} = layers[i], found = [];
    if (column === i + 1) inputs.forEach((a, k) => { if (a) found.push([k, index, weights[k * units + index]]); });
    else if (column === i && inputs[index]) for (let j = 0; j < units; j++) found.push([index, j, weights[index * units + j]]);
    const size = ([k, , w]) => Math.abs(inputs[k] * w);
    return found.sort((a, b) => size(b) - size(a)).slice(0, MAX_OWN);
  }

  function paintConnections(context, found, i) {
    const [from, to] = [columns[i].points, columns[i + 1].points], inputs = activations[i].inputs;
    let maxInput = 0, maxWeight = 0;
    for (const [k, , w] of found) { maxInput = Math.max(maxInput, Math.abs(inputs[k])); maxWeight = Math.max(maxWeight, Math.abs(w)); }
    const groups = new Map();                           // one path for all lines that look alike: few strokes, many lines
    for (const connection of found) {
      const [k, j, w] = connection;
      const opacity = Math.ceil(OPACITY_STEPS * Math.abs(inputs[k]) / maxInput), wide = Math.abs(w) > maxWeight / 2;
      const key = `${w > 0} ${opacity} ${wide}`;
      if (!groups.has(key)) groups.set(key, {positive: w > 0, opacity: opacity / OPACITY_STEPS, wide, lines: []});
      groups.get(key).lines.push([from[k], to[j]]);
    }
    const [plus, minus] = [rgb(colour("--vermilion")), rgb(colour("--blue"))];
    for (const {positive, opacity, wide, lines} of groups.values()) {
      context.strokeStyle = `rgb(${(positive ? plus : minus).join(" ")} / ${0.08 + 0.72 * opacity})`;
      context.lineWidth = wide ? 1.5 : 0.7;
      context.beginPath();
      for (const [start, end] of lines) { context.moveTo(...start); context.lineTo(...end); }
      context.stroke();
    }
  }

  // Paints the input as one small image that is enlarged: painting 784 rectangles in each frame is slow.
  function paintInput(context, {cell, box: [left, top, across, down], cells}) {
    const values = activations?.[0].inputs, max = values ? values.reduce((m, v) => Math.max(m, Math.abs(v)), 1e-9) : 1;
    const [paper, ink, minus] = [rgb(colour("--soft")), rgb(colour("--ink")), rgb(colour("--blue"))];
    sheet.width = across;                               // also clears it: the gaps between feature maps stay transparent
    sheet.height = down;
    const small = sheet.getContext("2d"), image = small.createImageData(across, down);
    cells.forEach((at, i) => {
      const signed = values ? values[i] / max : 0, to = signed < 0 ? minus : ink, fraction = Math.abs(signed);
      for (let c = 0; c < 3; c++) image.data[4 * at + c] = paper[c] + (to[c] - paper[c]) * fraction;
      image.data[4 * at + 3] = 255;
    });
    small.putImageData(image, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(sheet, left, top, across * cell, down * cell);
  }

  function paintNeurons(context, column, i) {
    const values = activations?.[i - 1].values, max = values ? values.reduce((m, v) => Math.max(m, Math.abs(v)), 1e-9) : 1;
    const isOutput = i === columns.length - 1, [paper, ink] = [rgb(colour("--paper")), rgb(colour(isOutput ? "--vermilion" : "--ink"))];
    context.strokeStyle = colour("--quiet");
    context.lineWidth = 0.6;
    context.font = "600 15px system-ui, sans-serif";
    context.textBaseline = "middle";
    column.points.forEach(([x, y], k) => {
      const fraction = values ? Math.abs(values[k]) / (isOutput ? 1 : max) : 0;
      context.fillStyle = `rgb(${paper.map((p, c) => Math.round(p + (ink[c] - p) * fraction)).join(" ")})`;
      if (column.radius < 3) {                          // hundreds of small neurons: squares are faster to paint than circles
        context.fillRect(x - column.radius, y - column.radius, 2 * column.radius, 2 * column.radius);
        context.strokeRect(x - column.radius, y - column.radius, 2 * column.radius, 2 * column.radius);
      } else {
        context.beginPath();
        context.arc(x, y, column.radius, 0, 7);
        context.fill();
        context.stroke();
      }
      if (isOutput) {
        context.fillStyle = colour("--ink");
        context.fillText(classes[k] === "no digit" ? "none" : classes[k], x + column.radius + 5, y);
      }
    });
  }

  // -- the pointer ----------------------------------------------------------------------------------------------------

  // The neuron or pixel {column, index} at the pointer, or else the connection {connection: [layer, from, to, weight]} near it.
  function find(x, y) {
    for (let i = columns.length - 1; i >= 0; i--) {
      const reach = i ? columns[i].radius + 2 : columns[i].cell / 2 + 1;
      const index = columns[i].points.findIndex(([px, py]) => Math.abs(px - x) <= reach && Math.abs(py - y) <= reach);
      if (index >= 0) return {column: i, index};
    }
    let smallest = POINTER_DISTANCE, nearest = null;
    connections.forEach((found, i) => {
      for (const [k, j, w] of found) {
        const distance = distanceToLine(x, y, columns[i].points[k], columns[i + 1].points[j]);
        if (distance < smallest) { smallest = distance; nearest = {connection: [i, k, j, w]}; }
      }
    });
    return nearest;
  }

  function describe({connection, column, index}) {
    if (connection) {
      const [i, k, j, w] = connection, a = activations[i].inputs[k];
      return `${nameOf(i, k)} → ${nameOf(i + 1, j)}: weight ${w.toFixed(3)} × activation ${a.toFixed(3)} = ${(w * a).toFixed(3)}`;
    }
    const value = activations && (column ? activations[column - 1].values[index] : activations[0].inputs[index]);
    return value == null ? nameOf(column, index) : `${nameOf(column, index)}: ${value.toFixed(3)}`;
  }

  function nameOf(column, index) {
    if (column === columns.length - 1) return `output “${classes[index]}”`;
    if (column) return `${layers[column - 1].name}, neuron ${index}`;
    const [, w, c] = inputShape, row = Math.floor(index / c / w), across = Math.floor(index / c) % w;
    return c > 1 ? `map ${index % c}, row ${row}, column ${across}` : `pixel in row ${row}, column ${across}`;
  }

  function point(event) {
    const frame = canvas.getBoundingClientRect(), x = event.clientX - frame.left, y = event.clientY - frame.top;
    const found = find(x, y);
    tip.hidden = !found;
    if (found) {
      tip.textContent = describe(found);
      tip.style.left = `${Math.min(x + 14, canvas.clientWidth - 190)}px`;
      tip.style.top = `${y + 14}px`;
    }
    setFocus(found?.connection ? null : found);
  }

  function setFocus(next) {
    if (focus?.column === next?.column && focus?.index === next?.index) return;
    focus = next;
    draw();
  }

  // -- the keyboard ---------------------------------------------------------------------------------------------------

  // The arrow keys go to the next neuron or pixel in their direction, first in the same column; Escape leaves the diagram's focus.
  function move(event) {
    const direction = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
    if (event.key === "Escape") { tip.hidden = true; setFocus(null); return; }
    if (event.key === "Enter" && focus?.column) { onSelect(focus.column - 1, focus.index); return; }
    if (!direction || !columns.length) return;
    event.preventDefault();
    const last = columns.length - 1;
    const next = focus && columns[focus.column]?.points[focus.index] ? neighbour(focus, direction) : {column: last, index: 0};
    if (!next) return;
    const [x, y] = columns[next.column].points[next.index];
    tip.hidden = false;
    tip.textContent = describe(next);
    tip.style.left = `${Math.min(x + 14, canvas.clientWidth - 190)}px`;
    tip.style.top = `${y + 14}px`;
    setFocus(next);
  }

  function neighbour({column, index}, [dx, dy]) {
    const [x, y] = columns[column].points[index];
    const closest = (points, fits) => {                // the nearest point in the direction; those beside it count as farther
      let found = -1, smallest = Infinity;
      points.forEach(([px, py], i) => {
        const along = (px - x) * dx + (py - y) * dy, beside = Math.abs((px - x) * dy) + Math.abs((py - y) * dx);
        if (fits(along, beside) && Math.abs(along) + 3 * beside < smallest) { smallest = Math.abs(along) + 3 * beside; found = i; }
      });
      return found;
    };
    const same = closest(columns[column].points, (along, beside) => along > 0.5 && beside <= along);
    if (same >= 0) return {column, index: same};
    const other = column + dx;
    if (!dx || !columns[other]) return null;
    return {column: other, index: closest(columns[other].points, () => true)};
  }

  canvas.addEventListener("keydown", move);
  canvas.addEventListener("blur", () => { tip.hidden = true; setFocus(null); });
  canvas.addEventListener("pointermove", point);
  canvas.addEventListener("pointerdown", point);
  canvas.addEventListener("click", (event) => {
    const frame = canvas.getBoundingClientRect(), found = find(event.clientX - frame.left, event.clientY - frame.top);
    if (found?.column) onSelect(found.column - 1, found.index);
  });
  canvas.addEventListener("pointerleave", () => { tip.hidden = true; setFocus(null); });
  new ResizeObserver(draw).observe(canvas.parentElement);
  onThemeChange(draw);
  return {setNetwork, setActivations, draw};
}

const INPUT_LEFT = 8;

// How the input is laid out: its feature maps in a square grid, one cell apart. `cell` is the size of a pixel.
function inputLayout([h, w, c], width, height) {
  const maps = Math.ceil(Math.sqrt(c)), gap = c > 1 ? 1 : 0;
  const across = maps * (w + gap) - gap, down = Math.ceil(c / maps) * (h + gap) - gap;
  const fit = Math.min(width * 0.3, height - 40) / Math.max(across, down);
  return {maps, gap, across, down, cell: fit > 3 ? Math.floor(fit) : fit};
}

// The input column: `cells` are positions in the grid, `points` the centres of the pixels on the canvas.
function inputColumn(shape, width, height) {
  const [h, w, c] = shape, {maps, gap, across, down, cell} = inputLayout(shape, width, height);
  const top = Math.round((height - down * cell) / 2);
  const column = {cell, box: [INPUT_LEFT, top, across, down], cells: [], points: []};
  for (let i = 0; i < h * w * c; i++) {
    const k = i % c, x = (k % maps) * (w + gap) + Math.floor(i / c) % w, y = Math.floor(k / maps) * (h + gap) + Math.floor(i / c / w);
    column.cells.push(y * across + x);
    column.points.push([INPUT_LEFT + (x + 0.5) * cell, top + (y + 0.5) * cell]);
  }
  return column;
}

// A column for each layer; a layer with many neurons takes several lines of points.
function neuronColumns(layers, shape, width, height) {
  const {across, cell} = inputLayout(shape, width, height);
  const start = INPUT_LEFT + across * cell + 40, end = width - 62;
  return layers.map((layer, i) => {
    const units = layer.shape[1], isOutput = i === layers.length - 1;
    const x = layers.length === 1 ? end : start + (end - start) * (i + 1) / layers.length - (isOutput ? 0 : 20);
    const lines = isOutput ? 1 : Math.ceil(units / Math.max(1, Math.floor((height - 30) / 5)));
    const rows = Math.ceil(units / lines), step = (height - 30) / rows, radius = Math.max(1.5, Math.min(isOutput ? 9 : 6, step * 0.42));
    return {radius, points: Array.from({length: units}, (_, k) =>
      [x + (Math.floor(k / rows) - (lines - 1) / 2) * Math.max(5, radius * 2.3), 15 + step * (k % rows + 0.5)])};
  });
}

// The connections [from, to, weight] with the largest contributions. A histogram finds the threshold: sorting 200,000 values in
// each frame takes too long.
function strongest(inputs, weights, units) {
  let max = 0;
  for (let i = 0; i < inputs.length; i++) {
    const a = Math.abs(inputs[i]);
    if (a) for (let j = 0, at = i * units; j < units; j++, at++) { const s = a * Math.abs(weights[at]); if (s > max) max = s; }
  }
  if (!max) return [];
  const bins = new Uint32Array(257), scale = 256 / max;
  for (let i = 0; i < inputs.length; i++) {
    const a = Math.abs(inputs[i]) * scale;
    if (a) for (let j = 0, at = i * units; j < units; j++, at++) bins[(a * Math.abs(weights[at])) | 0]++;
  }
  let bin = 256, count = bins[256];
  while (bin > 1 && count + bins[bin - 1] <= MAX_CONNECTIONS) count += bins[--bin];
  const threshold = bin / scale, found = [];
  for (let i = 0; i < inputs.length; i++) {
    const a = Math.abs(inputs[i]);
    if (a) for (let j = 0, at = i * units; j < units; j++, at++) if (a * Math.abs(weights[at]) >= threshold) found.push([i, j, weights[at]]);
  }
  return found;
}

function distanceToLine(x, y, [x0, y0], [x1, y1]) {
  const dx = x1 - x0, dy = y1 - y0, along = Math.max(0, Math.min(1, ((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy || 1)));
  return Math.hypot(x - x0 - along * dx, y - y0 - along * dy);
}
