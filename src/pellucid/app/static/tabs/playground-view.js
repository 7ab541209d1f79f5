// What the playground draws: counters and status, the network, the plane, the curves. It follows the events of the session.

import {unpackBytes} from "../api.js";
import {lineChart} from "../chart.js";
import {element, lossText, percent} from "../dom.js";
import {createDiagram} from "./playground-diagram.js";
import {IDEAS, statusText} from "./playground-status.js";
import {createPlane} from "./playground-plane.js";
import {outputCount} from "./playground-settings.js";
import {createSurface} from "./playground-surface.js";

const PLANE_HINT = "Filled: training. Hollow: validation. Faint: undecided.";
const SURFACE_HINT = "Vermilion squares: above 0. Blue circles: below. Filled: training. Hollow: validation.";
const LOWEST_R2 = -1;                                // of the chart: the first steps can be far below
const NETWORK_HINT = "Vermilion: positive. Blue, dashed: negative. Click a line or a unit to set weights.";

// Returns elements for the page: {counters, status, idea, network, plane, scores, scoreChart, surface}. `inputs` and `logAxis` are
// form elements that belong to the network and to the chart of the loss.
export function createView(session, {inputs, logAxis}) {
  const idea = element("p", {class: "try playground-idea"});
  const status = element("p", {class: "playground-status", role: "status"});
  const counters = createCounters(session), scores = scoreTable(session), curves = createCurves(session);
  const planeTitle = element("h2", {}), planeText = element("p", {class: "quiet small numbers playground-readout"}, PLANE_HINT);
  const networkText = element("p", {class: "quiet small numbers playground-readout"}, NETWORK_HINT);
  const plane = createPlane({
    onPoints: (points, done) => session.addPoints(points, done),
    onText: (text) => { planeText.textContent = text || (session.isRegression ? SURFACE_HINT : PLANE_HINT); },
  });
  const diagram = createDiagram({
    onLayers: (hidden) => session.change({hidden}),
    onUnit: (unit) => session.setFocus(unit),
    onWeight: (...weight) => session.setWeight(...weight),
    onUndo: () => session.undoEdits(),
    onText: (text) => { networkText.textContent = text || NETWORK_HINT; },
  });

  function drawScores() {
    counters.update();
    scores.update();
    curves.update();
    drawStatus();
  }

  function drawStatus() {
    const {settings, state, playing} = session;
    status.classList.toggle("diverged", Boolean(state?.diverged));
    const text = session.replay ? `Repeating the training: step ${session.step.toLocaleString("en")} of ${session.replay.toLocaleString("en")} …` : statusText(settings, state, playing);
    if (status.textContent !== text) status.textContent = text;
    status.title = state?.diverged ?? "";
  }

  function drawPlane() {                             // the decision, or the activation of the focused unit
    const {state, focusedUnit, settings} = session;
    if (focusedUnit === null || !state) plane.showUnit(null);
    else if (state.unit === focusedUnit) plane.showUnit(unitMap(state.unit_map, 0, 1));
    else plane.showUnit(unitMap(state.units, focusedUnit, settings.hidden.reduce((a, b) => a + b, 0)));
    plane.draw();
  }

  function showTitle() {
    const output = session.isRegression ? "Output of the network" : "Decision of the network";
    planeTitle.textContent = session.focusedUnit === null ? output : `Activation of ${unitName(session)}`;
  }

  function showSettings() {
    plane.setPaintClass(session.isUserData ? session.paintClass : null);
    planeText.textContent = session.isRegression ? SURFACE_HINT : PLANE_HINT;
    idea.replaceChildren(element("strong", {}, "Try: "), IDEAS[session.settings.data]);
    scores.setMetric(session.isRegression ? "R²" : "accuracy");
    setShape();
    showTitle();
  }

  const setShape = () => diagram.setShape(session.settings, outputCount(session.settings), session.isRegression);

  function showState() {
    const {state, data, settings} = session;
    if (state) {
      plane.setDecision(state.decision, data.outputs);
      drawPlane();
      diagram.draw(state, settings.edits.length);
    } else {
      plane.setUserPoints(settings.points);
      plane.dropDecision();
      diagram.clear();
    }
    drawScores();
  }

  session.addEventListener("settings", showSettings);
  session.addEventListener("view", drawScores);
  session.addEventListener("data", () => {
    plane.setPoints(session.data.points, session.isRegression);
    setShape();
  });
  session.addEventListener("points", () => plane.setUserPoints(session.settings.points));
  session.addEventListener("state", showState);
  session.addEventListener("focus", () => { showTitle(); drawPlane(); });
  session.addEventListener("playing", () => { if (session.state) drawStatus(); });
  showSettings();
  drawScores();
  return {
    counters: counters.elements, status, idea, scores: scores.box, scoreChart: curves.score, surface: createSurface(session),
    network: element("div", {class: "card playground-network"},
      element("div", {class: "playground-title"}, element("h2", {}, "Network"), diagram.layers), inputs, diagram.stage, networkText, diagram.weights),
    plane: element("div", {class: "card playground-region"}, planeTitle, plane.canvas, planeText, curves.loss, logAxis),
  };
}

// One of `count` square maps that are packed one after the other.
function unitMap(packed, index, count) {
  const bytes = unpackBytes(packed), size = bytes.length / count;
  return {bytes: bytes.subarray(index * size, (index + 1) * size), dots: Math.round(Math.sqrt(size))};
}

function unitName({focusedUnit, settings}) {
  let layer = 0, unit = focusedUnit;
  while (unit >= settings.hidden[layer]) unit -= settings.hidden[layer++];
  return `unit ${unit + 1} of layer ${layer + 1}`;
}

function createCounters(session) {
  const epoch = element("b", {class: "numbers"}, "0"), step = element("b", {class: "numbers"}, "0");
  return {
    elements: [
      element("span", {class: "playground-counter"}, "epoch ", epoch), element("span", {class: "playground-counter"}, "step ", step),
    ],
    update() {
      const {batches} = session.data;
      epoch.textContent = (session.step / batches).toFixed(session.step % batches ? (batches > 20 ? 2 : 1) : 0);
      step.textContent = session.step.toLocaleString("en");
    },
  };
}

// The accuracy, or R² of a regression: null where the targets have no variance.
function scoreText({accuracy, r2}) {
  if (accuracy !== undefined) return percent(accuracy);
  return r2 === null || r2 < -99 ? "–" : r2.toFixed(3).replace("-", "−");
}

function scoreTable(session) {
  const cell = () => element("td", {}, "–");
  const cells = {train: {loss: cell(), score: cell()}, validation: {loss: cell(), score: cell()}}, metric = element("th", {scope: "col"});
  const row = (name, {loss, score}) => element("tr", {}, element("th", {scope: "row"}, name), loss, score);
  return {
    box: element("table", {class: "playground-scores"},
      element("thead", {}, element("tr", {}, element("td"), element("th", {scope: "col"}, "loss"), metric)),
      element("tbody", {}, row("training", cells.train), row("validation", cells.validation))),
    setMetric(name) { metric.textContent = name; },
    update() {
      const {state} = session;
      for (const part of ["train", "validation"]) {
        cells[part].loss.textContent = state ? lossText(state[part].loss) : "–";
        cells[part].score.textContent = state ? scoreText(state[part]) : "–";
      }
    },
  };
}

function createCurves(session) {
  const text = element("p", {class: "small numbers playground-losses"}, "\u00a0"), loss = element("canvas", {class: "playground-chart playground-loss"}), score = element("canvas", {class: "playground-chart"});
  return {
    loss: element("div", {}, text, loss), score,
    update() {
      const {curves, data: {batches}, settings, state, view, step} = session;
      text.textContent = state ? `Loss: training ${lossText(state.train.loss)}, validation ${lossText(state.validation.loss)}` : "\u00a0";
      const shown = (value) => (value === null || value < LOWEST_R2 ? NaN : value);
      const points = (part, metric) => curves.map(([at, ...scores]) => [at / batches, shown(scores[part][metric])]);
      const series = (metric) => [
        {name: "training", colour: "--blue", dashed: false, points: points(0, metric)},
        {name: "validation", colour: "--vermilion", dashed: true, points: points(1, metric)},
      ];
      const rates = settings.learning_rates.slice(1).map(([at, rate]) => ({x: at / batches, text: `rate ${rate}`}));
      const edits = [...new Set(settings.edits.map(([at]) => at))].map((at) => ({x: at / batches, text: "by hand"}));
      const marks = [...rates, ...edits].filter((mark) => mark.x <= step / batches);
      lineChart(loss, {series: series("loss"), x: "epoch", y: "loss", logY: view.log, low: view.log ? undefined : 0, marks});
      if (session.isRegression) lineChart(score, {series: series("r2"), x: "epoch", y: "R²", low: 0, high: 1, marks});
      else {
        lineChart(score, {
          series: series("accuracy"), x: "epoch", y: "accuracy", low: 0.5, high: 1, marks,
          format: (value) => `${Number((100 * value).toFixed(1))} %`,
        });
      }
    },
  };
}
