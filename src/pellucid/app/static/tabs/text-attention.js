// Attention: all heads as small matrices with their switches, and one head as lines over the text and as a matrix.

import {unpackBytes, unpackFloats} from "../api.js";
import {colour, element, fitToScreen, onThemeChange, oncePerFrame, paintPixels, percent, rgb} from "../dom.js";
import {inWords} from "./text-names.js";
import {textStrip} from "./text-strip.js";

const KEYS = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]};

// Calls on.head(layer, head), on.position(position) and on.heads(off), where off is a list of [layer, head], when they are chosen.
export function attentionCard(on) {
  const strip = textStrip(on.position), grid = element("div", {class: "text-heads"});
  const matrix = element("canvas", {class: "text-matrix", tabindex: 0, role: "img", "aria-label": "Attention weights"}), cell = element("p", {class: "small numbers text-cell", role: "status"});
  const title = element("h3", {}), hint = element("p", {class: "quiet small"});
  const box = element("div", {class: "card"},
    element("h2", {}, "Attention"), hint, strip.canvas, strip.reading,
    element("div", {class: "text-attention"}, element("div", {}, title, matrix, cell), element("div", {}, element("h3", {}, "All heads"),
      element("p", {class: "quiet small"}, "The last positions. Click one to see it; uncheck it to switch it off."), grid)));
  let heads = [];                                      // {layer, head, button, canvas, box}
  let off = new Set(), latest = null, weights = null, pointed = null;

  // Makes the buttons and the switches of the heads of a network.
  function setLayers(layers) {
    off = new Set();
    latest = weights = pointed = null;
    heads = layers.flatMap(({path, heads: count}, i) => [...Array(count).keys()].map((head) => {
      const name = `Layer ${i + 1}, head ${head + 1}`, canvas = element("canvas", {width: 1, height: 1, "aria-hidden": "true"});
      const one = {
        layer: path, head, canvas, name,
        button: element("button", {type: "button", role: "radio", "aria-label": name, title: name, tabindex: -1, onclick: () => on.head(path, head)}, canvas),
        check: element("input", {type: "checkbox", checked: true, "aria-label": `${name} is on`, onchange: toggled}),
      };
      one.box = element("div", {class: "text-head"}, one.button, element("label", {}, one.check, `${i + 1}.${head + 1}`));
      return one;
    }));
    const group = element("div", {class: "text-head-grid", role: "group", "aria-label": "Heads of attention"}, ...heads.map((one) => one.box));
    group.style.setProperty("--heads", Math.max(1, ...layers.map((layer) => layer.heads)));
    grid.replaceChildren(group);
    grid.parentElement.hidden = title.parentElement.hidden = !heads.length;
    hint.textContent = heads.length
      ? "A position reads those before it: a line for each, the wider the more it takes. Choose a position in the text, and a head below."
      : "This network has no attention. Choose a position in the text to see what the network expects after it.";
  }

  function toggled() {
    off = new Set(heads.filter((one) => !one.check.checked));
    on.heads([...off].map(({layer, head}) => [layer, head]));
  }

  grid.addEventListener("keydown", (event) => {
    const current = heads.findIndex((one) => one.button === event.target), step = KEYS[event.key];
    if (current < 0 || !step) return;
    event.preventDefault();
    const columns = heads.filter((one) => one.layer === heads[current].layer).length;
    const next = heads[(current + step[0] * columns + step[1] + heads.length) % heads.length];
    next.button.focus();
    on.head(next.layer, next.head);
  });

  const shades = () => {
    const paper = rgb(colour("--paper")), blue = rgb(colour("--blue"));
    return (fraction, data, at) => { for (let c = 0; c < 3; c++) data[at + c] = paper[c] + (blue[c] - paper[c]) * fraction; };
  };

  function paintHeads() {
    if (!latest) return;
    const shade = shades();
    for (const {path, small} of latest.layers) {
      const ones = heads.filter((one) => one.layer === path);
      small.forEach((packed, head) => {
        const values = unpackBytes(packed), n = Math.round(Math.sqrt(values.length));
        paintPixels(ones[head].canvas, n, n, (i, data, at) => shade(Math.sqrt(values[i] / 255), data, at));
      });
    }
  }

  const paintMatrix = oncePerFrame(() => {
    if (!weights || !matrix.clientWidth) return;
    const size = matrix.clientWidth, n = latest.tokens.length, shade = shades(), whole = document.createElement("canvas");
    paintPixels(whole, n, n, (i, data, at) => shade(Math.sqrt(weights[i]), data, at));
    const context = fitToScreen(matrix, size, size), step = size / n, [row, column] = pointed ?? [latest.position, null];
    context.imageSmoothingEnabled = false;
    context.clearRect(0, 0, size, size);
    context.drawImage(whole, 0, 0, size, size);
    context.strokeStyle = colour("--vermilion");
    context.lineWidth = 1.5;
    context.strokeRect(0.75, row * step, size - 1.5, Math.max(step, 2));
    if (column !== null) context.strokeRect(column * step, row * step, Math.max(step, 2), Math.max(step, 2));
  });

  function point(row, column) {
    const n = latest.tokens.length;
    pointed = [Math.max(0, Math.min(n - 1, row)), Math.max(0, Math.min(n - 1, column))];
    const [i, j] = pointed;
    cell.textContent = `${inWords(latest.tokens[i].name)} at ${i} takes ${percent(weights[i * n + j])} from ${inWords(latest.tokens[j].name)} at ${j}.`;
    paintMatrix();
  }
  function unpoint() { pointed = null; cell.textContent = ""; paintMatrix(); }

  matrix.addEventListener("mousemove", (event) => {
    if (!weights) return;
    const box = matrix.getBoundingClientRect(), n = latest.tokens.length;
    point(Math.floor(n * (event.clientY - box.top) / box.height), Math.floor(n * (event.clientX - box.left) / box.width));
  });
  matrix.addEventListener("mouseleave", unpoint);
  matrix.addEventListener("blur", unpoint);
  matrix.addEventListener("click", () => { if (pointed) on.position(pointed[0] === latest.tokens.length - 1 ? null : pointed[0]); });
  matrix.addEventListener("focus", () => { if (weights && !pointed) point(latest.position, latest.position); });
  matrix.addEventListener("keydown", (event) => {
    const step = KEYS[event.key];
    if (!step || !pointed) return;
    event.preventDefault();
    point(pointed[0] + step[0], pointed[1] + step[1]);
  });
  onThemeChange(() => { paintHeads(); paintMatrix(); });
  new ResizeObserver(paintMatrix).observe(matrix);

  function show(answer) {
    latest = answer;
    const n = answer.tokens.length, chosen = answer.head;
    weights = chosen && unpackFloats(chosen.weights);
    move(answer.position);
    if (!chosen) return;
    for (const one of heads) {
      const isShown = one.layer === chosen.layer && one.head === chosen.head;
      one.button.setAttribute("aria-checked", isShown);
      one.button.tabIndex = isShown ? 0 : -1;
      one.box.classList.toggle("off", off.has(one));
      if (isShown) {
        title.textContent = one.name;
        matrix.setAttribute("aria-label", `Weights of ${one.name.toLowerCase()}: rows read, columns are read; the arrow keys move between cells`);
      }
    }
    if (pointed) {
      if (pointed[0] < n && pointed[1] < n) point(...pointed); else unpoint();
    }
    paintHeads();
  }

  // Shows what another position reads: a null is the last one.
  function move(position) {
    if (!latest) return;
    const n = latest.tokens.length, at = latest.position = Math.min(position ?? n - 1, n - 1);
    strip.show(latest.tokens, at, weights && weights.subarray(at * n, (at + 1) * n));
    paintMatrix();
  }

  function allOn() {
    for (const one of heads) one.check.checked = true;
    off = new Set();
  }
  return {box, setLayers, show, move, allOn};
}
