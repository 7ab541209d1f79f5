// The form elements of the playground: buttons, settings of the network, the data set. They change the session, and show its
// settings.

import {element, radioGroup} from "../dom.js";
import {pointEditor, thumbnail} from "./playground-points.js";
import {OPTIONS} from "./playground-settings.js";

// Returns the elements of the form: {buttons, pace, fields, data, logAxis}, and update().
export function createControls(session, onProgram) {
  const buttons = trainingButtons(session, onProgram);
  const form = settingFields(session), data = dataFields(session);
  const pace = selectField("Update every", OPTIONS.pace, {
    title: "The number of training steps between two updates of the page",
    value: () => session.view.pace, onChange: (value) => session.setView({pace: value}),
  });
  const log = element("input", {type: "checkbox", onchange: () => session.setView({log: log.checked})});

  function update() {
    form.update();
    data.update();
    pace.update();
    log.checked = session.view.log;
  }
  session.addEventListener("settings", update);
  session.addEventListener("state", buttons.update);
  session.addEventListener("playing", buttons.update);
  update();
  buttons.update();
  return {
    buttons: buttons.box, pace: pace.box, fields: form.box, data: data.box,
    logAxis: element("label", {class: "small playground-log"}, log, "logarithmic loss axis"),
    togglePlay: buttons.togglePlay,
  };
}

function button(text, title, onclick, kind = "") {
  return element("button", {type: "button", class: kind, title, onclick}, text);
}

function randomSeed(current) {
  let seed = current;
  while (seed === current) seed = Math.floor(Math.random() * 1000);
  return seed;
}

function trainingButtons(session, onProgram) {
  const play = button("▶ Play", "Play or pause (space key)", () => (session.playing ? session.pause() : session.play()), "main playground-play");
  const step = button("Step", "Train one step: one mini-batch", () => { session.pause(); session.advance(1); });
  const epoch = button("Epoch", "Train to the end of the epoch", () => { session.pause(); session.advanceToEpochEnd(); });
  const rewind = button("Rewind", "Back to step 0, with the same seed", () => session.rewind());
  const seed = button("New seed", "Other initial weights and another order of the points", () => session.change({seed: randomSeed(session.settings.seed)}));
  const program = button("Copy as Python", "The program that trains the same network", onProgram);
  return {
    box: element("div", {class: "row"}, play, step, epoch, rewind, seed, program),
    togglePlay() { if (!play.disabled) play.click(); },
    update() {
      play.textContent = session.playing ? "❚❚ Pause" : "▶ Play";
      play.disabled = step.disabled = epoch.disabled = !session.state || Boolean(session.state.diverged);
      rewind.disabled = !session.step;
      program.disabled = !session.state;
    },
  };
}

// A labelled select. value() returns the current value; onChange(value) is called when the user selects another.
function selectField(label, options, {title, value, onChange}) {
  const select = element("select", {onchange: () => {
    const option = options.find(([one]) => String(one) === select.value);
    onChange(option ? option[0] : Number(select.value));
  }}, ...options.map(([one, text]) => element("option", {value: one}, text)));
  return {
    box: element("label", {class: "field", title}, label, select), select,
    update() {                                       // an address may contain a number that is not among the options
      const current = String(value());
      if (![...select.options].some((option) => option.value === current)) select.append(element("option", {value: current}, current));
      select.value = current;
    },
  };
}

function settingFields(session) {
  const setting = (name, label, title) => selectField(label, OPTIONS[name], {
    title, value: () => session.settings[name], onChange: (value) => session.change({[name]: value}),
  });
  const learningRate = selectField("Learning rate", OPTIONS.learning_rate, {
    title: "The size of a step. It can be changed during the training.",
    value: () => session.learningRate, onChange: (value) => session.setLearningRate(value),
  });
  const strength = setting("strength", "Strength λ", "The strength of the regularization");
  const selects = [
    learningRate,
    setting("batch_size", "Batch size", "The number of points in a step"),
    setting("optimizer", "Optimizer", "The rule that updates the weights"),
    setting("activation", "Activation", "The function after each hidden layer"),
    setting("init", "Initial weights", "The distribution of the weights before the first step"),
    setting("regularization", "Regularization", "Keeps the weights small"),
    strength,
  ];
  const seed = element("input", {type: "number", min: 0, max: 1000000, step: 1, onchange: () => {
    const value = Math.round(Number(seed.value));
    session.change({seed: value >= 0 && value <= 1e6 ? value : session.settings.seed});
  }});
  return {
    box: element("div", {class: "card playground-fields"}, ...selects.map((select) => select.box),
      element("label", {class: "field", title: "Determines the initial weights and the order of the points"}, "Seed", seed)),
    update() {
      for (const select of selects) select.update();
      seed.value = session.settings.seed;
      strength.select.disabled = session.settings.regularization === "none";
    },
  };
}

function sliderField(label, [min, max, step], {format, value, onChange}) {
  const output = element("span", {class: "numbers"});
  const input = element("input", {type: "range", min, max, step, oninput: () => onChange(Number(input.value))});
  return {
    box: element("label", {class: "field"}, element("span", {class: "playground-slider"}, label, output), input),
    update() { input.value = value(); output.textContent = format(value()); },
  };
}

// The data set: a sketch of each to choose from; sliders for the generated ones, an editor for the user's points.
function dataFields(session) {
  const {settings} = session;
  const choices = OPTIONS.data.map(([value, text]) => [value, element("span", {class: "playground-thumbnail"}, thumbnail(value), text)]);
  const datasets = radioGroup("Data", choices, settings.data, (value) => session.change({data: value}));
  datasets.classList.add("playground-datasets");
  const slider = (name, label, range, format) => sliderField(label, range, {
    format, value: () => session.settings[name], onChange: (value) => session.change({[name]: value}),
  });
  const sliders = [
    slider("noise", "Noise", [0, 1, 0.05], (value) => value.toFixed(2)),
    slider("samples", "Points", [20, 1000, 20], (value) => value),
  ];
  const generated = element("div", {class: "stack playground-generated"}, ...sliders.map((one) => one.box),
    button("New points", "Other random points", () => session.change({data_seed: randomSeed(session.settings.data_seed)})));
  const editor = pointEditor({
    points: () => session.settings.points,
    onChange: (points) => session.setPoints(points, true),
    onClass: (label) => session.setPaintClass(label),
  });
  return {
    box: element("div", {class: "card playground-data"}, element("h2", {}, "Data"), datasets, generated, editor.box),
    update() {
      datasets.check(session.settings.data);
      for (const one of sliders) one.update();
      generated.hidden = session.isUserData;
      editor.box.hidden = !session.isUserData;
      editor.update();
    },
  };
}
