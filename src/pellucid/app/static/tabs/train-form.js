// The tab Train: the form for a new training. It asks the server what a preset means, and says the command that does the same.

import {get, newest, post} from "./api.js";
import {notice} from "./desk.js";
import {copier, element, thousands} from "./dom.js";

// Calls started(number) with the training that it began; with null where that is several, one after the other.
export function form(started) {
  let presets = {}, busy = false;
  const touched = new Set();                         // what was typed, and is no longer what the preset says
  const number = (name, most, other = {}) => element("input", {type: "number", name, min: 1, max: most, step: 1, ...other});
  const fields = {
    data: element("select", {name: "data"}), model: element("select", {name: "model"}),
    epochs: number("epochs", 1000), batch_size: number("batch_size", 10000), optimizer: element("select", {name: "optimizer"}),
    lr: number("lr", 1000, {min: 0, step: "any"}), augmentation: element("select", {name: "augmentation"}),
    hidden: element("input", {type: "text", name: "hidden", maxlength: 60, autocomplete: "off", spellcheck: "false"}),
    early_stopping: number("early_stopping", 1000, {
      placeholder: "never", title: "After so many epochs without a lower validation loss; the best weights are kept",
    }),
    corrections: element("select", {name: "corrections"}, element("option", {value: ""}, "left out"), element("option", {}, "learned, too")),
    limit: number("limit", 1e9, {placeholder: "all"}), seed: number("seed", 2 ** 31 - 1, {min: 0, value: 0}),
  };
  const labels = {
    data: "Data", model: "Preset", epochs: "Epochs", batch_size: "Batch size", optimizer: "Optimizer", lr: "Learning rate",
    augmentation: "Augmentation", hidden: "Hidden layers", early_stopping: "Early stopping",
    corrections: "Your corrections", limit: "Training samples", seed: "Seed",
  };
  const about = element("p", {class: "quiet small train-about"});
  const problem = element("p", {class: "train-problem small", role: "alert"});
  const command = element("code", {class: "train-command", tabindex: 0, "aria-label": "The command that does the same"});
  const start = element("button", {type: "submit", class: "main"}, "Start training");
  const pair = element("button", {type: "button", title: "An MLP and a convolutional network for drawings; it may take twenty minutes"},
    "Train the drawing pair");
  const field = (name) => element("label", {class: `field train-${name}`}, labels[name], fields[name]);
  const box = element("form", {class: "card train-form", "aria-label": "A new training", novalidate: true},
    element("h2", {}, "A new training"),
    element("div", {class: "train-fields"}, field("data"), field("model")), about,
    element("div", {class: "train-fields"}, ...Object.keys(fields).slice(2).map(field)),
    problem, element("div", {class: "row"}, start, pair),
    element("p", {class: "quiet small"}, "The same on the command line:"),
    element("div", {class: "train-copy"}, command, copier(command)));

  // What is asked for: only what differs from the preset.
  function wanted() {
    const body = {data: fields.data.value, model: fields.model.value};
    for (const name of touched) {
      const text = fields[name].value.trim();
      if (text === "" || name === "data" || name === "model") continue;
      const isNumber = fields[name].type === "number", value = Number(text);
      if (isNumber && Number.isNaN(value)) throw new Error(`${labels[name]}: ${text} is no number`);
      body[name] = isNumber ? value : text;
    }
    return body;
  }

  const check = newest(async () => {
    try {
      const plan = await post("/api/train/check", wanted());
      if (plan.problem) throw new Error(plan.problem);
      for (const name of ["epochs", "batch_size", "lr", "augmentation"]) if (!touched.has(name)) fill(name, plan[name]);
      if (!touched.has("hidden")) fields.hidden.value = plan.hidden || "";
      about.textContent = `${plan.about}. ${thousands(plan.parameters)} parameters; ${plan.optimizer}.`;
      command.textContent = plan.command;
      problem.textContent = "";
    } catch (error) {
      problem.textContent = error.message;
      command.textContent = "";                        // no command does what cannot be done
    }
    start.disabled = busy || problem.textContent !== "";
  });

  function fill(name, value) {
    if (name === "augmentation" && ![...fields[name].options].some((one) => one.value === value)) {
      fields[name].append(element("option", {value}, value));
    }
    fields[name].value = name === "lr" ? Number(value.toPrecision(6)) : value;
  }

  function chosen() {                                // another preset: what it says counts again
    const preset = presets[fields.model.value];
    for (const name of ["epochs", "batch_size", "optimizer", "lr", "augmentation", "hidden"]) touched.delete(name);
    fields.optimizer.options[0].textContent = `${preset.optimizer.split("(")[0]} (preset)`;
    fields.optimizer.value = "";
    fields.hidden.disabled = preset.hidden === null;
    about.textContent = `${preset.about}. ${thousands(preset.parameters)} parameters; ${preset.optimizer}.`;
    check();
  }

  for (const [name, input] of Object.entries(fields)) {
    input.addEventListener("input", () => {
      if (name === "model") { chosen(); return; }
      if (name === "optimizer") touched.delete("lr");
      if (input.value === "") touched.delete(name); else touched.add(name);
      check();
    });
  }

  async function go(send) {
    busy = start.disabled = pair.disabled = true;
    try {
      started(await send());
    } catch (error) {
      problem.textContent = error.message;
    }
    busy = start.disabled = pair.disabled = false;
  }
  box.addEventListener("submit", (event) => {
    event.preventDefault();
    go(async () => (await post("/api/train/start", wanted())).job);
  });
  pair.addEventListener("click", () => go(async () => { await post("/api/train/pair", {}); return null; }));

  async function refresh() {
    if (fields.model.options.length) return;
    const choices = await get("/api/train/choices");
    presets = Object.fromEntries(choices.presets.map((one) => [one.name, one]));
    const options = (select, values) => select.replaceChildren(...values.map((value) => element("option", {value}, value)));
    options(fields.data, choices.data);
    options(fields.model, Object.keys(presets));
    options(fields.augmentation, choices.augmentations);
    options(fields.optimizer, ["", ...choices.optimizers]);
    chosen();
  }
  return {box, refresh: () => refresh().catch((error) => notice(error.message))};
}
