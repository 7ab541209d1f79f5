// The tab Inside: the activations of a network for the drawing: feature maps layer by layer, and the neurons of the dense layers
// with their strongest connections: vermilion for positive weights, blue for negative ones; the opacity of a line is the
// activation of the neuron before it. A map or a neuron opens a panel with its numbers and with what it looks for.

import {latestOnly, post, unpackFloats} from "../api.js";
import {appState, notify} from "../app-state.js";
import {element} from "../dom.js";
import {attachPad} from "../drawing-pad.js";
import {createDiagram} from "./inside-diagram.js";
import {createMaps} from "./inside-maps.js";
import {createUnitPanel} from "./inside-unit.js";

export function mount(section) {
  const left = element("div", {class: "left"});
  const select = element("select", {onchange: () => { loaded = null; update(); }});
  const tip = element("div", {class: "tip", role: "status", hidden: true});
  const canvas = element("canvas", {
    role: "application", tabindex: 0,
    "aria-label": "Diagram of the network's neurons and strongest connections. The arrow keys go from neuron to neuron, Enter opens one.",
  });
  const hint = element("p", {class: "quiet"}, "Draw a digit to see the activations of the network.");
  const maps = createMaps(openUnit);
  const mapsCard = element("div", {class: "card", hidden: true}, element("h2", {}, "Feature maps"),
    element("p", {class: "legend"}, element("span", {}, element("i"), "positive value"), element("span", {}, element("i", {class: "minus"}), "negative value")),
    maps.box);
  const neurons = element("div", {class: "card"},
    element("h2", {}, "Neurons and their strongest connections"),
    element("div", {class: "diagram"}, canvas, tip),
    element("p", {class: "legend"},
      element("span", {}, element("i"), "positive weight"), element("span", {}, element("i", {class: "minus"}), "negative weight"),
      element("span", {}, "opacity of a line: activation of the neuron before it"), element("span", {}, "point, tap or use the arrow keys to see the values")));
  section.append(left, element("div", {class: "stack"},
    element("div", {class: "card"},
      element("div", {class: "tools"}, element("label", {class: "field"}, "Network", select)),
      element("p", {class: "try"}, element("strong", {}, "Try: "),
        "click a map to see how its numbers are computed and what it looks for; point at a neuron to see its connections alone, click it to see what it looks for."),
      hint),
    mapsCard, neurons));
  const diagram = createDiagram(canvas, tip, (layer, unit) => openUnit(dense[layer], unit));
  const panel = createUnitPanel({close: closeUnit, move: moveUnit});
  let loaded = null;                                  // the name of the network whose weights are shown
  let dense = [], opened = null;                      // the dense layers; {stage, unit} in the panel

  async function load(name) {
    if (loaded === name) return;
    const {stages} = await post("/api/inside/weights", {network: name});
    dense = stages.filter((stage) => stage.dense).map((stage) => ({...stage, weights: unpackFloats(stage.weights)}));
    loaded = name;
    closeUnit();
    maps.setStages(stages.filter((stage) => !stage.dense));
    mapsCard.hidden = !maps.box.children.length;
    diagram.setNetwork(dense, appState.network(name).classes);
  }

  const show = latestOnly(async () => {
    const name = select.value;
    if (!name) return;
    await load(name);
    if (!appState.strokes.length) { diagram.setActivations(null); panel.clearMap(); hint.hidden = false; return; }
    const answer = await post("/api/inside/activations", {...appState.drawingFields, network: name});
    if (!appState.strokes.length || loaded !== name) return;   // cleared or changed in the meantime
    hint.hidden = true;
    maps.paint(answer.stages);
    diagram.setActivations(answer.stages.filter((stage) => stage.values).map((stage) => ({
      values: unpackFloats(stage.values), inputs: unpackFloats(stage.inputs),
    })), denseInputShape(answer.stages));
    await showMap();
    section.dataset.answered = performance.now();
  });
  const update = () => show().catch((error) => notify(error.message));

  // -- the panel of one unit ------------------------------------------------------------------------------------------

  function openUnit(stage, unit) {
    closeUnit();
    opened = {stage, unit};
    const sheet = maps.sheet(stage.name);
    (sheet?.figure ?? neurons).append(panel.box);
    sheet?.mark(unit);
    panel.open(loaded, stage, unit, {weights: pixelWeights(stage, unit)});
    showMap().catch((error) => notify(error.message));
    panel.focus();
  }
  function closeUnit() {
    if (!opened) return;
    const {stage, unit} = opened, sheet = maps.sheet(stage.name), hadFocus = panel.box.contains(document.activeElement);
    opened = null;
    panel.box.remove();
    sheet?.mark(null);
    if (hadFocus) sheet ? sheet.focus(unit) : canvas.focus();
  }
  function moveUnit(step) {
    const {stage, unit} = opened, count = stage.dense ? stage.shape[1] : maps.sheet(stage.name).count;
    openUnit(stage, (unit + step + count) % count);
  }
  async function showMap() {
    if (!opened || opened.stage.dense || !appState.strokes.length) return;
    const mine = opened;
    const answer = await post("/api/inside/map", {...appState.drawingFields, network: loaded, stage: mine.stage.name, unit: mine.unit});
    if (opened === mine && appState.strokes.length) panel.showMap(answer);
  }

  // The convolutional networks come first: their maps are pictures.
  function listNetworks() {
    const before = select.value, selected = appState.selected.map((name) => appState.network(name)).filter(Boolean);
    const first = (networks) => networks.find((network) => network.convolutional) ?? networks[0];
    select.replaceChildren(...[...appState.networks].sort((a, b) => b.convolutional - a.convolutional).map(({name}) => element("option", {value: name}, name)));
    select.value = appState.network(before) ? before : (first(selected) ?? first(appState.networks))?.name ?? "";
    if (!section.hidden) update();
  }
  appState.addEventListener("networks", listNetworks);
  appState.addEventListener("drawing", () => { if (!section.hidden) update(); });
  listNetworks();
  return {
    onShow() { attachPad(left); diagram.draw(); update(); },
  };
}

// The weights of a neuron that reads the 28 × 28 pixels, or null.
function pixelWeights({dense, shape, weights}, unit) {
  if (!dense || shape[0] !== 784) return null;
  return Float32Array.from({length: 784}, (_, i) => weights[i * shape[1] + unit]);
}

// The shape (height, width, channels) of the input of the first dense layer: the image, or the feature maps before it.
function denseInputShape(stages) {
  const before = stages[stages.findIndex((stage) => stage.values) - 1];
  if (!before) return [28, 28, 1];
  return before.shape.length === 3 ? before.shape : [1, 1, before.shape[0]];
}
