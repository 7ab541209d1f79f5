// The tab Train: a form for a new training job, the lists of all jobs and of interrupted runs, and one job in detail.

import {trainingJobs, statusText} from "./train-jobs.js";
import {element, oncePerFrame, percent} from "../dom.js";
import {trainingForm} from "./train-form.js";
import {interruptedRuns} from "./train-interrupted.js";
import {jobView} from "./train-job-view.js";

export function mount(section) {
  let selected = null;                               // the number of the job in detail; null: the running job, or else the last one
  const view = jobView(), list = jobList(select);
  const form = trainingForm(show), interrupted = interruptedRuns(show);
  const draw = oncePerFrame(() => {
    if (section.hidden) return;
    const job = trainingJobs.get(selected) || trainingJobs.running || trainingJobs.list.at(-1);
    view.draw(job);
    list.draw(job?.job);
  });
  function select(number) { selected = number; draw(); }
  function show(number) {
    select(number);
    const {top} = view.box.getBoundingClientRect();
    if (top > innerHeight / 2 || top < 0) view.box.scrollIntoView();
  }

  section.append(element("div", {class: "train-side stack"},
    element("p", {class: "card"}, element("strong", {}, "Try: "), "make the learning rate ten times larger while it trains. Stop a run, and resume it."),
    form.box, list.box, interrupted.box), view.box);
  trainingJobs.addEventListener("change", draw);
  trainingJobs.addEventListener("connection", draw);
  return {onShow() { form.refresh(); interrupted.refresh(); draw(); }};
}

function jobList(onSelect) {
  const body = element("ol", {class: "train-list"}), rows = new Map();
  const box = element("div", {class: "card"}, element("h2", {}, "Training jobs"), body,
    element("p", {class: "quiet small"}, "One job runs at a time; the others wait."));
  function createRow(number) {
    const name = element("span", {class: "name"}), state = element("span", {class: "quiet small numbers"});
    const button = element("button", {type: "button", onclick: () => onSelect(number)}, name, state);
    const item = element("li", {}, button);
    body.prepend(item);
    return {item, button, name, state};
  }
  return {
    box,
    draw(selected) {
      for (const number of rows.keys()) if (!trainingJobs.get(number)) { rows.get(number).item.remove(); rows.delete(number); }
      for (const job of trainingJobs.list) {
        if (!rows.has(job.job)) rows.set(job.job, createRow(job.job));
        const {button, name, state} = rows.get(job.job), accuracy = job.result?.validation.accuracy ?? null;
        name.textContent = job.name;
        state.textContent = accuracy === null ? statusText(job) : `${statusText(job)}, ${percent(accuracy, 2)}`;
        button.setAttribute("aria-pressed", job.job === selected);
      }
    },
  };
}
