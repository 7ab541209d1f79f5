// A training session of the playground: it sends requests to the server and holds the state that controls and view show. The
// server trains; the page requests the next few steps after it has drawn the last ones.
// Events: "settings" (`settings` or `paintClass` changed), "view" (`view` changed), "data" (`data` is new), "points" (the user
// is adding points), "state" (`state` and `curves` changed), "focus" (`focusedUnit` changed), "playing" (`playing` changed),
// "surface" (`surface` is new).

import {post} from "../api.js";
import {notify} from "../app-state.js";
import {LIMITS, SURFACES, fromQuery, isTrainable} from "./playground-settings.js";

const CURVE_POINTS = 500;                            // if there are more, every other point is dropped
const REPLAY_REQUESTS = 50;                          // requests that replay a training: points of its curves
const NEW_WEIGHTS = ["data", "points", "features", "hidden", "init", "seed"];   // settings that give the network other weights

export class PlaygroundSession extends EventTarget {
  settings;                     // of the network and its data, as playground-settings.js describes them
  view;                         // the pace, and the kind of axis
  data = {points: null, outputs: 2, batches: 1};   // the points, the outputs of the network, and the batches of an epoch
  state = null;                 // the last state that the server sent; null: there is no network
  curves = [];                  // [[step, training scores, validation scores], …]
  playing = false;
  surface = null;               // the loss surface that the server sent last; null: there is none
  replay = null;                // the step up to which a training is repeated, while it is
  focusedUnit = null;           // the hidden unit that the plane shows, counted over all layers; null: the decision
  paintClass = 0;               // the class of the points that the user adds
  #id = null;                   // the name of the session on the server
  #generation = 0;              // counts the starts: answers to an older start are ignored
  #startFailed = false;
  #newLearningRate = null;      // set by the user, and sent with the next request
  #newEdits = [];               // likewise: [layer, source, unit, value]
  #surfaceKey = "";             // the session and the step of `surface`
  #queue = Promise.resolve();   // requests run one after the other
  #looping = false;

  constructor(query) {
    super();
    this.#read(query);
  }

  #read(query) {
    const {settings, view, isCut} = fromQuery(query);
    Object.assign(this, {settings, view});
    if (isCut) notify(`The address asks for more than ${LIMITS.replay.toLocaleString("en")} steps: the training is repeated up to that step.`);
  }

  get step() { return this.state?.step ?? 0; }
  get learningRate() { return this.#newLearningRate ?? this.settings.learning_rates.at(-1)[1]; }
  get isUserData() { return this.settings.data === "user"; }
  get isRegression() { return SURFACES.includes(this.settings.data); }

  // -- settings -----------------------------------------------------------------------------------------------------

  // Replaces settings and view with those of an address, and replays the training up to its step.
  load(query) {
    this.pause();
    this.#read(query);
    this.#newLearningRate = null;
    this.#newEdits = [];
    this.#emit("settings");
    this.#emit("view");
    this.start(this.view.step);
  }

  // Changes settings and starts the training again, playing if it was playing. Weights that were set by hand before the first
  // step are kept, unless the network has other weights now.
  change(fields) {
    Object.assign(this.settings, fields);
    this.#resetChanges();
    if (NEW_WEIGHTS.some((name) => name in fields)) this.settings.edits = [];
    this.#emit("settings");
    this.start();
  }

  setView(fields) {
    Object.assign(this.view, fields);
    this.#emit("view");
  }

  // The only setting that can change during a training.
  setLearningRate(value) {
    if (!this.state || this.state.diverged || this.settings.learning_rates.length >= LIMITS.learningRates) {
      this.change({learning_rates: [[0, value]]});
      return;
    }
    this.#newLearningRate = value;
    if (!this.playing) this.advance(0);
  }

  // Sets a weight by hand. `layer` and `unit` count from 1, and so does `source`, the input of the layer; 0 is the bias.
  setWeight(layer, source, unit, value) {
    if (!this.state || this.state.diverged) return;
    if (this.settings.edits.length + this.#newEdits.length >= LIMITS.edits) {
      notify(`At most ${LIMITS.edits} weights can be set by hand in one training. Rewind to start again.`);
      return;
    }
    this.#newEdits.push([layer, source, unit, value]);
    if (!this.playing) this.advance(0);
  }

  // Replays the training without the weights that were set by hand.
  undoEdits() {
    this.pause();
    this.settings.edits = [];
    this.#newEdits = [];
    this.#emit("settings");
    this.start(this.step);
  }

  // `done` is false during a stroke: the training starts again at its end.
  setPoints(points, done) {
    this.settings.points = points;
    if (done) this.change({points}); else this.#emit("points");
  }

  addPoints(points, done) {
    this.setPoints([...this.settings.points, ...points].slice(0, LIMITS.points), done);
  }

  setPaintClass(label) {
    this.paintClass = label;
    this.#emit("settings");
  }

  setFocus(unit) {
    this.focusedUnit = unit;
    this.#emit("focus");
    if (unit !== null && !this.playing) this.advance(0);   // the server sends the unit in a higher resolution
  }

  #resetChanges() {                                  // a training starts with the learning rate that is shown
    this.settings.learning_rates = [[0, this.learningRate]];
    this.#newLearningRate = null;
    this.settings.edits = this.settings.edits.filter(([step]) => !step);
    this.#newEdits = [];
  }

  // -- training -----------------------------------------------------------------------------------------------------

  // Starts a new training and replays it up to the step `until`. Of several starts only the last one is executed.
  start(until = 0) {
    const generation = ++this.#generation, isCurrent = () => generation === this.#generation;
    this.#id = null;
    this.#startFailed = false;
    return this.#enqueue(async () => {
      if (!isCurrent()) return;
      if (this.isUserData && !isTrainable(this.settings.points)) { this.#clear(); return; }
      const answer = await post("/api/playground/start", this.settings).catch((error) => { this.#startFailed = true; throw error; });
      if (!isCurrent()) return;
      this.#id = answer.session;
      this.data = {points: answer.points, outputs: answer.classes.length || 1, batches: answer.batches};
      this.curves = [];
      this.#emit("data");
      this.#setState(answer);
      this.replay = until || null;
      while (this.state.step < until && !this.state.diverged && isCurrent()) {
        const steps = Math.min(LIMITS.steps, until - this.state.step, Math.ceil(until / REPLAY_REQUESTS));
        const next = await post("/api/playground/advance", {session: this.#id, steps});
        if (isCurrent()) this.#setState(next);
      }
      if (!isCurrent()) return;
      this.replay = null;
      if (until) this.#emit("state");
    });
  }

  // Trains a number of steps. With 0 steps, the server only sends the state again.
  advance(steps, isRetry = false) {
    return this.#enqueue(async () => {
      if (this.#startFailed) this.start(this.step);
      if (!this.#id || !this.state) return;
      const generation = this.#generation, request = {session: this.#id, steps};
      if (this.focusedUnit !== null) request.unit = this.focusedUnit;
      if (this.#newLearningRate !== null) {
        request.learning_rate = this.#newLearningRate;
        const earlier = this.settings.learning_rates.filter(([step]) => step < this.state.step);
        this.settings.learning_rates = [...earlier, [this.state.step, this.#newLearningRate]];
        this.#newLearningRate = null;
      }
      if (this.#newEdits.length) {
        request.edits = this.#newEdits.map((edit) => [this.state.step, ...edit]);
        this.settings.edits = [...this.settings.edits, ...request.edits].sort((a, b) => a[0] - b[0]);
        this.#newEdits = [];
      }
      let answer;
      try {
        answer = await post("/api/playground/advance", request);
      } catch (error) {
        if (isRetry) throw error;
        if (generation !== this.#generation) return;
        this.start(this.state.step);                 // the server dropped this session: replay it, then try again
        this.advance(steps, true);
        return;
      }
      if (generation === this.#generation) this.#setState(answer);
    });
  }

  async advanceToEpochEnd() {                        // in several requests where the steps take long
    const end = this.step + this.data.batches - this.step % this.data.batches;
    for (let before = -1; this.state && this.step < end && this.step > before && !this.state.diverged;) {
      before = this.step;
      await this.advance(Math.min(end - this.step, LIMITS.steps));
    }
  }

  rewind() {
    this.pause();
    this.#resetChanges();
    this.start();
  }

  async play() {
    this.playing = true;
    this.#emit("playing");
    if (this.#looping) return;
    this.#looping = true;
    while (this.playing) {
      const steps = this.view.pace === "epoch" ? Math.min(LIMITS.steps, this.data.batches) : Number(this.view.pace);
      await Promise.all([this.advance(steps), new Promise(requestAnimationFrame)]);
    }
    this.#looping = false;
  }

  pause() {
    if (!this.playing) return;
    this.playing = false;
    this.#emit("playing");
  }

  // Requests the loss surface, unless `surface` is the current one.
  loadSurface() {
    return this.#enqueue(async () => {
      const key = `${this.#id} ${this.step} ${JSON.stringify(this.settings.edits)}`;
      if (!this.#id || !this.state || key === this.#surfaceKey) return;
      this.#surfaceKey = key;
      const answer = await post("/api/playground/surface", {session: this.#id}).catch(() => null);   // dropped: the next step replays it
      this.surface = answer?.path.length ? answer : null;
      this.#emit("surface");
    });
  }

  // The Python program that trains the same network.
  async program() {
    this.pause();
    await this.#queue;
    return (await post("/api/playground/python", {...this.settings, steps: this.step})).code;
  }

  // -- state --------------------------------------------------------------------------------------------------------

  #setState(answer) {
    const isNew = !this.state || answer.step !== this.state.step || answer.step === 0;
    this.state = answer;
    if (this.curves.at(-1)?.[0] === answer.step) this.curves.at(-1).splice(1, 2, answer.train, answer.validation);   // weights were set
    if (isNew) {
      const last = this.curves.at(-1);
      if (!last || last[0] < answer.step) this.curves.push([answer.step, answer.train, answer.validation]);
      if (this.curves.length > CURVE_POINTS) this.curves = this.curves.filter((_, i) => i % 2 === 0 || i === this.curves.length - 1);
    }
    if (answer.diverged) this.pause();
    this.#emit("state");
  }

  #clear() {                                         // there are not enough points for a network
    this.pause();
    this.state = this.surface = null;
    this.#surfaceKey = "";
    this.curves = [];
    this.#emit("state");
    this.#emit("surface");
  }

  #enqueue(work) {
    this.#queue = this.#queue.then(work).catch((error) => { this.pause(); notify(error.message); });
    return this.#queue;
  }

  #emit(name) { this.dispatchEvent(new Event(name)); }
}
