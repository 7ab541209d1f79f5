// The tab Playground: a small network learns points in the plane while one watches. The server trains; the page asks for the
// next few steps when it has drawn the last ones. All settings stand in the address.

import {post} from "./api.js";
import {lineChart} from "./chart.js";
import {notice} from "./desk.js";
import {choice, element, percent} from "./dom.js";
import {lesson} from "./playground-lessons.js";
import {diagram} from "./playground-network.js";
import {ownPoints, thumbnail} from "./playground-points.js";
import {plane} from "./playground-plane.js";
import {CHOICES, rateOf, read, written} from "./playground-state.js";

const CURVE = 500;                                   // points of a curve at most; then every other one goes
const MOST_STEPS = 200;                              // that the server takes in one request
const PORTIONS = 50;                                 // in which steps are caught up with: points of the curves
const RATES = 100;                                   // learning rates of one training at most

export function mount(section) {
  const ready = () => { section.style.visibility = ""; own.draw(); };
  section.style.visibility = "hidden";               // until the style is there: nothing is seen to move
  document.head.append(element("link", {rel: "stylesheet", href: "/static/playground.css", onload: ready, onerror: ready}));
  let {settings, view} = read(location.hash.split("?")[1] ?? "");
  let session = null, state = null, curves = [], playing = false, visible = false, focus = null, newRate = null, classes = 2, batches = 1;
  let generation = 0, lost = false, tail = Promise.resolve(), address = location.hash;

  // -- asking the server, one request after the other --------------------------------------------------------------

  const inTurn = (work) => (tail = tail.then(work).catch((error) => { pause(); notice(error.message); }));

  // Starts anew, and takes the steps up to ``until``. Of several starts in a row only the last one counts.
  function start(until = 0) {
    const mine = ++generation;
    session = null;
    lost = false;
    return inTurn(async () => {
      if (mine !== generation) return;
      if (settings.data === "own" && !own.enough()) { empty(); return; }
      const answer = await post("/api/playground/start", settings).catch((error) => { lost = true; throw error; });
      if (mine !== generation) return;
      session = answer.session;
      classes = answer.classes.length;
      batches = answer.batches;
      curves = [];
      board.points(answer.points);
      net.shape(settings.hidden, classes);
      take(answer);
      while (state.step < until && !state.diverged && mine === generation) {
        const reached = state.step;
        const portion = Math.min(MOST_STEPS, until - reached, Math.ceil(until / PORTIONS));
        const next = await post("/api/playground/advance", {session, steps: portion});
        if (mine === generation) take(next);
      }
    });
  }

  function advance(steps, again = false) {
    return inTurn(async () => {
      if (lost) start(state?.step ?? 0);
      if (!session || !state) return;
      const mine = generation, asked = {session, steps};
      if (focus !== null) asked.focus = focus;
      if (newRate !== null) {
        asked.rate = newRate;
        settings.rates = [...settings.rates.filter(([step]) => step < state.step), [state.step, newRate]];
        newRate = null;
      }
      let answer;
      try {
        answer = await post("/api/playground/advance", asked);
      } catch (error) {
        if (again) throw error;
        if (mine !== generation) return;
        start(state.step);                           // the server keeps the newest trainings: this one becomes what it was
        advance(steps, true);
        return;
      }
      if (mine === generation) take(answer);
    });
  }

  const frame = () => new Promise((done) => requestAnimationFrame(done));
  let looping = false;
  async function play() {
    playing = true;
    buttons();
    if (looping) return;
    looping = true;
    while (playing) {
      const steps = view.pace === "epoch" ? Math.min(MOST_STEPS, batches) : Number(view.pace);
      await Promise.all([advance(steps), frame()]);  // the next steps are taken while these are shown
    }
    looping = false;
  }
  function pause() {
    if (!playing) return;
    playing = false;
    buttons();
    remember();
  }

  // -- what comes back ---------------------------------------------------------------------------------------------

  function take(answer) {
    const fresh = !state || answer.step !== state.step || answer.step === 0;
    state = answer;
    if (fresh) {
      const last = curves.at(-1);
      if (!last || last[0] < state.step) curves.push([state.step, state.train, state.validation]);
      if (curves.length > CURVE) curves = curves.filter((_, i) => i % 2 === 0 || i === curves.length - 1);
    }
    if (state.diverged) pause();
    board.decides(state.decision, classes);
    show();
    net.draw(state);
    figures();
    if (!playing) remember();
  }

  function show() {                                  // the decision, or the unit that is pointed at
    if (focus === null || !state) board.shows(null);
    else if (state.focus === focus) board.shows(unpacked(state.focused, 0, 1));
    else board.shows(unpacked(state.units, focus, settings.hidden.reduce((a, b) => a + b, 0)));
    board.draw();
  }
  function unpacked(packed, number, count) {
    const bytes = Uint8Array.from(atob(packed), (one) => one.charCodeAt(0)), size = bytes.length / count;
    return {bytes: bytes.subarray(number * size, (number + 1) * size), dots: Math.round(Math.sqrt(size))};
  }

  function empty() {                                 // points of one's own, too few of them as yet
    pause();
    state = null;
    curves = [];
    board.ownPoints(settings.points);
    board.dims();
    net.clear();
    figures();
    remember();
  }

  function figures() {
    const step = state?.step ?? 0;
    counters.epoch.textContent = (step / batches).toFixed(step % batches ? (batches > 20 ? 2 : 1) : 0);
    counters.step.textContent = step.toLocaleString("en");
    const number = (value) => (value == null ? (state ? "∞" : "–") : value < 1000 ? value.toFixed(4) : value.toExponential(2));
    for (const name of ["train", "validation"]) {
      table[name].loss.textContent = state ? number(state[name].loss) : "–";
      table[name].accuracy.textContent = state ? percent(state[name].accuracy) : "–";
    }
    const curve = (name, figure) => curves.map(([at, ...both]) => [at / batches, both[name === "train" ? 0 : 1][figure] ?? NaN]);
    const series = (figure) => [
      {name: "training", colour: "--blue", dashed: false, points: curve("train", figure)},
      {name: "validation", colour: "--vermilion", dashed: true, points: curve("validation", figure)},
    ];
    const marks = settings.rates.slice(1).map(([at, rate]) => ({x: at / batches, text: `rate ${rate}`})).filter((mark) => mark.x <= step / batches);
    lineChart(charts.loss, {series: series("loss"), x: "epoch", y: "loss", logY: view.log, low: view.log ? undefined : 0, marks});
    lineChart(charts.accuracy, {series: series("accuracy"), x: "epoch", y: "accuracy", low: 0.5, high: 1, format: (value) => `${Number((100 * value).toFixed(1))} %`, marks});
    status.classList.toggle("bad", Boolean(state?.diverged));
    const line = lesson(settings, state, playing);
    if (status.textContent !== line) status.textContent = line;
    status.title = state?.diverged ?? "";
    buttons();
  }

  // -- controls ----------------------------------------------------------------------------------------------------

  const button = (text, label, act, kind = "") => element("button", {type: "button", class: kind, title: label, onclick: act}, text);
  const toggle = element("button", {type: "button", class: "main pg-play", title: "Play or pause (space key)", onclick: () => (playing ? pause() : play())}, "▶ Play");
  const single = button("Step", "One step: one batch", () => { pause(); advance(1); });
  const epoch = button("Epoch", "Steps up to the end of the epoch", () => { pause(); advanceFar(batches - (state?.step ?? 0) % batches); });
  const rewind = button("Rewind", "Back to the first step, with the same seed", () => { pause(); fromTheStart(); start(); });
  const reseed = button("New seed", "Other first weights and another order of the points", () => change({seed: another(settings.seed)}));
  const python = button("Copy as Python", "The program that trains the same network", () => showPython());
  const status = element("p", {class: "pg-status", role: "status"});
  const counters = {epoch: element("b", {class: "numbers"}, "0"), step: element("b", {class: "numbers"}, "0")};
  const another = (seed) => { let next = seed; while (next === seed) next = Math.floor(Math.random() * 1000); return next; };

  async function advanceFar(steps) {                 // the server may take fewer at once, where they take long
    const end = (state?.step ?? 0) + steps;
    for (let before = -1; state && state.step < end && state.step > before && !state.diverged;) {
      before = state.step;
      await advance(Math.min(end - state.step, MOST_STEPS));
    }
  }

  function buttons() {
    const can = Boolean(state) && !state.diverged;
    toggle.textContent = playing ? "❚❚ Pause" : "▶ Play";
    toggle.disabled = single.disabled = epoch.disabled = !can;
    rewind.disabled = !state?.step;
    python.disabled = !state;
  }

  function fromTheStart() {                          // a training begins with the learning rate that is shown
    settings.rates = [[0, newRate ?? rateOf(settings)]];
    newRate = null;
  }

  function change(fields) {                          // other settings: the training starts over, and goes on where it was going on
    Object.assign(settings, fields);
    fromTheStart();
    controls();
    start();
  }

  const selects = {};
  function select(name, label, options, value, changed, title) {
    const made = element("select", {onchange: () => {
      const chosen = options.find(([one]) => String(one) === made.value);
      changed(chosen ? chosen[0] : Number(made.value));
    }}, ...options.map(([one, text]) => element("option", {value: one}, text)));
    selects[name] = () => {                          // an address may say a number that is not in the list
      const now = String(value());
      if (![...made.options].some((one) => one.value === now)) made.append(element("option", {value: now}, now));
      made.value = now;
    };
    return element("label", {class: "field", title}, label, made);
  }
  const setting = (name, label, title) => select(name, label, CHOICES[name], () => settings[name], (value) => change({[name]: value}), title);

  const seed = element("input", {type: "number", min: 0, max: 1000000, step: 1, onchange: () => {
    const value = Math.round(Number(seed.value));
    change({seed: value >= 0 && value <= 1e6 ? value : settings.seed});
  }});
  const strength = setting("strength", "Strength λ", "How strongly large weights are pulled back");
  const fields = element("div", {class: "card pg-fields"},
    select("rate", "Learning rate", CHOICES.rate, () => newRate ?? rateOf(settings), rated, "How far each step goes. Change it while the training runs, too."),
    setting("batch", "Batch size", "How many points each step looks at"),
    setting("optimizer", "Optimizer", "How the weights follow the gradient"),
    setting("activation", "Activation", "The function behind each hidden layer"),
    setting("init", "First weights", "How the weights are drawn before the first step"),
    setting("regularization", "Regularization", "What pulls large weights back"),
    strength,
    element("label", {class: "field", title: "Names the first weights and the order of the points: the same seed gives the same numbers"}, "Seed", seed),
  );

  function rated(value) {                            // the one setting that can change while the training goes on
    if (!state || state.diverged || settings.rates.length >= RATES) { change({rates: [[0, value]]}); return; }
    newRate = value;
    if (!playing) advance(0);
  }

  const range = (name, label, low, high, step, text) => {
    const shown = element("span", {class: "numbers"});
    const input = element("input", {type: "range", min: low, max: high, step, oninput: () => { change({[name]: Number(input.value)}); }});
    selects[name] = () => { input.value = settings[name]; shown.textContent = text(settings[name]); };
    return element("label", {class: "field"}, element("span", {class: "pg-range"}, label, shown), input);
  };
  const data = choice("Data", CHOICES.data.map(([value, text]) => [value, element("span", {class: "pg-thumb"}, thumbnail(value), text)]), settings.data,
    (value) => { change({data: value}); });
  data.classList.add("pg-data");
  const made = element("div", {class: "stack pg-made"},
    range("noise", "Noise", 0, 1, 0.05, (value) => value.toFixed(2)),
    range("samples", "Points", 20, 1000, 20, (value) => value),
    button("New points", "Other points of the same kind", () => change({data_seed: another(settings.data_seed)})));
  const own = ownPoints({
    points: () => settings.points,
    changed: (points, done) => {
      settings.points = points;
      if (done) change({}); else board.ownPoints(points);
    },
    paints: (label) => { if (settings.data === "own") board.paints(label); },
  });

  const readout = element("p", {class: "quiet small numbers pg-said"}), whose = element("h2", {});
  const board = plane({
    painted: (points, done) => own.add(points, done),
    said: (text) => { readout.textContent = text || "Filled: training. Hollow: validation. Faint: undecided."; },
  });
  readout.textContent = "Filled: training. Hollow: validation. Faint: undecided.";
  const wiring = element("p", {class: "quiet small numbers pg-said"});
  const hint = "Lines: weights. Vermilion: positive. Blue, dashed: negative. Point at a line or a unit.";
  const net = diagram({
    changed: (hidden) => change({hidden}),
    pointed: (unit) => { focus = unit; titles(); show(); if (unit !== null && !playing) advance(0); },
    said: (text) => { wiring.textContent = text || hint; },
  });
  wiring.textContent = hint;

  function titles() {
    let text = "What the network decides";
    if (focus !== null) {
      let layer = 0, unit = focus;
      while (unit >= settings.hidden[layer]) unit -= settings.hidden[layer++];
      text = `What unit ${unit + 1} of layer ${layer + 1} sees`;
    }
    whose.textContent = text;
  }

  const cell = () => element("td", {}, "–");
  const table = {train: {loss: cell(), accuracy: cell()}, validation: {loss: cell(), accuracy: cell()}};
  const charts = {loss: element("canvas", {class: "pg-chart"}), accuracy: element("canvas", {class: "pg-chart"})};
  const log = element("input", {type: "checkbox", onchange: () => { view.log = log.checked; figures(); remember(); }});

  section.append(
    element("div", {class: "card pg-bar"},
      element("div", {class: "row"}, toggle, single, epoch, rewind, reseed, python),
      element("div", {class: "row pg-counters"},
        select("pace", "A picture every", CHOICES.pace, () => view.pace, (value) => { view.pace = value; remember(); }, "How many steps are taken between two pictures"),
        element("span", {class: "pg-counter"}, "epoch ", counters.epoch), element("span", {class: "pg-counter"}, "step ", counters.step)),
      status),
    fields,
    element("div", {class: "card pg-source"}, element("h2", {}, "Data"), data, made, own.box),
    element("div", {class: "card pg-net"}, element("div", {class: "pg-title"}, element("h2", {}, "Network"), net.layers), net.stage, wiring),
    element("div", {class: "card pg-region"}, whose, board.canvas, readout),
    element("div", {class: "card pg-curves"},
      element("div", {},
        element("table", {},
          element("thead", {}, element("tr", {}, element("th", {}, ""), element("th", {scope: "col"}, "loss"), element("th", {scope: "col"}, "accuracy"))),
          element("tbody", {},
            element("tr", {}, element("th", {scope: "row"}, "training"), table.train.loss, table.train.accuracy),
            element("tr", {}, element("th", {scope: "row"}, "validation"), table.validation.loss, table.validation.accuracy))),
        element("label", {class: "small pg-log"}, log, "logarithmic loss axis")),
      charts.loss, charts.accuracy),
  );

  function controls() {                              // the controls, as the settings say
    for (const set of Object.values(selects)) set();
    seed.value = settings.seed;
    log.checked = view.log;
    data.pick(settings.data, false);
    strength.querySelector("select").disabled = settings.regularization === "none";
    made.hidden = settings.data === "own";
    own.box.hidden = settings.data !== "own";
    own.draw();
    board.paints(settings.data === "own" ? own.label() : null);
    net.shape(settings.hidden, classes);
    titles();
  }

  // -- the same in Python ------------------------------------------------------------------------------------------

  const program = element("textarea", {readonly: true, rows: 22, spellcheck: "false", "aria-label": "The program"});
  const copied = element("span", {class: "small", role: "status"});
  const dialog = element("dialog", {class: "pg-dialog", "aria-label": "Copy as Python"},
    element("h2", {}, "The same in Python"),
    element("p", {class: "quiet small"}, "Run it where Pellucid is installed: it trains this network to the same numbers."), program,
    element("div", {class: "row"},
      element("button", {type: "button", class: "main", onclick: copy}, "Copy"),
      element("button", {type: "button", onclick: () => dialog.close()}, "Close"), copied));
  section.append(dialog);

  async function showPython() {
    pause();
    await tail;
    const {code} = await post("/api/playground/python", {...settings, steps: state?.step ?? 0});
    program.value = code;
    copied.textContent = "";
    dialog.showModal();
    program.scrollTop = 0;
  }

  async function copy() {
    program.select();
    try {
      await navigator.clipboard.writeText(program.value);
      copied.textContent = "Copied.";
    } catch {                                        // not every browser allows it: the text is selected
      copied.textContent = "Selected: copy it with Ctrl-C.";
    }
  }

  // -- the address, and keys ---------------------------------------------------------------------------------------

  let writing = null;
  function remember() { writing ??= setTimeout(write, 200); }   // browsers allow few changes of the address a second

  function write() {
    clearTimeout(writing);
    writing = null;
    if (!visible) return;
    address = `#playground?${written(settings, {...view, step: state?.step ?? 0})}`;
    if (location.hash !== address) history.replaceState(history.state, "", address);
  }

  function follow() {                                // somebody came by another address
    if (!location.hash.startsWith("#playground?") || location.hash === address) return;
    pause();
    ({settings, view} = read(location.hash.split("?")[1]));
    newRate = null;
    controls();
    start(view.step);
  }
  window.addEventListener("hashchange", follow);
  document.addEventListener("keydown", (event) => {
    const busy = event.target.closest?.("button, input, select, textarea, dialog, a, [role=application], [role=tab]");
    if (!visible || event.key !== " " || busy || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (!toggle.disabled) toggle.click();
  });

  controls();
  figures();
  start(view.step);
  return {
    shown() { visible = true; follow(); write(); },
    hidden() { visible = false; pause(); },
  };
}
