// The trainings of this server, as its stream of events tells of them: shared by all tabs. jobs.list holds every one, the
// oldest first, with its curves: {job, state, name, epochs, now, rows, points, onset, result, …}, see app/job.py.
// Events: "change" (which job is event.job, all of them where that is undefined), and "link" (jobs.linked has changed).

import {desk} from "./desk.js";

export const OVER = ["done", "stopped", "failed"];

class Jobs extends EventTarget {
  list = [];
  linked = false;                                    // whether the server is heard
  #source = null;
  #before = false;                                   // whether it was heard before, so that networks may have been missed

  get(number) { return this.list.find((one) => one.job === number); }
  get running() { return this.list.find((one) => !OVER.includes(one.state) && one.state !== "queued"); }
  get waiting() { return this.list.filter((one) => one.state === "queued"); }

  // A browser opens few connections to a server, for all its windows together: one that is not seen gives its own back.
  listen() {
    if (document.hidden) { this.#source?.close(); this.#source = null; return; }
    if (this.#source) return;
    const source = this.#source = new EventSource("/api/train/events");
    source.onmessage = (event) => this.#hear(JSON.parse(event.data));
    source.onerror = () => {
      this.#link(false);
      if (source.readyState === EventSource.CLOSED && this.#source === source) {   // refused, not just broken off
        this.#source = null;
        setTimeout(() => this.listen(), 5000);
      }
    };
  }

  #link(linked) {
    if (linked === this.linked) return;
    this.linked = linked;
    this.dispatchEvent(new Event("link"));
  }

  #hear({kind, ...values}) {
    this.#link(true);
    const job = this.get(values.job);
    if (kind === "jobs") {
      this.list = values.jobs;
      if (this.#before) desk.refresh().catch(() => {});
      this.#before = true;
    } else if (kind === "networks") {
      desk.refresh().catch(() => {});
    } else if (kind === "job" && !job) {
      this.list.push({...values, rows: [], points: []});
    } else if (kind === "job") {
      Object.assign(job, values);
    } else if (kind === "step" && job) {
      job.now = values.now;
      if (values.now.point) job.points.push(values.now.point);
    } else if (kind === "epoch" && job) {
      job.rows.push(values.row);
    }
    const event = new Event("change");
    event.job = kind === "jobs" ? undefined : values.job;
    this.dispatchEvent(event);
  }
}

export const jobs = new Jobs();
document.addEventListener("visibilitychange", () => jobs.listen());
jobs.listen();

// "training draw-mlp: 42 %, 12 s left", or what else it is at.
export function progress(job) {
  const words = {
    queued: "waits", starting: "is starting", paused: "is paused", stopping: "is being stopped", scoring: "is being tested",
    done: "is done", stopped: "was stopped", failed: "failed",
  };
  if (job.state !== "training" || !job.now) return `${job.name} ${words[job.state] || "is starting"}`;
  return `training ${job.name}: ${Math.floor(100 * job.now.done)} %, ${duration(job.now.remaining)} left`;
}

// Seconds as people say them.
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
