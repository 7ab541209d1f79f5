// The tab Train: a form for a new training job, the list of all jobs, and one job in detail.

import {trainingJobs, statusText} from "./train-jobs.js";
import {element, oncePerFrame, percent} from "../dom.js";
import {trainingForm} from "./train-form.js";
import {jobView} from "./train-job-view.js";

export function mount(section) {
  let selected = null;                               // the number of the job in detail; null: the running job, or else the last one
  const view = jobView(), list = jobList(select);
  const form = trainingForm((number) => {
    select(number);
    if (view.box.getBoundingClientRect().top > innerHeight / 2) view.box.scrollIntoView();
  });
  const draw = oncePerFrame(() => {
    if (section.hidden) return;
    const job = trainingJobs.get(selected) || trainingJobs.running || trainingJobs.list.at(-1);
    view.draw(job);
    list.draw(job?.job);
  });
  function select(number) { selected = number; draw(); }

  section.append(element("div", {class: "train-side stack"}, form.box, list.box), view.box);
  trainingJobs.addEventListener("change", draw);
  trainingJobs.addEventListener("connection", draw);
  return {onShow() { form.refresh(); draw(); }};
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
        const {button, name, state} = rows.get(job.job), accuracy = job.result?.validation.accuracy;
        name.textContent = job.name;
        state.textContent = accuracy === undefined ? statusText(job) : `${statusText(job)}, ${percent(accuracy, 2)}`;
        button.setAttribute("aria-pressed", job.job === selected);
      }
    },
  };
}
