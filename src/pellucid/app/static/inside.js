// The tab Inside: the state of a network for the drawing at hand. Feature maps layer by layer, and the neurons with their
// strongest connections: vermilion for positive weights, blue for negative, as opaque as the neuron before is active.

import {newest, post, unpackBytes, unpackFloats} from "./api.js";
import {desk, notice} from "./desk.js";
import {element, paintSigned} from "./dom.js";
import {padIn} from "./pad.js";
import {diagram} from "./diagram.js";

export function mount(section) {
  const left = element("div", {class: "left"});
  const pick = element("select", {onchange: change});
  const maps = element("div", {class: "maps"});
  const tip = element("div", {class: "tip", role: "status", hidden: true});
  const canvas = element("canvas", {role: "img", "aria-label": "Diagram of the network's neurons and strongest connections"});
  const hint = element("p", {class: "quiet"}, "Draw a digit: the network's state appears here.");
  section.append(left, element("div", {class: "stack"},
    element("div", {class: "card tools"}, element("label", {class: "field"}, "Network", pick), hint),
    element("div", {class: "card", hidden: true}, element("h2", {}, "Feature maps"), maps),
    element("div", {class: "card"},
      element("h2", {}, "Neurons and their strongest connections"),
      element("div", {class: "diagram"}, canvas, tip),
      element("p", {class: "legend"},
        element("span", {}, element("i"), "positive weight"), element("span", {}, element("i", {class: "minus"}), "negative weight"),
        element("span", {}, "opacity: how active the neuron before is"), element("span", {}, "hover, or tap, for the numbers")))));
  const mapsCard = maps.parentElement, picture = diagram(canvas, tip);
  let panel = null, weights = null, loaded = null;

  const load = async (name) => {
    if (loaded === name) return;
    const {stages} = await post("/api/weights", {network: name});
    weights = stages.map((one) => one.dense ? {...one, weights: unpackFloats(one.weights)} : one);
    loaded = name;
    maps.replaceChildren(...weights.filter((one) => !one.dense).map((one) => element("figure", {},
      element("figcaption", {class: "quiet small"}, `${one.name}: ${one.about}`),
      element("canvas", {"data-stage": one.name, role: "img", "aria-label": `Feature maps of ${one.name}`}))));
    mapsCard.hidden = !maps.children.length;
    picture.network(weights.filter((one) => one.dense), desk.networks.find((one) => one.name === name).classes);
  };

  const ask = newest(async () => {
    const name = pick.value;
    if (!name) return;
    await load(name);
    if (!desk.strokes.length) { picture.state(null); hint.hidden = false; return; }
    const state = await post("/api/inside", {...desk.drawing, network: name});
    if (!desk.strokes.length || loaded !== name) return;
    hint.hidden = true;
    panel?.sees(unpackBytes(state.picture));
    for (const stage of state.stages) if (stage.maps) paintMaps(maps.querySelector(`[data-stage="${stage.name}"]`), stage);
    picture.state(state.stages.filter((one) => one.values).map((one) => ({
      values: unpackFloats(one.values), inputs: unpackFloats(one.inputs),
    })), inputShape(state));
    section.dataset.answered = performance.now();
  });
  const update = () => ask().catch((error) => notice(error.message));

  function change() { loaded = null; update(); }
  function list() {
    const before = pick.value;
    pick.replaceChildren(...desk.networks.map((one) => element("option", {value: one.name}, one.name)));
    pick.value = desk.networks.some((one) => one.name === before) ? before : desk.asked[0] ?? desk.networks[0]?.name ?? "";
    if (!section.hidden) update();
  }
  desk.addEventListener("networks", list);
  desk.addEventListener("drawing", () => { if (!section.hidden) update(); });
  list();
  return {
    shown() { panel = padIn(left); picture.resized(); update(); },
  };
}

// What the first dense layer reads: the picture, or the maps before it.
function inputShape(state) {
  const first = state.stages.findIndex((one) => one.values), before = state.stages[first - 1];
  if (!before) return [28, 28, 1];
  return before.shape.length === 3 ? before.shape : [1, 1, before.shape[0]];
}

// Maps (h, w, c) side by side, one pixel apart: vermilion above zero, blue below.
function paintMaps(canvas, {shape, maps: packed}) {
  const [h, w, c] = shape.length === 3 ? shape : [1, 1, shape[0]];
  const values = unpackBytes(packed), across = Math.min(c, 16), down = Math.ceil(c / across);
  canvas.style.maxWidth = `${Math.min(3, 64 / w) * across * (w + 1)}px`;
  const width = across * (w + 1) - 1, height = down * (h + 1) - 1, sheet = new Float32Array(width * height);
  for (let k = 0; k < c; k++) {
    const left = (k % across) * (w + 1), top = Math.floor(k / across) * (h + 1);
    for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) sheet[(top + y) * width + left + x] = values[(y * w + x) * c + k] - 127;
  }
  paintSigned(canvas, sheet, width, height, 127);
}
