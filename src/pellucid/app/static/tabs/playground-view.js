// What the playground draws: counters and status, the network, the plane, the curves. It follows the events of the session.

import {unpackBytes} from "../api.js";
import {lineChart} from "../chart.js";
import {element, lossText, percent} from "../dom.js";
import {createDiagram} from "./playground-diagram.js";
import {statusText} from "./playground-status.js";
import {createPlane} from "./playground-plane.js";

const PLANE_HINT = "Filled: training. Hollow: validation. Faint: undecided.";
const NETWORK_HINT = "Lines: weights. Vermilion: positive. Blue, dashed: negative. Point at a line or a unit.";

// Returns elements for the page: {counters, status, network, plane, scores, lossChart, accuracyChart}.
export function createView(session) {
  const status = element("p", {class: "playground-status", role: "status"});
  const counters = createCounters(session), scores = scoreTable(session), curves = createCurves(session);
  const planeTitle = element("h2", {}), planeText = element("p", {class: "quiet small numbers playground-readout"}, PLANE_HINT);
  const networkText = element("p", {class: "quiet small numbers playground-readout"}, NETWORK_HINT);
  const plane = createPlane({
    onPoints: (points, done) => session.addPoints(points, done),
    onText: (text) => { planeText.textContent = text || PLANE_HINT; },
  });
  const diagram = createDiagram({
    onLayers: (hidden) => session.change({hidden}),
    onUnit: (unit) => session.setFocus(unit),
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
    const text = statusText(settings, state, playing);
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
    planeTitle.textContent = session.focusedUnit === null ? "Decision of the network" : `Activation of ${unitName(session)}`;
  }

  function showSettings() {
    plane.setPaintClass(session.isUserData ? session.paintClass : null);
    diagram.setShape(session.settings.hidden, session.data.classes);
    showTitle();
  }

  function showState() {
    const {state, data, settings} = session;
    if (state) {
      plane.setDecision(state.decision, data.classes);
      drawPlane();
      diagram.draw(state);
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
    plane.setPoints(session.data.points);
    diagram.setShape(session.settings.hidden, session.data.classes);
  });
  session.addEventListener("points", () => plane.setUserPoints(session.settings.points));
  session.addEventListener("state", showState);
  session.addEventListener("focus", () => { showTitle(); drawPlane(); });
  session.addEventListener("playing", () => { if (session.state) drawStatus(); });
  showSettings();
  drawScores();
  return {
    counters: counters.elements, status, scores: scores.box, lossChart: curves.loss, accuracyChart: curves.accuracy,
    network: element("div", {class: "card playground-network"},
      element("div", {class: "playground-title"}, element("h2", {}, "Network"), diagram.layers), diagram.stage, networkText),
    plane: element("div", {class: "card playground-region"}, planeTitle, plane.canvas, planeText),
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

function scoreTable(session) {
  const cell = () => element("td", {}, "–");
  const cells = {train: {loss: cell(), accuracy: cell()}, validation: {loss: cell(), accuracy: cell()}};
  const row = (name, {loss, accuracy}) => element("tr", {}, element("th", {scope: "row"}, name), loss, accuracy);
  return {
    box: element("table", {},
      element("thead", {}, element("tr", {}, element("td"), element("th", {scope: "col"}, "loss"), element("th", {scope: "col"}, "accuracy"))),
      element("tbody", {}, row("training", cells.train), row("validation", cells.validation))),
    update() {
      const {state} = session;
      for (const part of ["train", "validation"]) {
        cells[part].loss.textContent = state ? lossText(state[part].loss) : "–";
        cells[part].accuracy.textContent = state ? percent(state[part].accuracy) : "–";
      }
    },
  };
}

function createCurves(session) {
  const loss = element("canvas", {class: "playground-chart"}), accuracy = element("canvas", {class: "playground-chart"});
  return {
    loss, accuracy,
    update() {
      const {curves, data: {batches}, settings, view, step} = session;
      const points = (part, metric) => curves.map(([at, ...scores]) => [at / batches, scores[part][metric] ?? NaN]);
      const series = (metric) => [
        {name: "training", colour: "--blue", dashed: false, points: points(0, metric)},
        {name: "validation", colour: "--vermilion", dashed: true, points: points(1, metric)},
      ];
      const marks = settings.learning_rates.slice(1).map(([at, rate]) => ({x: at / batches, text: `rate ${rate}`}))
        .filter((mark) => mark.x <= step / batches);
      lineChart(loss, {series: series("loss"), x: "epoch", y: "loss", logY: view.log, low: view.log ? undefined : 0, marks});
      lineChart(accuracy, {
        series: series("accuracy"), x: "epoch", y: "accuracy", low: 0.5, high: 1, marks,
        format: (value) => `${Number((100 * value).toFixed(1))} %`,
      });
    },
  };
}
