// The training jobs of the server, from its stream of events. The tabs Train and Draw use them. trainingJobs.list holds all
// jobs, the oldest first, with their curves and findings: {job, state, name, epochs, progress, rows, points, findings, result, …};
// the fields are described in app/tabs/train_job.py.
// Events: "change" (event.job is the number of the job, undefined for all of them), and "connection" (`connected` changed).

import {connection} from "../api.js";
import {appState} from "../app-state.js";

export const FINISHED = ["done", "stopped", "failed"];

class TrainingJobs extends EventTarget {
  list = [];
  connected = false;                                 // whether events of the server arrive
  #source = null;
  #wasConnected = false;                             // then new networks may have been missed

  get(number) { return this.list.find((job) => job.job === number); }
  get running() { return this.list.find((job) => !FINISHED.includes(job.state) && job.state !== "queued"); }

  // A browser allows few connections to one server, for all its windows together: a hidden page closes its connection.
  listen() {
    if (document.hidden) { this.#source?.close(); this.#source = null; return; }
    if (this.#source) return;
    const source = this.#source = new EventSource("/api/train/events");
    source.onmessage = (event) => this.#receive(JSON.parse(event.data));
    source.onerror = () => {
      this.#setConnected(false);
      connection.probe();
      if (source.readyState === EventSource.CLOSED && this.#source === source) {   // refused: the browser does not try again
        this.#source = null;
        setTimeout(() => this.listen(), 5000);
      }
    };
  }

  #setConnected(connected) {
    if (connected === this.connected) return;
    this.connected = connected;
    this.dispatchEvent(new Event("connection"));
  }

  #receive({kind, ...values}) {
    this.#setConnected(true);
    const job = this.get(values.job);
    if (kind === "jobs") {
      this.list = values.jobs;
      if (this.#wasConnected) appState.refresh().catch(() => {});
      this.#wasConnected = true;
    } else if (kind === "networks") {
      appState.refresh().catch(() => {});
    } else if (kind === "job" && !job) {
      this.list.push({...values, rows: [], points: [], findings: []});
    } else if (kind === "job") {
      Object.assign(job, values);
    } else if (kind === "step" && job) {
      job.progress = values.progress;
      if (values.progress.point) job.points.push(values.progress.point);
    } else if (kind === "epoch" && job) {
      job.rows = [...job.rows.filter((row) => row.epoch < values.row.epoch), values.row];
    } else if (kind === "rows" && job) {             // of a run that is resumed
      job.rows = values.rows;
    } else if (kind === "finding" && job) {
      job.findings.push(values.finding);
    }
    const event = new Event("change");
    event.job = kind === "jobs" ? undefined : values.job;
    this.dispatchEvent(event);
  }
}

export const trainingJobs = new TrainingJobs();
document.addEventListener("visibilitychange", () => trainingJobs.listen());
trainingJobs.listen();

// What a job does now, in a few words: "42 %, 12 s left".
export function statusText(job) {
  if (job.state === "training") {
    const {progress} = job;
    return progress ? `${Math.floor(100 * progress.fraction)} %, ${duration(progress.remaining)} left` : "training";
  }
  return {queued: "waiting", starting: "starting", evaluating: "evaluating", stopping: "stopping"}[job.state] || job.state;
}

// Seconds in a suitable unit.
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
