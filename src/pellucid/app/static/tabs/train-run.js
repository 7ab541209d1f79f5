// The tab Train: the training that is looked at, with its state, curves and controls.

import {newest, post} from "./api.js";
import {lineChart} from "./chart.js";
import {desk, notice} from "./desk.js";
import {copier, element, percent} from "./dom.js";
import {OVER, duration, jobs} from "./jobs.js";

const BINS = 12;                                     // points of a curve within an epoch
const SLOWEST = -6, FASTEST = 1;                     // powers of ten: the ends of the learning rate's slider
const STATES = {
  queued: "waits for the one before it", starting: "reads its data and gets ready", training: "training", paused: "paused",
  stopping: "being stopped: what it has learned is kept", scoring: "learned; now it is tested", done: "done", stopped: "stopped",
  failed: "failed",
};

export function showing() {
  let number = null;                                 // null: the one that runs, or else the last
  const title = element("h2", {}, "No training yet"), state = element("p", {class: "train-state", role: "status"});
  const bar = element("progress", {max: 1, value: 0, "aria-label": "How much of the training is done"});
  const time = element("span", {class: "quiet small numbers"});
  const pause = element("button", {type: "button", onclick: () => steer(shown.job.state === "paused" ? "resume" : "pause")}, "Pause");
  const stop = element("button", {type: "button", onclick: () => steer("stop")}, "Stop");
  const rate = rateControl((value) => steer("learning_rate", value));
  const table = numbers();
  const loss = element("canvas"), accuracy = element("canvas");
  const onset = element("p", {class: "train-onset small"});
  const result = element("div", {class: "train-result"});
  const lines = element("pre", {class: "small", tabindex: 0, "aria-label": "What the training said"});
  const box = element("div", {class: "card train-now"},
    element("div", {class: "train-head"}, title, state),
    element("div", {class: "train-bar"}, bar, time),
    element("div", {class: "train-steer"}, element("div", {class: "row"}, pause, stop), rate.box),
    element("div", {class: "train-charts"}, element("figure", {}, loss), element("figure", {}, accuracy)),
    onset, table.box, result,
    element("details", {}, element("summary", {class: "small quiet"}, "What it said"), lines));

  async function steer(action, value = null) {
    try {
      await post("/api/train/control", {job: shown.job.job, action, value});
    } catch (error) {
      notice(error.message);
    }
  }

  const shown = {
    box, changed: () => {},
    get job() { return jobs.get(number) || jobs.running || jobs.list.at(-1); },
    choose(one) { number = one; shown.changed(); },
    draw() {
      const job = shown.job, now = job?.now, over = !job || OVER.includes(job.state);
      title.textContent = job ? `${job.name}: ${job.model} on ${job.data}` : "No training yet";
      state.textContent = jobs.linked ? stateOf(job) : "waiting for the server …";
      state.classList.toggle("failed", job?.state === "failed");
      bar.value = !job ? 0 : job.state === "done" || job.state === "scoring" ? 1 : now?.done || 0;
      time.textContent = !now || over ? "" : `epoch ${now.epoch} of ${job.epochs}, ${duration(now.remaining)} left`;
      if (over && job?.result) time.textContent = `${job.rows.length} of ${job.epochs} epochs in ${duration(job.result.seconds)}`;
      pause.textContent = job?.state === "paused" ? "Resume" : "Pause";
      pause.disabled = !["training", "paused"].includes(job?.state);
      stop.disabled = over || ["stopping", "scoring"].includes(job.state);
      rate.draw(job, over || ["queued", "starting", "stopping", "scoring"].includes(job.state));
      charts(job, loss, accuracy);
      onset.textContent = job?.onset ? `Overfitting: validation loss has not fallen since epoch ${job.onset}, while training loss still falls.` : "";
      table.draw(job);
      outcome(job, result);
      const said = (job?.lines || []).join("\n");
      if (lines.textContent !== said) lines.textContent = said;
      lines.parentElement.hidden = !said;
    },
  };
  return shown;
}

function stateOf(job) {
  if (!job) return "Choose data and a preset, and start.";
  if (job.state === "failed") return `failed: ${job.error}`;
  return job.state === "stopped" && !job.result ? job.error : STATES[job.state];
}

// The learning rate: on a slider by powers of ten, and as a number. It follows the schedule until somebody sets it.
function rateControl(send) {
  let busy = null;                                   // while it is dragged or typed, and until the server has answered
  const slider = element("input", {type: "range", min: SLOWEST, max: FASTEST, step: 0.01, "aria-label": "Learning rate, by powers of ten"});
  const box = element("input", {type: "number", min: 1e-9, max: 1000, step: "any", "aria-label": "Learning rate"});
  const back = element("button", {type: "button", title: "The learning rate is again what the recipe says", onclick: () => set(null)}, "As planned");
  const told = newest(async (value) => {             // not faster than it can be obeyed
    await send(value);
    await new Promise((resolve) => setTimeout(resolve, 100));
  });
  function set(value) {
    clearTimeout(busy);
    busy = setTimeout(() => { busy = null; }, 1000);
    told(value);
  }
  slider.addEventListener("input", () => {
    const value = Number((10 ** Number(slider.value)).toPrecision(2));
    box.value = value;
    set(value);
  });
  box.addEventListener("change", () => { if (Number(box.value) > 0) { place(Number(box.value)); set(Number(box.value)); } });
  const place = (value) => {
    slider.value = Math.log10(value);
    slider.setAttribute("aria-valuetext", String(value));
  };
  return {
    box: element("div", {class: "train-rate"}, element("span", {class: "small quiet"}, "Learning rate"), slider, box, back),
    draw(job, off) {
      slider.disabled = box.disabled = off;
      back.disabled = off || job.steered === null;
      const value = job?.steered ?? job?.now?.learning_rate;
      if (busy !== null || document.activeElement === box) return;
      if (value) place(value);
      box.value = value ? Number(value.toPrecision(2)) : "";
    },
  };
}

function numbers() {
  const cells = {}, body = element("tbody");
  for (const [part, sign] of [["training", "solid"], ["validation", "dashed"], ["test", ""]]) {
    const row = element("tr", {}, element("th", {scope: "row"}, element("span", {class: `train-key ${sign}`}), part));
    cells[part] = ["accuracy", "loss"].map(() => row.appendChild(element("td", {}, "–")));
    body.append(row);
  }
  const which = element("th", {scope: "col"}, "last epoch");
  const head = element("thead", {}, element("tr", {}, which, element("th", {scope: "col"}, "accuracy"), element("th", {scope: "col"}, "loss")));
  const put = (part, accuracy, loss) => {
    cells[part][0].textContent = Number.isFinite(accuracy) ? percent(accuracy, 2) : "–";
    cells[part][1].textContent = Number.isFinite(loss) ? loss.toFixed(4) : "–";
  };
  return {
    box: element("table", {class: "train-numbers"}, head, body),
    draw(job) {
      const row = job?.rows.at(-1), result = job?.result, now = job?.now;
      which.textContent = result ? "at the end" : row ? `epoch ${row.epoch}` : "last epoch";
      if (result) {
        for (const [part, name] of [["training", "train"], ["validation", "validation"], ["test", "test"]]) put(part, result[name].accuracy, result[name].loss);
      } else {
        put("training", row?.train_accuracy ?? now?.accuracy, row?.train_loss ?? now?.loss);
        put("validation", row?.validation_accuracy, row?.validation_loss);
        put("test");
      }
    },
  };
}

function charts(job, loss, accuracy) {
  const rows = job?.rows || [], column = (name) => rows.map((row) => [row.epoch, row[name]]).filter(([, y]) => y !== null && y !== undefined);
  const lowest = Math.min(...rows.flatMap((row) => [row.train_accuracy, row.validation_accuracy]).filter(Number.isFinite));
  const marks = job?.onset ? [{x: job.onset, text: "overfitting"}] : [];
  const both = (training, validation) => [
    {name: "training", colour: "--blue", dashed: false, points: training},
    {name: "validation", colour: "--vermilion", dashed: true, points: validation},
  ];
  lineChart(loss, {series: both(curve(job, 1, "train_loss"), column("validation_loss")), x: "epoch", y: "loss", logY: true, marks});
  const seen = curve(job, 2, "train_accuracy").filter(([, y]) => !rows.length || y > lowest - 0.05);
  lineChart(accuracy, {
    series: both(seen, column("validation_accuracy")), x: "epoch", y: "accuracy", marks: marks.map(({x}) => ({x, text: ""})),
    format: (y) => `${Number((100 * y).toPrecision(4))} %`,
  });
}

// The training curve: means of its points over parts of an epoch, or, where epochs are too short for that, one for each.
function curve(job, which, name) {
  if (!job) return [];
  if (job.points.length < 3 * job.rows.length) return job.rows.map((row) => [row.epoch - 0.5, row[name]]);
  const bins = new Map();
  for (const point of job.points) {
    const bin = Math.ceil(point[0] * BINS - 1e-6), [x, y, n] = bins.get(bin) || [0, 0, 0];
    bins.set(bin, [x + point[0], y + point[which], n + 1]);
  }
  return [...bins.values()].map(([x, y, n]) => [x / n, y / n]);
}

function outcome(job, box) {
  const key = job ? `${job.job} ${job.state} ${job.network}` : "";
  if (box.dataset.key === key) return;               // it is not made anew while somebody is about to press its link
  box.dataset.key = key;
  box.replaceChildren();
  if (job?.folder && job.state !== "failed") {
    box.append(element("p", {class: "small"}, job.result ? "The run is in " : "The run will be in ", element("code", {}, job.folder), "."));
  }
  if (job?.result && job.error) box.append(element("p", {class: "small"}, job.error));
  if (job?.network) {
    box.append(element("p", {}, element("a", {
      href: "#draw", class: "train-try", onclick: () => { if (!desk.asked.includes(job.network)) desk.asks([...desk.asked, job.network]); },
    }, `Try ${job.network} on the Draw tab`)));
  }
  if (job) {
    const code = element("code", {class: "train-command", tabindex: 0, "aria-label": "The command that does the same"}, job.command);
    box.append(element("div", {class: "train-copy"}, code, copier(code)));
  }
}
