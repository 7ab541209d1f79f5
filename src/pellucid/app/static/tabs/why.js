// The tab Why: the pixels that support the prediction of a network, or any other class, and the pixels that oppose it, by several
// attribution methods.

import {get, post, unpackFloats} from "../api.js";
import {appState, notify} from "../app-state.js";
import {element, onThemeChange, paintSigned, percent} from "../dom.js";
import {attachPad} from "../drawing-pad.js";

const TITLES = {
  "saliency": "Saliency", "input-times-gradient": "Input × gradient", "integrated-gradients": "Integrated gradients",
  "expected-gradients": "Expected gradients (SHAP)", "occlusion": "Occlusion",
  "deeplift": "DeepLIFT", "grad-cam": "Grad-CAM",
};
const DELAY = 250;                                    // milliseconds without a new point before the attributions are computed

export function mount(section) {
  const left = element("div", {class: "left"});
  const networks = element("select", {onchange: listOptions});
  const target = element("select", {onchange: () => { offerOthers(); scheduleExplain(); }});
  const against = element("select", {onchange: scheduleExplain});
  const prediction = element("p", {class: "quiet numbers", role: "status"}, "Draw a digit to see which of its pixels matter.");
  const cards = element("div", {class: "attributions"});
  section.append(left, element("div", {class: "stack"},
    element("div", {class: "card"},
      element("div", {class: "tools"},
        element("label", {class: "field"}, "Network", networks),
        element("label", {class: "field"}, "Why", target),
        element("label", {class: "field"}, "and not", against)),
      prediction,
      element("p", {class: "legend"},
        element("span", {}, element("i"), "supports the class"), element("span", {}, element("i", {class: "minus"}), "opposes the class"),
        element("span", {}, "* the attributions of this method need not add up to the difference in the output"))),
    cards));
  let methods = null, timer = null;
  let predicted = null;                               // by the network of the list, for the drawing
  let current = 0;                                    // the number of the newest explanation: older ones stop

  // A class cannot be compared with itself: the list "and not" does not offer the class that is explained.
  function offerOthers() {
    const explained = target.value || predicted;
    for (const option of against.options) option.disabled = option.value !== "" && option.value === explained;
    if (against.selectedOptions[0]?.disabled) against.value = "";
  }

  async function explain() {
    const mine = ++current, network = appState.network(networks.value);
    if (!network) return;
    if (!methods) {
      methods = (await get("/api/why/methods")).methods.map((method) => methodCard(method));
      cards.replaceChildren(...methods.map((card) => card.box));
    }
    if (!appState.strokes.length) { methods.forEach((card) => card.clear()); return; }
    const first = (await post("/api/predict", {...appState.drawingFields, networks: [network.name]})).predictions[0];
    if (mine !== current) return;
    predicted = first.label;
    prediction.textContent = `${network.name} predicts ${predicted} (${percent(first.confidence)}); second: ${first.second}.`;
    offerOthers();
    for (const card of methods) {
      try {
        const answer = await post("/api/why/attribution", {
          ...appState.drawingFields, network: network.name, method: card.name,
          ...(target.value && {target: target.value}), ...(against.value && {against: against.value}),
        });
        if (mine !== current) return;
        if (answer.not_applicable) card.showError(answer.not_applicable); else card.show(answer);
      } catch (error) {
        if (mine === current) card.showError(error.message);
      }
    }
    section.dataset.answered = performance.now();
  }

  function scheduleExplain() {
    clearTimeout(timer);
    timer = setTimeout(() => explain().catch((error) => notify(error.message)), DELAY);
  }

  // Fills the three lists, and keeps what was selected where it still exists.
  function listOptions() {
    const before = [networks.value, target.value, against.value];
    networks.replaceChildren(...appState.networks.map(({name}) => element("option", {value: name}, name)));
    networks.value = appState.network(before[0]) ? before[0] : appState.selected.at(-1) ?? "";
    const classes = appState.network(networks.value)?.classes ?? [];
    const options = (first) => [element("option", {value: ""}, first), ...classes.map((name) => element("option", {value: name}, name))];
    target.replaceChildren(...options("the predicted class"));
    against.replaceChildren(...options("(no comparison)"));
    target.value = classes.includes(before[1]) ? before[1] : "";
    against.value = classes.includes(before[2]) ? before[2] : "";
    predicted = null;
    offerOthers();
    if (!section.hidden) scheduleExplain();
  }
  appState.addEventListener("networks", listOptions);
  appState.addEventListener("drawing", () => { if (!section.hidden) scheduleExplain(); });
  listOptions();
  return {
    onShow() { attachPad(left); scheduleExplain(); },
    onHide() { current++; },
  };
}

function methodCard({name, about, complete, signed}) {
  const title = TITLES[name] ?? name;
  const canvas = element("canvas", {width: 28, height: 28, role: "img", "aria-label": `${title}: the attribution of each pixel`});
  const values = element("dl"), message = element("p", {class: "quiet small", role: "status"});
  const box = element("article", {class: "card", "data-method": name},
    element("h2", {}, title), element("p", {class: "quiet small"}, about), canvas, values, message);
  let attribution = null;
  const paint = () => paintSigned(canvas, attribution ?? new Float32Array(784), 28, 28, 0, signed ? "--vermilion" : "--ink");
  const row = (label, value) => [element("dt", {}, label), element("dd", {}, value)];
  function clear() { attribution = null; values.replaceChildren(); message.textContent = ""; paint(); }
  function show(answer) {
    attribution = unpackFloats(answer.values);
    paint();
    message.textContent = answer.layer && (attribution.some((value) => value) ? `The map is that of ${answer.layer}.`
      : "Nothing was found: hiding what the maps of the convolutions show does not lower the output.");
    const error = answer.completeness_error.toFixed(3) + (complete ? "" : " *");
    values.replaceChildren(
      ...row("difference in output", (answer.output - answer.baseline_output).toFixed(3)), ...row("sum of attributions", answer.sum.toFixed(3)),
      ...row("completeness error", error), ...row("time", `${answer.milliseconds.toFixed(0)} ms`));
  }
  function showError(text) { clear(); message.textContent = text; }
  onThemeChange(paint);
  clear();
  return {name, box, show, clear, showError};
}
