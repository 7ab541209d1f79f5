// The tab Why: which pixels speak for the network's guess, or for any other class, and which against; by several methods.

import {get, newest, post, unpackBytes, unpackFloats} from "./api.js";
import {desk, notice} from "./desk.js";
import {element, paintSigned, percent, whenThemeChanges} from "./dom.js";
import {padIn} from "./pad.js";

const NAMES = {
  "saliency": "Saliency", "input-times-gradient": "Input × gradient", "integrated-gradients": "Integrated gradients",
  "expected-gradients": "Expected gradients (SHAP)", "occlusion": "Occlusion",
  "deeplift": "DeepLIFT", "grad-cam": "Grad-CAM",
};
const QUIET = 250;                                    // milliseconds without a new point before the methods are asked

export function mount(section) {
  const left = element("div", {class: "left"});
  const pick = element("select", {onchange: later}), target = element("select", {onchange: later}), against = element("select", {onchange: later});
  const guess = element("p", {class: "quiet numbers", role: "status"}, "Draw a digit, then see which parts of it count.");
  const cards = element("div", {class: "whys"});
  section.append(left, element("div", {class: "stack"},
    element("div", {class: "card"},
      element("div", {class: "tools"},
        element("label", {class: "field"}, "Network", pick),
        element("label", {class: "field"}, "Why", target),
        element("label", {class: "field"}, "and not", against)),
      guess,
      element("p", {class: "legend"},
        element("span", {}, element("i"), "speaks for it"), element("span", {}, element("i", {class: "minus"}), "speaks against it"),
        element("span", {}, "* this method does not promise that its pixels add up to what there is to explain"))),
    cards));
  let panel = null, methods = null, timer = null, run = 0;

  async function explain() {
    const mine = ++run, network = desk.networks.find((one) => one.name === pick.value);
    if (!network) return;
    methods ??= (await get("/api/methods")).methods.map((one) => card(one));
    if (cards.children.length !== methods.length) cards.replaceChildren(...methods.map((one) => one.box));
    if (!desk.strokes.length) { methods.forEach((one) => one.clear()); return; }
    for (const one of methods) {
      try {
        const told = await post("/api/why", {
          ...desk.drawing, network: network.name, method: one.name,
          ...(target.value && {target: target.value}), ...(against.value && {against: against.value}),
        });
        if (mine !== run) return;                       // a newer drawing is being explained
        panel?.sees(unpackBytes(told.picture));
        guess.textContent = `${network.name} says ${told.guess.label} (${percent(1 - told.guess.doubt)}), then ${told.guess.second}.`;
        if (told.refused) one.failed(told.refused); else one.show(told);
      } catch (error) {
        if (mine === run) one.failed(error.message);
      }
    }
    section.dataset.answered = performance.now();
  }
  function later() { clearTimeout(timer); timer = setTimeout(() => explain().catch((error) => notice(error.message)), QUIET); }

  function list() {
    const before = [pick.value, target.value, against.value];
    pick.replaceChildren(...desk.networks.map((one) => element("option", {value: one.name}, one.name)));
    pick.value = desk.networks.some((one) => one.name === before[0]) ? before[0] : desk.asked.at(-1) ?? "";
    const classes = desk.networks.find((one) => one.name === pick.value)?.classes ?? [];
    const options = (first) => [element("option", {value: ""}, first), ...classes.map((one) => element("option", {value: one}, one))];
    target.replaceChildren(...options("its guess"));
    against.replaceChildren(...options("(nothing)"));
    target.value = classes.includes(before[1]) ? before[1] : "";
    against.value = classes.includes(before[2]) ? before[2] : "";
    if (!section.hidden) later();
  }
  desk.addEventListener("networks", list);
  desk.addEventListener("drawing", () => { if (!section.hidden) later(); });
  pick.addEventListener("change", list);
  list();
  return {
    shown() { panel = padIn(left); later(); },
    hidden() { run++; },
  };
}

function card({name, about, complete, signed}) {
  const canvas = element("canvas", {width: 28, height: 28, role: "img", "aria-label": `${NAMES[name] ?? name}: the share of each pixel`});
  const numbers = element("dl"), said = element("p", {class: "quiet small", role: "status"});
  const box = element("article", {class: "card", "data-method": name},
    element("h2", {}, NAMES[name] ?? name), element("p", {class: "quiet small"}, about), canvas, numbers, said);
  let shown = null;
  const paint = () => paintSigned(canvas, shown ? shown.values : new Float32Array(784), 28, 28, 0, signed ? "--vermilion" : "--ink");
  const row = (title, value) => [element("dt", {}, title), element("dd", {}, value)];
  function clear() { shown = null; numbers.replaceChildren(); said.textContent = ""; paint(); }
  function show(told) {
    shown = {values: unpackFloats(told.values)};
    paint();
    said.textContent = "";
    const error = told.completeness_error.toFixed(3) + (complete ? "" : " *");
    numbers.replaceChildren(
      ...row("to explain", (told.output - told.baseline_output).toFixed(3)), ...row("sum of the pixels", told.sum.toFixed(3)),
      ...row("completeness error", error), ...row("time", `${told.milliseconds.toFixed(0)} ms`));
  }
  function failed(message) { clear(); said.textContent = message; }
  whenThemeChanges(paint);
  clear();
  return {name, box, show, clear, failed};
}
