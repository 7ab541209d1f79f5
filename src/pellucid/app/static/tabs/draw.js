// The tab Draw: the predictions of the networks for the drawing, updated with every pen movement; and corrections.

import {get, post, unpackBytes} from "../api.js";
import {MAX_SELECTED, appState, notify} from "../app-state.js";
import {element, paintGrey, percent, thousands} from "../dom.js";
import {attachPad} from "../drawing-pad.js";
import {predictions} from "../predictions.js";
import {FINISHED, statusText, trainingJobs} from "./train-jobs.js";

const NO_DIGIT = "no digit", LABELS = [..."0123456789", NO_DIGIT];
const PAIR = ["draw-mlp", "draw-cnn"];                // the two networks for drawings
const SPEECH_DELAY = 700;                             // milliseconds without a new prediction before a screen reader speaks it

export function mount(section) {
  const left = element("div", {class: "left"});
  const cards = predictionCards();
  const banner = trainingBanner(), correction = correctionForm();
  const checkboxes = element("div", {class: "row"});
  section.append(left, element("div", {class: "stack"}, banner.box, cards.box, cards.spoken, correction.box,
    element("details", {class: "card"}, element("summary", {}, "Networks shown"), checkboxes)));

  function showPredictions() {
    if (predictions.latest.length) cards.show(predictions.latest); else cards.clear();
    correction.setPrediction(predictions.latest[0] ?? null, predictions.image !== null);
    if (predictions.latest.length) section.dataset.answered = performance.now();   // benchmarks measure the time from the pen to this moment
  }

  function showSelection() {
    cards.setNetworks(appState.selected.map((name) => appState.network(name)));
    checkboxes.replaceChildren(...appState.networks.map(({name}) => element("label", {},
      element("input", {type: "checkbox", checked: appState.selected.includes(name), onchange: (event) => {
        const others = appState.selected.filter((one) => one !== name);
        appState.select(event.target.checked ? [...others, name].slice(-MAX_SELECTED) : others);
      }}), name)));
    showPredictions();
  }

  predictions.addEventListener("change", showPredictions);
  appState.addEventListener("drawing", correction.clear);
  appState.addEventListener("selection", showSelection);
  appState.addEventListener("networks", banner.update);
  trainingJobs.addEventListener("change", banner.update);
  showSelection();
  return {
    onShow() { attachPad(left); correction.refresh(); },
  };
}

// A card for each network, and a line for screen readers.
function predictionCards() {
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
  const time = element("span", {class: "quiet numbers"});
  const rows = network.classes.map((name) => {
    const fill = element("div", {class: "fill"}), probability = element("span", {class: "probability"}, "");
    return {name, fill, probability, row: element("div", {}, element("span", {}, name), element("div", {class: "track"}, fill), probability)};
  });
  const accuracy = network.accuracy == null ? "" : `, ${percent(network.accuracy, 2)} on its ${network.evaluated_on} set`;
  const epochs = network.planned_epochs ? `, ${network.epochs ?? 0} of ${network.planned_epochs} epochs` : "";
  const box = element("article", {class: "card prediction", "data-network": network.name},
    element("div", {class: "name"}, element("h2", {}, network.name), time),
    element("div", {class: "quiet small"}, `${thousands(network.parameters)} parameters${accuracy}${epochs}`),
    network.limited_data ? element("div", {class: "small limited"}, network.limited_data) : null,
    element("div", {class: "verdict"}, label, comment),
    element("div", {class: "bars"}, ...rows.map((one) => one.row)));
  function clear() {
    label.textContent = "–";
    comment.textContent = time.textContent = "";
    for (const one of rows) { one.fill.style.transform = "scaleX(0)"; one.probability.textContent = ""; one.row.className = ""; }
  }
  function show(prediction) {
    label.textContent = prediction.is_digit ? prediction.label : "✗";
    comment.textContent = confidenceText(prediction);
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

function confidenceText({is_digit: isDigit, confidence, second}) {
  if (!isDigit) return `This does not look like a digit (${percent(confidence, 0)}).`;
  if (confidence >= 0.95) return `Certain: ${percent(confidence)}.`;
  const other = second === NO_DIGIT ? "not a digit" : `a ${second}`;
  return confidence >= 0.7 ? `Fairly certain: ${percent(confidence, 0)}; otherwise ${other}.` : `Uncertain: ${percent(confidence, 0)}; maybe ${other}.`;
}

// The form that saves the drawing with the label that the user meant, and the list of what is saved.
function correctionForm() {
  const label = element("select", {"aria-label": "The digit you meant", onchange: clear}, ...LABELS.map((one) => element("option", {}, one)));
  const button = element("button", {type: "button", disabled: true, onclick: save}, "Save correction");
  const status = element("span", {class: "quiet", role: "status"});
  const heading = element("summary", {}, "Saved corrections"), list = element("ul", {class: "corrections"});
  const saved = element("details", {hidden: true}, heading, list);
  let prediction = null, isDrawn = false, isSaved = false;   // isSaved: this drawing with this label

  function showButton() { button.disabled = !isDrawn || isSaved; }

  async function save() {
    isSaved = true;                                  // a second click saves nothing
    showButton();
    try {
      const {count, folder} = await post("/api/draw/correct",
        {strokes: appState.strokes, canvas: appState.canvas, label: label.value, predicted: prediction?.label ?? null});
      status.textContent = `Saved: ${count} correction${count === 1 ? "" : "s"} in ${folder}`;
    } catch (error) {
      isSaved = false;
      showButton();
      notify(error.message);
    }
    refresh();
  }

  async function load() {
    const {count, saved: shown} = await get("/api/draw/saved");
    saved.hidden = !count;
    heading.textContent = `Saved corrections (${count})`;
    list.replaceChildren(...shown.map(entry));
  }
  const refresh = () => load().catch((error) => notify(error.message));

  function entry({name, label: meant, predicted, image}) {
    const canvas = element("canvas", {class: "pixels", role: "img", "aria-label": `A drawing of ${meant}`});
    paintGrey(canvas, unpackBytes(image), 28, 28);
    const remove = element("button", {type: "button", "aria-label": `Undo the correction to ${meant}`, async onclick() {
      remove.disabled = true;
      try { await post("/api/draw/uncorrect", {name}); } catch (error) { notify(error.message); }
      clear();
      refresh();
    }}, "Undo");
    return element("li", {}, canvas, element("span", {}, element("strong", {}, meant), predicted === null ? "" : element("span", {class: "quiet small"}, ` read as ${predicted}`)), remove);
  }

  function clear() {
    status.textContent = "";
    isSaved = false;
    showButton();
  }

  return {
    box: element("div", {class: "card"},
      element("h2", {}, "Wrong prediction?"),
      element("div", {class: "row"}, element("label", {}, "I meant", label), button, status),
      element("p", {class: "quiet"}, "Corrections are saved on this machine as strokes. You can evaluate networks on them, train with them, or ",
        element("a", {href: "/api/draw/corrections", download: "corrections.json"}, "export them"), "."),
      saved),
    setPrediction(next, drawn) { prediction = next; isDrawn = drawn; showButton(); },
    clear, refresh,
  };
}

// What is missing of the two networks for drawings, if their training has begun and has not come to its end; otherwise "".
function missingOfPair() {
  const found = PAIR.map((name) => appState.network(name)), unfinished = found.find((network) => network?.planned_epochs);
  if (unfinished) return `The training of ${unfinished.name} has not come to its end: ${unfinished.epochs ?? 0} of ${unfinished.planned_epochs} epochs.`;
  const absent = PAIR.find((name, i) => !found[i]);
  return absent && found.some(Boolean) ? `Of the two networks for drawings, ${absent} has not been trained yet.` : "";
}

// A card above the predictions: the progress of training jobs, or the offer to train networks for drawings.
function trainingBanner() {
  const text = element("p", {role: "status"}), bar = element("progress", {max: 1, "aria-label": "Training progress"});
  const button = element("button", {type: "button", class: "main", onclick: start}, "Train networks for drawings");
  const box = element("div", {class: "card training-banner", hidden: true}, text, bar, button);

  async function start() {
    button.disabled = true;
    try { await post("/api/train/pair", {}); } catch (error) { notify(error.message); } finally { button.disabled = false; }
  }

  function update() {
    const active = trainingJobs.list.filter((job) => !FINISHED.includes(job.state));
    const failed = trainingJobs.list.findLast((job) => job.state === "failed");
    const hasDrawingNetwork = appState.networks.some((network) => network.classes.includes(NO_DIGIT));
    const missing = missingOfPair();
    box.hidden = !active.length && hasDrawingNetwork && !missing;
    bar.hidden = !active.length;
    button.hidden = active.length > 0 || (hasDrawingNetwork && !missing);
    button.textContent = missing ? "Finish the two networks" : "Train networks for drawings";
    if (active.length) {
      const running = trainingJobs.running ?? active[0];
      const queued = active.length > 1 ? `. Next: ${active.slice(1).map((job) => job.name).join(", ")}` : "";
      const first = appState.networks.length ? "" : "No network has been trained yet. You can draw during the training. ";
      text.textContent = `${first}${running.name}: ${statusText(running)}${queued}`;
      if (running.state === "training" && running.progress) bar.value = running.progress.fraction;
      else bar.removeAttribute("value");
    } else if (failed && !appState.networks.length) {
      text.textContent = `The training of ${failed.name} failed: ${failed.error}`;
    } else if (missing) {
      text.textContent = missing;
    } else if (!hasDrawingNetwork) {
      text.textContent = "These networks were trained only on MNIST. They are less accurate on drawn digits, and predict a digit for every "
        + "drawing. Two networks can be trained on pen strokes, with a class for drawings that are not digits. This takes up to twenty "
        + "minutes; you can draw during the training.";
    }
  }
  return {box, update};
}
