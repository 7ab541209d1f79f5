// The predictions of the networks on the tab Draw: a card for each, and a line for screen readers.

import {element, percent, thousands} from "../dom.js";
import {confidenceText, rateText} from "./draw-confidence.js";

const SPEECH_DELAY = 700;                            // milliseconds without a new prediction before a screen reader speaks it

export function predictionCards() {
  const box = element("div", {class: "predictions", "aria-live": "off"});
  const spoken = element("p", {class: "visually-hidden", role: "status", "aria-live": "polite"});
  const cards = new Map();
  let timer;
  return {
    box, spoken,
    setNetworks(networks) {
      cards.clear();
      for (const network of networks) cards.set(network.name, predictionCard(network));
      box.replaceChildren(...[...cards.values()].map((card) => card.box));
    },
    clear() { for (const card of cards.values()) card.clear(); },
    show(predictions) {
      for (const prediction of predictions) cards.get(prediction.network)?.show(prediction);
      clearTimeout(timer);
      timer = setTimeout(() => {
        spoken.textContent = predictions.map((one) => `${one.network}: ${one.label}, ${percent(one.confidence, 0)}`).join("; ");
      }, SPEECH_DELAY);
    },
  };
}

// The predicted class of one network in large type, its confidence, and a bar for each class.
function predictionCard(network) {
  const label = element("div", {class: "label numbers"}, "–"), comment = element("div", {class: "comment"});
  const sentence = element("div"), rate = element("div", {class: "quiet small"});
  comment.append(sentence, rate);
  const time = element("span", {class: "quiet numbers"});
  const rows = network.classes.map((name) => {
    const fill = element("div", {class: "fill"}), probability = element("span", {class: "probability"}, "");
    return {name, fill, probability, row: element("div", {}, element("span", {}, name), element("div", {class: "track"}, fill), probability)};
  });
  const accuracy = network.accuracy == null ? "" : `, ${percent(network.accuracy, 2)} on its ${network.evaluated_on} set`;
  const epochs = network.planned_epochs ? `, ${network.epochs ?? 0} of ${network.planned_epochs} epochs` : "";
  const box = element("article", {class: "card prediction", "data-network": network.name},
    element("div", {class: "name"}, element("h2", {}, network.name), time),
    element("div", {class: "quiet small"}, `${thousands(network.parameters)} parameters${accuracy}${epochs}${network.adapted ? ", with your corrections" : ""}`),
    network.limited_data ? element("div", {class: "small limited"}, network.limited_data) : null,
    element("div", {class: "verdict"}, label, comment),
    element("div", {class: "bars"}, ...rows.map((one) => one.row)));
  function clear() {
    label.textContent = "–";
    sentence.textContent = rate.textContent = time.textContent = "";
    for (const one of rows) { one.fill.style.transform = "scaleX(0)"; one.probability.textContent = ""; one.row.className = ""; }
  }
  function show(prediction) {
    label.textContent = prediction.is_digit ? prediction.label : "✗";
    sentence.textContent = confidenceText(prediction, network.confidence);
    rate.textContent = rateText(prediction.confidence, network.confidence);
    time.textContent = `${prediction.milliseconds.toFixed(1)} ms`;
    rows.forEach((one, i) => {
      one.fill.style.transform = `scaleX(${prediction.probabilities[i]})`;
      one.probability.textContent = percent(prediction.probabilities[i]);
      one.row.className = one.name === prediction.label ? "first" : "";
    });
  }
  clear();
  return {box, show, clear};
}
