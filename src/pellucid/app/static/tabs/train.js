// The tab Train: a form for a new training, the training that is looked at, and the list of all.

import {element, percent} from "./dom.js";
import {jobs, progress} from "./jobs.js";
import {form} from "./train-form.js";
import {showing} from "./train-run.js";

export function mount(section) {
  const shown = showing(), listed = list(shown.choose);
  const asked = form((number) => {
    shown.choose(number);
    if (shown.box.getBoundingClientRect().top > innerHeight / 2) shown.box.scrollIntoView();
  });
  // Shown when its looks are there: nothing jumps.
  document.head.append(element("link", {rel: "stylesheet", href: "/static/train.css", onload() {
    section.append(element("div", {class: "train-side stack"}, asked.box, listed.box), shown.box);
    draw();
  }}));
  let waiting = false;
  const draw = () => { waiting = false; if (!section.hidden) { shown.draw(); listed.draw(shown.job?.job); } };
  const soon = () => { if (!waiting) { waiting = true; requestAnimationFrame(draw); } };
  jobs.addEventListener("change", soon);
  jobs.addEventListener("link", soon);
  shown.changed = soon;
  return {shown() { asked.refresh(); soon(); }};
}

function list(choose) {
  const body = element("ol", {class: "train-list"}), rows = new Map();
  const box = element("div", {class: "card"}, element("h2", {}, "Trainings"), body, element("p", {class: "quiet small"}, "One runs at a time; the others wait."));
  function row(number) {
    const name = element("span", {class: "name"}), state = element("span", {class: "quiet small numbers"});
    const button = element("button", {type: "button", onclick: () => choose(number)}, name, state);
    const item = element("li", {}, button);
    body.prepend(item);
    return {item, button, name, state};
  }
  return {
    box,
    draw(shown) {
      for (const number of rows.keys()) if (!jobs.get(number)) { rows.get(number).item.remove(); rows.delete(number); }
      for (const job of jobs.list) {
        if (!rows.has(job.job)) rows.set(job.job, row(job.job));
        const {button, name, state} = rows.get(job.job), score = job.result?.validation.accuracy;
        name.textContent = job.name;
        const words = job.state === "training" ? progress(job).split(": ")[1] || "training" : {scoring: "testing", stopping: "stopping"}[job.state] || job.state;
        state.textContent = score === undefined ? words : `${words}, ${percent(score, 2)}`;
        button.setAttribute("aria-pressed", job.job === shown);
      }
    },
  };
}
