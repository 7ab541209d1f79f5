// The tab Train: the form for a new training job. The server checks the form, fills in the values of the preset, and returns the
// equivalent command.

import {get, latestOnly, post} from "../api.js";
import {notify} from "../app-state.js";
import {copyButton, element, thousands} from "../dom.js";

const LABELS = {
  data: "Data", model: "Preset", epochs: "Epochs", batch_size: "Batch size", optimizer: "Optimizer", lr: "Learning rate",
  augmentation: "Augmentation", hidden: "Hidden layers", early_stopping: "Early stopping",
  corrections: "Your corrections", limit: "Training samples", seed: "Seed",
};
const PRESET_FIELDS = ["epochs", "batch_size", "optimizer", "lr", "augmentation", "hidden"];

// Calls onStart(number) with the number of the job that was started, or with null for the pair of networks for drawings.
export function trainingForm(onStart) {
  let presets = {}, busy = false;
  const changed = new Set();                         // fields that the user changed: they no longer follow the preset
  const fields = createFields();
  const about = element("p", {class: "quiet small train-about"});
  const problem = element("p", {class: "train-problem small", role: "alert"});
  const command = element("code", {class: "train-command", tabindex: 0, "aria-label": "The equivalent command"});
  const start = element("button", {type: "submit", class: "main"}, "Start training");
  const pair = element("button", {type: "button", title: "An MLP and a convolutional network for drawings; takes up to twenty minutes"},
    "Train networks for drawings");
  const field = (name) => element("label", {class: `field train-${name}`}, LABELS[name], fields[name]);
  const box = element("form", {class: "card train-form", "aria-label": "New training job", novalidate: true},
    element("h2", {}, "New training job"),
    element("div", {class: "train-fields"}, field("data"), field("model")), about,
    element("div", {class: "train-fields"}, ...Object.keys(fields).slice(2).map(field)),
    problem, element("div", {class: "row"}, start, pair),
    element("p", {class: "quiet small"}, "The equivalent command:"),
    element("div", {class: "train-copy"}, command, copyButton(command)));

  // The fields of the request: only those that differ from the preset.
  function requestFields() {
    const request = {data: fields.data.value, model: fields.model.value};
    for (const name of changed) {
      const text = fields[name].value.trim();
      if (text === "" || name === "data" || name === "model") continue;
      const isNumber = fields[name].type === "number", value = Number(text);
      if (isNumber && Number.isNaN(value)) throw new Error(`${LABELS[name]}: ${text} is not a number`);
      request[name] = isNumber ? value : text;
    }
    return request;
  }

  const check = latestOnly(async () => {
    try {
      const plan = await post("/api/train/check", requestFields());
      if (plan.problem) throw new Error(plan.problem);
      for (const name of ["epochs", "batch_size", "lr", "augmentation"]) if (!changed.has(name)) fill(name, plan[name]);
      if (!changed.has("hidden")) fields.hidden.value = plan.hidden || "";
      about.textContent = summary(plan);
      command.textContent = plan.command;
      problem.textContent = "";
    } catch (error) {
      problem.textContent = error.message;
      command.textContent = "";
    }
    start.disabled = busy || problem.textContent !== "";
  });

  function fill(name, value) {
    if (name === "augmentation" && ![...fields[name].options].some((option) => option.value === value)) {
      fields[name].append(element("option", {value}, value));
    }
    fields[name].value = name === "lr" ? Number(value.toPrecision(6)) : value;
  }

  function applyPreset() {
    const preset = presets[fields.model.value];
    for (const name of PRESET_FIELDS) changed.delete(name);
    fields.optimizer.options[0].textContent = `${preset.optimizer.split("(")[0]} (preset)`;
    fields.optimizer.value = "";
    fields.hidden.disabled = preset.hidden === null;
    about.textContent = summary(preset);
    check();
  }

  for (const [name, input] of Object.entries(fields)) {
    input.addEventListener("input", () => {
      if (name === "model") { applyPreset(); return; }
      if (name === "optimizer") changed.delete("lr");   // each optimizer has its own default learning rate
      if (input.value === "") changed.delete(name); else changed.add(name);
      check();
    });
  }

  async function submit(send) {
    busy = start.disabled = pair.disabled = true;
    try {
      onStart(await send());
    } catch (error) {
      problem.textContent = error.message;
    }
    busy = start.disabled = pair.disabled = false;
  }
  box.addEventListener("submit", (event) => {
    event.preventDefault();
    submit(async () => (await post("/api/train/start", requestFields())).job);
  });
  pair.addEventListener("click", () => submit(async () => { await post("/api/train/pair", {}); return null; }));

  async function refresh() {
    if (fields.model.options.length) return;
    const choices = await get("/api/train/choices");
    presets = Object.fromEntries(choices.presets.map((preset) => [preset.name, preset]));
    const setOptions = (select, values) => select.replaceChildren(...values.map((value) => element("option", {value}, value)));
    setOptions(fields.data, choices.data);
    setOptions(fields.model, Object.keys(presets));
    setOptions(fields.augmentation, choices.augmentations);
    setOptions(fields.optimizer, ["", ...choices.optimizers]);
    applyPreset();
  }
  return {box, refresh: () => refresh().catch((error) => notify(error.message))};
}

const summary = ({about, parameters, optimizer}) => `${about}. ${thousands(parameters)} parameters; ${optimizer}.`;

function createFields() {
  const number = (name, max, other = {}) => element("input", {type: "number", name, min: 1, max, step: 1, ...other});
  return {
    data: element("select", {name: "data"}),
    model: element("select", {name: "model"}),
    epochs: number("epochs", 1000),
    batch_size: number("batch_size", 10000),
    optimizer: element("select", {name: "optimizer"}),
    lr: number("lr", 1000, {min: 0, step: "any"}),
    augmentation: element("select", {name: "augmentation"}),
    hidden: element("input", {type: "text", name: "hidden", maxlength: 60, autocomplete: "off", spellcheck: "false"}),
    early_stopping: number("early_stopping", 1000, {
      placeholder: "off", title: "Stop after this number of epochs without a lower validation loss; the best parameters are kept",
    }),
    corrections: element("select", {name: "corrections"},
      element("option", {value: ""}, "leave out"), element("option", {value: "include"}, "train on them")),
    limit: number("limit", 1e9, {placeholder: "all"}),
    seed: number("seed", 2 ** 31 - 1, {min: 0, value: 0}),
  };
}
