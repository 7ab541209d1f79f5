// The tab Draw: the predictions of the networks for the drawing, updated with every pen movement; and corrections.

import {get, post, unpackBytes} from "../api.js";
import {MAX_SELECTED, appState, notify} from "../app-state.js";
import {element, paintGrey} from "../dom.js";
import {attachPad} from "../drawing-pad.js";
import {predictions} from "../predictions.js";
import {predictionCards} from "./draw-cards.js";
import {drawingGame} from "./draw-game.js";
import {learning} from "./draw-learning.js";
import {lectureMode} from "./draw-lecture.js";
import {normalizationSteps} from "./draw-normalization.js";
import {FINISHED, statusText, trainingJobs} from "./train-jobs.js";

const NO_DIGIT = "no digit", LABELS = [..."0123456789", NO_DIGIT];
const PAIR = ["draw-mlp", "draw-cnn"];                // the two networks for drawings

export function mount(section) {
  const left = element("div", {class: "left"});
  const cards = predictionCards();
  const banner = trainingBanner(), correction = correctionForm();
  const checkboxes = element("div", {class: "row"}), steps = normalizationSteps();
  let pad = null;                                     // from onShow on
  const game = drawingGame({pad: () => pad, onChange: (isPlaying) => section.classList.toggle("playing", isPlaying), onSaved: correction.refresh});
  section.append(game.bar, left);
  const lecture = lectureMode(section, () => pad?.paint());
  const ideas = element("div", {class: "card ideas"},
    element("p", {}, element("strong", {}, "Try: "), "a crossed 7, an open 4, a 1 with a foot, or a letter. Where do the two networks differ?"),
    element("div", {class: "row"}, ...game.controls, lecture.button));
  section.append(element("div", {class: "stack"}, banner.box, game.result, cards.box, cards.spoken, ideas, correction.box, steps.box,
    element("details", {class: "card networks-shown"}, element("summary", {}, "Networks shown"), checkboxes)));

  function showPredictions() {
    if (predictions.latest.length) cards.show(predictions.latest); else cards.clear();
    correction.setPrediction(predictions.latest[0] ?? null, predictions.image !== null);
    if (predictions.latest.length) section.dataset.answered = performance.now();   // benchmarks measure the time from the pen to this moment
  }

  function showSelection() {
    game.setNetworks();
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
    onShow() { pad = attachPad(left); correction.refresh(); lecture.update(); },
    onHide() { game.finish(); steps.stop(); lecture.update(); },
  };
}

// The form that saves the drawing with the label that the user meant, and the list of what is saved.
function correctionForm() {
  const label = element("select", {"aria-label": "The digit you meant", onchange: clear}, ...LABELS.map((one) => element("option", {}, one)));
  const button = element("button", {type: "button", disabled: true, onclick: save}, "Save correction");
  const status = element("span", {class: "quiet", role: "status"});
  const heading = element("summary", {}, "Saved corrections"), list = element("ul", {class: "corrections"});
  const saved = element("details", {hidden: true}, heading, list), learn = learning();
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
    learn.setCount(count);
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
    box: element("div", {class: "card correction"},
      element("h2", {}, "Wrong prediction?"),
      element("div", {class: "row"}, element("label", {}, "I meant", label), button, status),
      element("p", {class: "quiet"}, "Corrections are saved on this machine as strokes. You can evaluate networks on them, train with them, or ",
        element("a", {href: "/api/draw/corrections", download: "corrections.json"}, "export them"), "."),
      learn.box, saved),
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
