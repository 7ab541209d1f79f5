// The tab Why: the pixels that support the prediction of a network, or any other class, and the pixels that oppose it, by several
// attribution methods.

import {get, post} from "../api.js";
import {appState, notify} from "../app-state.js";
import {element, percent} from "../dom.js";
import {attachPad} from "../drawing-pad.js";
import {methodCard} from "./why-card.js";

const DELAY = 250;                                    // milliseconds without a new point before the attributions are computed

export function mount(section) {
  const left = element("div", {class: "left"});
  const networks = element("select", {onchange: listOptions});
  const target = element("select", {onchange: () => { offerOthers(); scheduleExplain(); }});
  const against = element("select", {onchange: scheduleExplain});
  const prediction = element("p", {class: "quiet numbers", role: "status"}, "Draw a digit to see which of its pixels matter.");
  const cards = element("div", {class: "attributions"}), moreCards = element("div", {class: "attributions"});
  const more = element("details", {class: "why-more", hidden: true, ontoggle: () => { if (more.open) scheduleExplain(); }},
    element("summary", {}, "More methods"), moreCards);
  section.append(left, element("div", {class: "stack"},
    element("div", {class: "card"},
      element("div", {class: "tools"},
        element("label", {class: "field"}, "Network", networks),
        element("label", {class: "field"}, "Why", target),
        element("label", {class: "field"}, "and not", against)),
      prediction,
      element("p", {class: "legend"},
        element("span", {}, element("i"), "supports the class"), element("span", {}, element("i", {class: "minus"}), "opposes the class"),
        element("span", {}, "a logit is the network's score for a class: one more makes the class 2.7 times as likely beside another")),
      element("p", {class: "try"}, element("strong", {}, "Try: "),
        "choose “and not” the second guess, and see which pixels decide between the two. Then draw only the vermilion part: is the answer the same?")),
    cards, more));
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
      for (const card of methods) (card.first ? cards : moreCards).append(card.box);
      more.hidden = false;
    }
    if (!appState.strokes.length) { methods.forEach((card) => card.clear()); return; }
    const first = (await post("/api/predict", {...appState.drawingFields, networks: [network.name]})).predictions[0];
    if (mine !== current) return;
    predicted = first.label;
    prediction.textContent = `${network.name} predicts ${predicted} (${percent(first.confidence)}); second: ${first.second}.`;
    offerOthers();
    for (const card of methods) {
      if (!card.first && !more.open) continue;        // computed when the fold is opened
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
