// The form elements of the playground: buttons, settings of the network, the data set. They change the session, and show its
// settings.

import {element, radioGroup} from "../dom.js";
import {pointEditor, thumbnail} from "./playground-points.js";
import {FEATURES, OPTIONS, SURFACES} from "./playground-settings.js";

// Returns the elements of the form: {buttons, pace, fields, data, inputs, logAxis}, and togglePlay().
export function createControls(session, onProgram) {
  const buttons = trainingButtons(session, onProgram);
  const form = settingFields(session), data = dataFields(session), inputs = inputButtons(session);
  const pace = selectField("Update every", OPTIONS.pace, {
    title: "The number of training steps between two updates of the page",
    value: () => session.view.pace, onChange: (value) => session.setView({pace: value}),
  });
  const log = element("input", {type: "checkbox", onchange: () => session.setView({log: log.checked})});

  function update() {
    form.update();
    data.update();
    inputs.update();
    pace.update();
    log.checked = session.view.log;
  }
  session.addEventListener("settings", update);
  session.addEventListener("view", update);
  session.addEventListener("state", buttons.update);
  session.addEventListener("playing", buttons.update);
  update();
  buttons.update();
  return {
    buttons: buttons.box, pace: pace.box, fields: form.box, data: data.box, inputs: inputs.box,
    logAxis: element("label", {class: "small playground-log"}, log, "logarithmic axis"),
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
  const groups = {                                   // by subject
    Training: [
      learningRate,
      setting("batch_size", "Batch size", "The number of points in a step"),
      setting("optimizer", "Optimizer", "The rule that updates the weights"),
    ],
    Network: [
      setting("activation", "Activation", "The function after each hidden layer"),
      setting("init", "Initial weights", "The distribution of the weights before the first step"),
    ],
    "Against overfitting": [
      setting("regularization", "Regularization", "Keeps the weights small. L1 also makes many of them nearly zero."),
      strength,
    ],
  };
  const selects = Object.values(groups).flat();
  const seed = element("input", {type: "number", min: 0, max: 1000000, step: 1, onchange: () => {
    const value = Math.round(Number(seed.value));
    session.change({seed: value >= 0 && value <= 1e6 ? value : session.settings.seed});
  }});
  return {
    box: element("div", {class: "card playground-fields"}, ...Object.entries(groups).map(([name, fields]) =>
      element("fieldset", {class: `playground-group of-${fields.length + (name === "Network")}`}, element("legend", {}, name), ...fields.map((field) => field.box),
        name === "Network" ? element("label", {class: "field", title: "Determines the initial weights and the order of the points"}, "Seed", seed) : null))),
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

// The inputs of the network: a button for each feature, pressed if the network receives it. The last one stays pressed.
function inputButtons(session) {
  const buttons = FEATURES.map(({name, label}) => {
    const one = button(label, `Input ${label}: on or off`, () => {
      const on = session.settings.features;
      const next = FEATURES.map((feature) => feature.name).filter((other) => on.includes(other) !== (other === name));
      if (next.length) session.change({features: next});
    });
    one.dataset.name = name;
    return one;
  });
  return {
    box: element("div", {class: "playground-inputs", role: "group", "aria-label": "Inputs"}, element("span", {class: "small quiet"}, "Inputs"), ...buttons),
    update() {
      const on = session.settings.features;
      for (const one of buttons) {
        const pressed = on.includes(one.dataset.name);
        one.setAttribute("aria-pressed", pressed);
        one.disabled = pressed && on.length === 1;
      }
    },
  };
}

// The data set: a sketch of each to choose from; sliders for the generated ones, an editor for the user's points.
function dataFields(session) {
  const {settings} = session;
  const kinds = [["Classes", (value) => !SURFACES.includes(value)], ["Numbers (regression)", (value) => SURFACES.includes(value)]].map(([name, belongs]) => {
    const choices = OPTIONS.data.filter(([value]) => belongs(value))
      .map(([value, text]) => [value, element("span", {class: "playground-thumbnail"}, thumbnail(value), text)]);
    const group = radioGroup(name, choices, settings.data, (value) => session.change({data: value}));
    group.classList.add("playground-datasets");
    return {group, box: element("div", {class: "stack playground-kind"}, element("span", {class: "small quiet"}, name), group)};
  });
  const slider = (name, label, range, format) => sliderField(label, range, {
    format, value: () => session.settings[name], onChange: (value) => session.change({[name]: value}),
  });
  const sliders = [
    slider("noise", "Noise", [0, 1, 0.05], (value) => value.toFixed(2)),
    slider("samples", "Points", [20, 1000, 20], (value) => value),
  ];
  const validation = slider("validation", "For validation", [0.1, 0.8, 0.05], (value) => `${Math.round(100 * value)} %`);
  const generated = element("div", {class: "stack playground-generated"}, ...sliders.map((one) => one.box),
    button("New points", "Other random points", () => session.change({data_seed: randomSeed(session.settings.data_seed)})));
  const editor = pointEditor({
    points: () => session.settings.points,
    onChange: (points) => session.setPoints(points, true),
    onClass: (label) => session.setPaintClass(label),
  });
  return {
    box: element("div", {class: "card playground-data"}, element("h2", {}, "Data"), ...kinds.map((kind) => kind.box),
      element("div", {class: "playground-share", title: "The part of the points that the network never trains on"}, validation.box), generated, editor.box),
    update() {
      for (const {group} of kinds) {
        group.check(session.settings.data);
        if (!group.querySelector("[aria-checked=true]")) group.firstChild.tabIndex = 0;   // the Tab key reaches each group
      }
      for (const one of [...sliders, validation]) one.update();
      generated.hidden = session.isUserData;
      editor.box.hidden = !session.isUserData;
      editor.update();
    },
  };
}
