// The tab Train: one training job in detail, with its state, controls, curves and results.

import {latestOnly, post} from "../api.js";
import {appState, notify} from "../app-state.js";
import {lineChart} from "../chart.js";
import {copyButton, element, lossText, percent} from "../dom.js";
import {findingsList} from "./train-findings.js";
import {FINISHED, duration, trainingJobs} from "./train-jobs.js";

const POINTS_PER_EPOCH = 12;                         // of the training curve
const MARKS_APART = 0.06;                            // of the training: changes of the learning rate that are closer share a mark
const SLIDER_MIN = -6, SLIDER_MAX = 1;               // the ends of the learning-rate slider, as exponents of ten
const STATES = {
  queued: "waiting for the job before it", starting: "loading data and preparing", training: "training", paused: "paused",
  stopping: "stopping: the trained network is kept", evaluating: "trained; now evaluating", done: "done", stopped: "stopped",
  failed: "failed",
};

// Returns {box, draw(job)}; the job may be undefined.
export function jobView() {
  let number = null, paused = false;                 // of the job that is on the page
  const title = element("h2", {}, "No training job yet"), state = element("p", {class: "train-state", role: "status"});
  const bar = element("progress", {max: 1, value: 0, "aria-label": "Training progress"});
  const time = element("span", {class: "quiet small numbers"});
  const pause = element("button", {type: "button", onclick: () => control(paused ? "resume" : "pause")}, "Pause");
  const stop = element("button", {type: "button", onclick: () => control("stop")}, "Stop");
  const rate = learningRateControl((value) => control("learning_rate", value));
  const findings = findingsList();
  const charts = curveCharts(findings.notes);
  const scores = scoreTable();
  const result = resultBox();
  const log = element("pre", {class: "small", tabindex: 0, "aria-label": "Output of the training"});
  const details = element("details", {}, element("summary", {class: "small quiet"}, "Output"), log);
  const box = element("div", {class: "card train-job"},
    element("div", {class: "train-head"}, title, state),
    element("div", {class: "train-progress"}, bar, time),
    element("div", {class: "train-controls"}, element("div", {class: "row"}, pause, stop), rate.box),
    charts.box, findings.summary,
    element("div", {class: "train-below"}, element("div", {class: "train-outcome"}, scores.box, result.box, details), findings.box));

  async function control(action, value = null) {
    try {
      await post("/api/train/control", {job: number, action, value});
    } catch (error) {
      notify(error.message);
    }
  }

  function draw(job) {
    number = job?.job ?? null;
    paused = job?.state === "paused";
    const finished = !job || FINISHED.includes(job.state);
    title.textContent = job ? `${job.name}: ${job.model} on ${job.data}` : "No training job yet";
    state.textContent = trainingJobs.connected ? stateText(job) : "waiting for the server …";
    state.classList.toggle("failed", job?.state === "failed");
    bar.value = !job ? 0 : ["done", "evaluating"].includes(job.state) ? 1 : job.progress?.fraction || 0;
    time.textContent = timeText(job, finished);
    pause.textContent = paused ? "Resume" : "Pause";
    pause.disabled = !["training", "paused"].includes(job?.state);
    stop.disabled = finished || ["stopping", "evaluating"].includes(job.state);
    rate.draw(job, finished || ["queued", "starting", "stopping", "evaluating"].includes(job.state));
    charts.draw(job);
    findings.draw(job);
    scores.draw(job);
    result.draw(job);
    const text = (job?.log || []).join("\n");
    if (log.textContent !== text) log.textContent = text;
    details.hidden = !text;
  }
  return {box, draw};
}

function stateText(job) {
  if (!job) return "Choose data and a preset, then start the training.";
  if (job.state === "failed") return `failed: ${job.error}`;
  return job.state === "stopped" && !job.result ? job.error : STATES[job.state];
}

function timeText(job, finished) {
  if (finished) return job?.result ? `${job.rows.length} of ${job.epochs} epochs in ${duration(job.result.seconds)}` : "";
  const {progress} = job;
  return progress ? `epoch ${progress.epoch} of ${job.epochs}, ${duration(progress.remaining)} left` : "";
}

// The learning rate as a logarithmic slider and as a number. It follows the schedule until the user sets a value.
function learningRateControl(send) {
  let hold = null;                                   // a timer: the user's value is shown until the server has applied it
  const slider = element("input", {type: "range", min: SLIDER_MIN, max: SLIDER_MAX, step: 0.01, "aria-label": "Learning rate, logarithmic"});
  const input = element("input", {type: "number", min: 1e-9, max: 1000, step: "any", "aria-label": "Learning rate"});
  const reset = element("button", {type: "button", title: "Follow the learning rate of the preset again", onclick: () => set(null)}, "Reset");
  const sendLatest = latestOnly(async (value) => {
    await send(value);
    await new Promise((resolve) => setTimeout(resolve, 100));   // at most ten changes a second
  });
  function set(value) {
    clearTimeout(hold);
    hold = setTimeout(() => { hold = null; }, 1000);
    sendLatest(value);
  }
  function moveSlider(value) {
    slider.value = Math.log10(value);
    slider.setAttribute("aria-valuetext", String(value));
  }
  slider.addEventListener("input", () => {
    const value = Number((10 ** Number(slider.value)).toPrecision(2));
    input.value = value;
    set(value);
  });
  input.addEventListener("change", () => {
    const value = Number(input.value);
    if (value > 0) { moveSlider(value); set(value); }
  });
  return {
    box: element("div", {class: "train-rate"}, element("span", {class: "small quiet"}, "Learning rate"), slider, input, reset),
    draw(job, disabled) {
      slider.disabled = input.disabled = disabled;
      reset.disabled = disabled || job.manual_learning_rate === null;
      if (hold !== null || document.activeElement === input) return;
      const value = job?.manual_learning_rate ?? job?.progress?.learning_rate;
      if (value) moveSlider(value);
      input.value = value ? Number(value.toPrecision(2)) : "";
    },
  };
}

// Accuracy and loss of the last epoch, or of the finished run.
function scoreTable() {
  const cells = {}, body = element("tbody");
  for (const [part, line] of [["training", "solid"], ["validation", "dashed"], ["test", ""]]) {
    const row = element("tr", {}, element("th", {scope: "row"}, element("span", {class: `train-key ${line}`}), part));
    cells[part] = ["accuracy", "loss"].map(() => row.appendChild(element("td", {}, "–")));
    body.append(row);
  }
  const when = element("th", {scope: "col"}, "last epoch");
  const head = element("thead", {}, element("tr", {}, when, element("th", {scope: "col"}, "accuracy"), element("th", {scope: "col"}, "loss")));
  const put = (part, accuracy, loss) => {
    cells[part][0].textContent = Number.isFinite(accuracy) ? percent(accuracy, 2) : "–";
    cells[part][1].textContent = Number.isFinite(loss) ? lossText(loss) : "–";
  };
  return {
    box: element("table", {class: "train-scores"}, head, body),
    draw(job) {
      const row = job?.rows.at(-1), result = job?.result, progress = job?.progress;
      when.textContent = result ? "final" : row ? `epoch ${row.epoch}` : "last epoch";
      if (result) {
        for (const [part, name] of [["training", "train"], ["validation", "validation"], ["test", "test"]]) put(part, result[name]?.accuracy, result[name]?.loss);
      } else {
        put("training", row?.train_accuracy ?? progress?.accuracy, row?.train_loss ?? progress?.loss);
        put("validation", row?.validation_accuracy, row?.validation_loss);
        put("test");
      }
    },
  };
}

// `notes(job)` are those of the chart of the loss. The lines of both charts begin at the same height.
function curveCharts(notes) {
  const loss = element("canvas"), accuracy = element("canvas");
  const bothSeries = (training, validation) => [
    {name: "training", colour: "--blue", dashed: false, points: training},
    {name: "validation", colour: "--vermilion", dashed: true, points: validation},
  ];
  return {
    box: element("div", {class: "train-charts"}, element("figure", {}, loss), element("figure", {}, accuracy)),
    draw(job) {
      const rows = job?.rows || [];
      const column = (name) => rows.map((row) => [row.epoch, row[name]]).filter(([, y]) => y !== null && y !== undefined);
      const found = notes(job), changes = marks(job);
      const training = [...trainingCurve(job, 1, "train_loss"), ...(job?.explosion || [])];
      lineChart(loss, {
        series: bothSeries(training, column("validation_loss")), x: "epoch", y: "loss", logY: true, marks: changes, notes: found,
      });
      // The first points of the training accuracy are far below all others: leaving them out keeps the axis useful.
      const lowest = Math.min(...rows.flatMap((row) => [row.train_accuracy, row.validation_accuracy]).filter(Number.isFinite));
      const visible = trainingCurve(job, 2, "train_accuracy").filter(([, y]) => !rows.length || y > lowest - 0.05);
      lineChart(accuracy, {
        series: bothSeries(visible, column("validation_accuracy")), x: "epoch", y: "accuracy",
        marks: [...changes, ...found.map(({x}) => ({x, text: ""}))], notes: [],
        format: (y) => `${Number((100 * y).toPrecision(4))} %`,
      });
    },
  };
}

// The marks of a job on its charts: where the learning rate was changed, and where the training diverged.
function marks(job) {
  const found = [], isClose = (x) => found.length && x - found.at(-1).x < MARKS_APART * Math.max(1, job.rows.length);
  for (const {at, learning_rate: rate} of job?.rate_changes || []) {
    const text = rate === null ? "preset's rate" : `rate ${Number(rate.toPrecision(3))}`;
    if (isClose(at)) found.at(-1).text = text; else found.push({x: at, text});
  }
  const end = job?.explosion?.at(-1);
  if (end && isClose(end[0])) found.at(-1).text += ", diverged";
  else if (end) found.push({x: end[0], text: "diverged"});
  return found;
}

// The training curve: means over parts of an epoch. Where the epochs are too short for that, and where a resumed run has only its
// history, one point for each epoch.
function trainingCurve(job, column, name) {
  if (!job) return [];
  const byEpoch = (rows) => rows.map((row) => [row.epoch - 0.5, row[name]]);
  const earlier = job.points.length ? job.rows.filter((row) => row.epoch < job.points[0][0]) : job.rows;
  if (job.points.length < 3 * (job.rows.length - earlier.length)) return byEpoch(job.rows);
  const bins = new Map();
  for (const point of job.points) {
    const bin = Math.ceil(point[0] * POINTS_PER_EPOCH - 1e-6), [x, y, n] = bins.get(bin) || [0, 0, 0];
    bins.set(bin, [x + point[0], y + (point[column] ?? NaN), n + 1]);
  }
  return [...byEpoch(earlier), ...[...bins.values()].map(([x, y, n]) => [x / n, y / n])];
}

function keptEpochs({result}) {
  return result.epochs ? `after ${result.epochs} epoch${result.epochs === 1 ? "" : "s"}` : "of the last checkpoint, in the first epoch";
}

// The run folder, a link to the tab Draw, and the equivalent command.
function resultBox() {
  const box = element("div", {class: "train-result"});
  let shown = "";
  function draw(job) {
    const key = job ? `${job.job} ${job.state} ${job.network} ${job.command}` : "";
    if (shown === key) return;                       // do not replace a link that the user may be about to click
    shown = key;
    box.replaceChildren();
    if (!job) return;
    const diverged = job.state === "failed" && job.result;
    if (diverged) box.append(element("p", {class: "small"}, `Kept: the network ${keptEpochs(job)}.`));
    if (job.folder && (job.state !== "failed" || diverged)) {
      box.append(element("p", {class: "small"}, "Run folder: ", element("code", {}, job.folder)));
    }
    if (job.result && job.error && !diverged) box.append(element("p", {class: "small"}, job.error));
    if (job.network) {
      const select = () => { if (!appState.selected.includes(job.network)) appState.select([...appState.selected, job.network]); };
      box.append(element("p", {}, element("a", {href: "#draw", class: "train-try", onclick: select}, `Try ${job.network} on the tab Draw`)));
    }
    const command = element("code", {class: "train-command", tabindex: 0, "aria-label": "The equivalent command"}, job.command);
    box.append(element("div", {class: "train-copy"}, command, copyButton(command)));
  }
  return {box, draw};
}
