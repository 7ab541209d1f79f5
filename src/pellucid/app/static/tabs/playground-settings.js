// The settings of the playground, and how they stand in the page's address: #playground?data=moons&hidden=4-4&…
// Whoever opens that address sees the same points and, since all chance has a name, the same network after the same steps.

const CLASSES = 4, POINTS = 1000, LAYERS = 6, UNITS = 16, REACH = 3, QUANTUM = 0.002;
const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

export const LIMITS = {classes: CLASSES, points: POINTS, layers: LAYERS, units: UNITS, reach: REACH};

// What can be chosen: [value, what people read, explanation].
export const CHOICES = {
  data: [["moons", "Moons"], ["circles", "Circles"], ["spirals", "Spirals"], ["blobs", "Blobs"], ["xor", "XOR"], ["own", "Your own"]],
  optimizer: [["sgd", "SGD"], ["momentum", "SGD, momentum 0.9"], ["nesterov", "SGD, Nesterov 0.9"], ["adam", "Adam"], ["adamw", "AdamW"]],
  activation: [["relu", "ReLU"], ["tanh", "Tanh"], ["sigmoid", "Sigmoid"], ["linear", "Linear (none)"]],
  init: [
    ["he", "He"], ["he-uniform", "He, uniform"], ["glorot", "Glorot"], ["glorot-uniform", "Glorot, uniform"],
    ["normal-1", "normal, σ = 1"], ["normal-0.1", "normal, σ = 0.1"], ["normal-0.01", "normal, σ = 0.01"], ["zeros", "all zero"],
  ],
  batch: [[1, "1: one sample"], [4, "4"], [8, "8"], [16, "16"], [32, "32"], [64, "64"], [128, "128"], [0, "all: full batch"]],
  regularization: [["none", "none"], ["l2", "L2"], ["decay", "weight decay"]],
  strength: [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1].map((one) => [one, String(one)]),
  rate: [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10].map((one) => [one, String(one)]),
  pace: [["1", "1 step"], ["5", "5 steps"], ["20", "20 steps"], ["epoch", "1 epoch"], ["200", "200 steps"]],
};

export const DEFAULTS = {
  data: "moons", noise: 0.2, samples: 300, data_seed: 0, points: [],
  hidden: [4, 4], activation: "tanh", init: "glorot",
  optimizer: "adam", rates: [[0, 0.03]], batch: 16, regularization: "none", strength: 0.001, seed: 0,
};
export const VIEW = {step: 0, pace: "5", log: false};

// The learning rate that holds now.
export const rateOf = (settings) => settings.rates.at(-1)[1];

// The part of the address after "#playground?".
export function written(settings, view) {
  const fields = {
    data: settings.data, noise: settings.noise, samples: settings.samples, draw: settings.data_seed,
    hidden: settings.hidden.join("-") || "none", activation: settings.activation, init: settings.init,
    optimizer: settings.optimizer, rate: settings.rates.map(([step, rate]) => (step ? `${step}:${rate}` : rate)).join("~"),
    batch: settings.batch || "all", regularization: settings.regularization, strength: settings.strength, seed: settings.seed,
    step: view.step, pace: view.pace,
  };
  if (view.log) fields.log = 1;
  if (settings.data === "own") { delete fields.noise; delete fields.samples; fields.points = packPoints(settings.points); }
  if (settings.regularization === "none") delete fields.strength;
  return Object.entries(fields).map(([name, value]) => `${name}=${encodeURIComponent(value).replaceAll("%3A", ":")}`).join("&");
}

// {settings, view} of such an address. What it does not say, or says wrongly, is as in DEFAULTS.
export function read(query) {
  const fields = new URLSearchParams(query), settings = structuredClone(DEFAULTS), view = {...VIEW};
  const take = (name, to, parse) => {
    const value = fields.has(name) ? parse(fields.get(name)) : undefined;
    if (value !== undefined) to(value);
  };
  const known = (name) => (text) => CHOICES[name].map(([value]) => value).find((value) => String(value) === text);
  const number = (low, high) => (text) => (text.trim() !== "" && Number(text) >= low && Number(text) <= high ? Number(text) : undefined);
  const whole = (low, high) => (text) => (Number.isInteger(number(low, high)(text)) ? Number(text) : undefined);
  for (const name of ["data", "activation", "init", "optimizer", "regularization"]) take(name, (value) => { settings[name] = value; }, known(name));
  take("noise", (value) => { settings.noise = value; }, number(0, 1));
  take("samples", (value) => { settings.samples = value; }, whole(10, POINTS));
  take("draw", (value) => { settings.data_seed = value; }, whole(0, 1e6));
  take("seed", (value) => { settings.seed = value; }, whole(0, 1e6));
  take("strength", (value) => { settings.strength = value; }, number(0, 10));
  take("hidden", (value) => { settings.hidden = value; }, readHidden);
  take("rate", (value) => { settings.rates = value; }, readRates);
  take("batch", (value) => { settings.batch = value; }, (text) => (text === "all" ? 0 : whole(0, POINTS)(text)));
  take("points", (value) => { settings.points = value; }, unpackPoints);
  take("step", (value) => { view.step = value; }, whole(0, 1e6));
  take("pace", (value) => { view.pace = value; }, known("pace"));
  take("log", (value) => { view.log = value; }, (text) => text === "1");
  return {settings, view};
}

function readHidden(text) {
  const units = text === "none" ? [] : text.split("-").map(Number);
  return units.length <= LAYERS && units.every((one) => Number.isInteger(one) && one >= 1 && one <= UNITS) ? units : undefined;
}

function readRates(text) {
  const rates = text.split("~").map((part) => (part.includes(":") ? part.split(":").map(Number) : [0, Number(part)]));
  const fine = rates.every(([step, rate]) => Number.isInteger(step) && step >= 0 && rate >= 1e-6 && rate <= 1000);
  return fine && rates[0][0] === 0 && rates.length <= 100 ? rates : undefined;
}

// A coordinate as it is kept: within the plane, in steps of QUANTUM, so that two letters say it.
export const rounded = (value) => Number((Math.round(Math.min(REACH, Math.max(-REACH, value)) / QUANTUM) * QUANTUM).toFixed(3));

// Five letters for each point: its class, and two for each coordinate.
function packPoints(points) {
  const two = (value) => { const i = Math.round((value + REACH) / QUANTUM); return DIGITS[i >> 6] + DIGITS[i & 63]; };
  return points.map(([x1, x2, label]) => label + two(x1) + two(x2)).join("");
}

function unpackPoints(text) {
  const points = [];
  const one = (at) => rounded((64 * DIGITS.indexOf(text[at]) + DIGITS.indexOf(text[at + 1])) * QUANTUM - REACH);
  for (let i = 0; i + 5 <= text.length && points.length < POINTS; i += 5) {
    const label = Number(text[i]);
    if (label >= 0 && label < CLASSES) points.push([one(i + 1), one(i + 3), label]);
  }
  return points;
}

// Lines "x, y, class" of a text as points. Names of classes are numbered in the order of their names; what does not fit into
// the plane is scaled to mean 0 and standard deviation 1. Returns {points, scaled, classes} or throws an Error that says where.
export function pastedPoints(text) {
  const rows = [];
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    const parts = line.trim().split(/\s*[,;\t]\s*|\s+/).filter(Boolean);
    if (!parts.length || line.trim().startsWith("#")) continue;
    const x1 = Number(parts[0]), x2 = Number(parts[1]);
    if (parts.length !== 3 || !Number.isFinite(x1) || !Number.isFinite(x2)) {
      if (!rows.length && parts.length === 3) continue;              // a line of names above the numbers
      throw new Error(`Line ${i + 1} should look like “0.5, -1.2, 0”; it says “${line.trim().slice(0, 40)}”.`);
    }
    rows.push([x1, x2, parts[2]]);
  }
  if (rows.length > POINTS) throw new Error(`At most ${POINTS} points; here are ${rows.length}.`);
  const classes = [...new Set(rows.map((row) => row[2]))].sort((a, b) => a - b || (a < b ? -1 : 1));
  if (classes.length > CLASSES) throw new Error(`At most ${CLASSES} classes; here are ${classes.length}.`);
  if (rows.length < 4 || classes.length < 2) throw new Error("At least four points, of two classes or more.");
  const numbered = classes.every((name) => Number.isInteger(Number(name)) && Number(name) >= 0 && Number(name) < CLASSES);
  const scaled = rows.some((row) => Math.max(Math.abs(row[0]), Math.abs(row[1])) > REACH);
  const figures = [0, 1].map((axis) => {
    const values = rows.map((row) => row[axis]), mean = values.reduce((a, b) => a + b) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
    return scaled ? [mean, deviation || 1] : [0, 1];
  });
  const points = rows.map((row) => [
    ...[0, 1].map((axis) => rounded((row[axis] - figures[axis][0]) / figures[axis][1])),
    numbered ? Number(row[2]) : classes.indexOf(row[2]),
  ]);
  return {points, scaled, classes};
}
