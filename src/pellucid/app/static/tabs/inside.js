// The tab Inside: the activations of a network for the drawing: feature maps layer by layer, and the neurons of the dense layers
// with their strongest connections: vermilion for positive weights, blue for negative ones; the opacity of a line is the
// activation of the neuron before it.

import {latestOnly, post, unpackBytes, unpackFloats} from "../api.js";
import {appState, notify} from "../app-state.js";
import {element, paintSigned} from "../dom.js";
import {attachPad} from "../drawing-pad.js";
import {createDiagram} from "./inside-diagram.js";

export function mount(section) {
  const left = element("div", {class: "left"});
  const select = element("select", {onchange: () => { loaded = null; update(); }});
  const maps = element("div", {class: "maps"});
  const tip = element("div", {class: "tip", role: "status", hidden: true});
  const canvas = element("canvas", {role: "img", "aria-label": "Diagram of the network's neurons and strongest connections"});
  const hint = element("p", {class: "quiet"}, "Draw a digit to see the activations of the network.");
  const mapsCard = element("div", {class: "card", hidden: true}, element("h2", {}, "Feature maps"), maps);
  section.append(left, element("div", {class: "stack"},
    element("div", {class: "card tools"}, element("label", {class: "field"}, "Network", select), hint),
    mapsCard,
    element("div", {class: "card"},
      element("h2", {}, "Neurons and their strongest connections"),
      element("div", {class: "diagram"}, canvas, tip),
      element("p", {class: "legend"},
        element("span", {}, element("i"), "positive weight"), element("span", {}, element("i", {class: "minus"}), "negative weight"),
        element("span", {}, "opacity of a line: activation of the neuron before it"), element("span", {}, "point or tap to see the values")))));
  const diagram = createDiagram(canvas, tip);
  let panel = null, loaded = null;                    // the name of the network whose weights the diagram has

  async function load(name) {
    if (loaded === name) return;
    const {stages} = await post("/api/inside/weights", {network: name});
    const layers = stages.filter((stage) => stage.dense).map((stage) => ({...stage, weights: unpackFloats(stage.weights)}));
    loaded = name;
    maps.replaceChildren(...stages.filter((stage) => !stage.dense).map((stage) => element("figure", {},
      element("figcaption", {class: "quiet small"}, `${stage.name}: ${stage.about}`),
      element("canvas", {"data-stage": stage.name, role: "img", "aria-label": `Feature maps of ${stage.name}`}))));
    mapsCard.hidden = !maps.children.length;
    diagram.setNetwork(layers, appState.network(name).classes);
  }

  const show = latestOnly(async () => {
    const name = select.value;
    if (!name) return;
    await load(name);
    if (!appState.strokes.length) { diagram.setActivations(null); hint.hidden = false; return; }
    const answer = await post("/api/inside/activations", {...appState.drawingFields, network: name});
    if (!appState.strokes.length || loaded !== name) return;   // cleared or changed in the meantime
    hint.hidden = true;
    panel?.showInput(unpackBytes(answer.image));
    for (const stage of answer.stages) if (stage.maps) paintMaps(maps.querySelector(`[data-stage="${stage.name}"]`), stage);
    diagram.setActivations(answer.stages.filter((stage) => stage.values).map((stage) => ({
      values: unpackFloats(stage.values), inputs: unpackFloats(stage.inputs),
    })), denseInputShape(answer.stages));
    section.dataset.answered = performance.now();
  });
  const update = () => show().catch((error) => notify(error.message));

  function listNetworks() {
    const before = select.value;
    select.replaceChildren(...appState.networks.map(({name}) => element("option", {value: name}, name)));
    select.value = appState.network(before) ? before : appState.selected[0] ?? appState.networks[0]?.name ?? "";
    if (!section.hidden) update();
  }
  appState.addEventListener("networks", listNetworks);
  appState.addEventListener("drawing", () => { if (!section.hidden) update(); });
  listNetworks();
  return {
    onShow() { panel = attachPad(left); diagram.draw(); update(); },
  };
}

// The shape (height, width, channels) of the input of the first dense layer: the image, or the feature maps before it.
function denseInputShape(stages) {
  const before = stages[stages.findIndex((stage) => stage.values) - 1];
  if (!before) return [28, 28, 1];
  return before.shape.length === 3 ? before.shape : [1, 1, before.shape[0]];
}

// Feature maps (h, w, c) side by side with a gap of one pixel: positive values vermilion, negative ones blue.
function paintMaps(canvas, {shape, maps: packed}) {
  const [h, w, c] = shape.length === 3 ? shape : [1, 1, shape[0]];
  const values = unpackBytes(packed), columns = Math.min(c, 16), rows = Math.ceil(c / columns);
  canvas.style.maxWidth = `${Math.min(3, 64 / w) * columns * (w + 1)}px`;
  const width = columns * (w + 1) - 1, height = rows * (h + 1) - 1, sheet = new Float32Array(width * height);
  for (let k = 0; k < c; k++) {
    const left = (k % columns) * (w + 1), top = Math.floor(k / columns) * (h + 1);
    for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) sheet[(top + y) * width + left + x] = values[(y * w + x) * c + k] - 127;
  }
  paintSigned(canvas, sheet, width, height, 127);
}
