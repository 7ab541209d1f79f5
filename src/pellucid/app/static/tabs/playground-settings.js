// The settings of the playground, and their form in the address of the page: #playground?data=moons&hidden=4-4&…
// An address describes the whole state: the same settings and steps give the same points and, because of the seeds, the same
// network.

const CLASSES = 4, MAX_POINTS = 1000, MAX_LAYERS = 6, MAX_UNITS = 16, EXTENT = 3;
const MAX_REPLAY = 50_000;                           // steps of an address: more would take minutes
const QUANTUM = 0.002;                               // of coordinates, so that two characters of an address hold one
const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// `extent`: the plane reaches from −extent to extent in both directions. The server has the same limits.
export const LIMITS = {
  classes: CLASSES, replay: MAX_REPLAY, points: MAX_POINTS, layers: MAX_LAYERS, units: MAX_UNITS, extent: EXTENT, learningRates: 100, edits: 100, weight: 1000, steps: 200,
};

// The features that the network can receive: their names in addresses and Python, their labels, their formulas. The server
// computes them with pellucid.data.planar.
export const FEATURES = [
  {name: "x1", label: "x₁", of: (x1) => x1}, {name: "x2", label: "x₂", of: (x1, x2) => x2},
  {name: "x1^2", label: "x₁²", of: (x1) => x1 * x1}, {name: "x2^2", label: "x₂²", of: (x1, x2) => x2 * x2},
  {name: "x1*x2", label: "x₁x₂", of: (x1, x2) => x1 * x2},
  {name: "sin(x1)", label: "sin x₁", of: (x1) => Math.sin(x1)}, {name: "sin(x2)", label: "sin x₂", of: (x1, x2) => Math.sin(x2)},
];
const COORDINATES = ["x1", "x2"];

// The options of each setting: [value, label].
const numberOptions = (values) => values.map((value) => [value, String(value)]);
export const OPTIONS = {
  data: [
    ["moons", "Moons"], ["circles", "Circles"], ["spirals", "Spirals"], ["blobs", "Blobs"], ["xor", "XOR"], ["user", "Yours"],
    ["plane", "Plane"], ["saddle", "Saddle"], ["ripples", "Ripples"],
  ],
  optimizer: [["sgd", "SGD"], ["momentum", "SGD, momentum 0.9"], ["nesterov", "SGD, Nesterov 0.9"], ["adam", "Adam"], ["adamw", "AdamW"]],
  activation: [["relu", "ReLU"], ["tanh", "Tanh"], ["sigmoid", "Sigmoid"], ["identity", "Identity (none)"]],
  init: [
    ["he", "He"], ["he-uniform", "He, uniform"], ["glorot", "Glorot"], ["glorot-uniform", "Glorot, uniform"],
    ["normal-1", "normal, σ = 1"], ["normal-0.1", "normal, σ = 0.1"], ["normal-0.01", "normal, σ = 0.01"], ["zeros", "all zero"],
  ],
  batch_size: [[1, "1: one sample"], [4, "4"], [8, "8"], [16, "16"], [32, "32"], [64, "64"], [128, "128"], [0, "all: full batch"]],
  regularization: [["none", "none"], ["l1", "L1"], ["l2", "L2"], ["decay", "weight decay"]],
  strength: numberOptions([0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1]),
  learning_rate: numberOptions([0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10]),
  pace: [["1", "1 step"], ["5", "5 steps"], ["20", "20 steps"], ["epoch", "1 epoch"], ["200", "200 steps"]],
};

export const SURFACES = ["plane", "saddle", "ripples"];   // the data sets whose targets are numbers: regression

// `validation`: the fraction of the points that are kept for validation. `edits`: [step, layer, source, unit, value], weights set
// by hand after that step; layer and unit count from 1, source 0 is the bias. `learning_rates`: [step, learning rate], each from
// its step on. `batch_size` 0: the whole training set.
const DEFAULT_SETTINGS = {
  data: "moons", noise: 0.2, samples: 300, data_seed: 0, points: [], validation: 0.3,
  features: COORDINATES, hidden: [4, 4], activation: "tanh", init: "glorot",
  optimizer: "adam", learning_rates: [[0, 0.03]], batch_size: 16, regularization: "none", strength: 0.001, seed: 0, edits: [],
};
// The step that is shown, the steps between two updates, a logarithmic loss axis, the loss surface.
const DEFAULT_VIEW = {step: 0, pace: "5", log: false, surface: false};

// The part of the address after "#playground?".
export function toQuery(settings, view) {
  const fields = {
    data: settings.data, noise: settings.noise, samples: settings.samples, data_seed: settings.data_seed,
    hidden: settings.hidden.join("-") || "none", activation: settings.activation, init: settings.init, optimizer: settings.optimizer,
    learning_rate: settings.learning_rates.map(([step, rate]) => (step ? `${step}:${rate}` : rate)).join("~"),
    batch_size: settings.batch_size || "all", regularization: settings.regularization, strength: settings.strength, seed: settings.seed,
    step: view.step, pace: view.pace,
  };
  if (settings.validation !== DEFAULT_SETTINGS.validation) fields.validation = settings.validation;
  if (String(settings.features) !== String(COORDINATES)) fields.features = settings.features.join("~");
  if (settings.edits.length) fields.edits = settings.edits.map(([step, ...edit]) => `${step}:${edit.join("_")}`).join("~");
  if (view.log) fields.log = 1;
  if (view.surface) fields.surface = 1;
  if (settings.data === "user") { delete fields.noise; delete fields.samples; fields.points = packPoints(settings.points); }
  if (settings.regularization === "none") delete fields.strength;
  return Object.entries(fields).map(([name, value]) => `${name}=${encodeURIComponent(value).replaceAll("%3A", ":")}`).join("&");
}

// {settings, view, isCut} of such a query. Missing and invalid fields have their default values. isCut: the address asks for more
// than MAX_REPLAY steps.
export function fromQuery(query) {
  const fields = new URLSearchParams(query), settings = structuredClone(DEFAULT_SETTINGS), view = {...DEFAULT_VIEW};
  const read = (target, name, parse) => {
    const value = fields.has(name) ? parse(fields.get(name)) : undefined;
    if (value !== undefined) target[name] = value;
  };
  const option = (name) => (text) => OPTIONS[name].map(([value]) => value).find((value) => String(value) === text);
  const number = (low, high) => (text) => (text.trim() !== "" && Number(text) >= low && Number(text) <= high ? Number(text) : undefined);
  const integer = (low, high) => (text) => (Number.isInteger(number(low, high)(text)) ? Number(text) : undefined);
  for (const name of ["data", "activation", "init", "optimizer", "regularization"]) read(settings, name, option(name));
  read(settings, "noise", number(0, 1));
  read(settings, "samples", integer(10, MAX_POINTS));
  read(settings, "data_seed", integer(0, 1e6));
  read(settings, "seed", integer(0, 1e6));
  read(settings, "strength", number(0, 10));
  read(settings, "validation", number(0.05, 0.9));
  read(settings, "features", parseFeatures);
  read(settings, "hidden", parseHidden);
  read(settings, "batch_size", (text) => (text === "all" ? 0 : integer(0, MAX_POINTS)(text)));
  read(settings, "points", unpackPoints);
  const rates = fields.has("learning_rate") ? parseLearningRates(fields.get("learning_rate")) : undefined;
  if (rates) settings.learning_rates = rates;
  read(view, "step", integer(0, 1e9));
  const isCut = view.step > MAX_REPLAY;
  if (isCut) view.step = MAX_REPLAY;
  read(view, "pace", option("pace"));
  read(view, "log", (text) => text === "1");
  read(view, "surface", (text) => text === "1");
  read(settings, "edits", (text) => parseEdits(text, settings));
  return {settings, view, isCut};
}

function parseFeatures(text) {                       // in the order of FEATURES: the choice determines the network
  const names = text.split("~");
  const chosen = FEATURES.map(({name}) => name).filter((name) => names.includes(name));
  return chosen.length && chosen.length === names.length ? chosen : undefined;
}

// The number of outputs of the network.
export function outputCount({data, points}) {
  if (SURFACES.includes(data)) return 1;
  return data === "user" ? Math.max(1, ...points.map((point) => point[2])) + 1 : data === "blobs" ? 3 : 2;
}

function parseEdits(text, settings) {
  const widths = [settings.features.length, ...settings.hidden, outputCount(settings)];
  const edits = text.split("~").map((part) => part.split(/[:_]/).map((one) => (one === "" ? NaN : Number(one))));
  const valid = edits.every(([step, layer, source, unit, value, ...rest]) => !rest.length
    && [step, layer, source, unit].every(Number.isInteger) && step >= 0 && layer >= 1 && layer < widths.length
    && source >= 0 && source <= widths[layer - 1] && unit >= 1 && unit <= widths[layer] && Math.abs(value) <= LIMITS.weight);
  return valid && edits.length <= LIMITS.edits ? edits.sort((a, b) => a[0] - b[0]) : undefined;
}

function parseHidden(text) {
  const units = text === "none" ? [] : text.split("-").map(Number);
  const valid = units.every((one) => Number.isInteger(one) && one >= 1 && one <= MAX_UNITS);
  return units.length <= MAX_LAYERS && valid ? units : undefined;
}

function parseLearningRates(text) {
  const rates = text.split("~").map((part) => (part.includes(":") ? part.split(":").map(Number) : [0, Number(part)]));
  const valid = rates.every(([step, rate]) => Number.isInteger(step) && step >= 0 && rate >= 1e-6 && rate <= 1000);
  return valid && rates[0][0] === 0 && rates.length <= LIMITS.learningRates ? rates : undefined;
}

// A coordinate limited to the plane and rounded to a multiple of QUANTUM.
export const quantize = (value) => Number((Math.round(Math.min(EXTENT, Math.max(-EXTENT, value)) / QUANTUM) * QUANTUM).toFixed(3));

// Five characters for each point: its class, and two for each coordinate.
function packPoints(points) {
  const pack = (value) => { const i = Math.round((value + EXTENT) / QUANTUM); return DIGITS[i >> 6] + DIGITS[i & 63]; };
  return points.map(([x1, x2, label]) => label + pack(x1) + pack(x2)).join("");
}

function unpackPoints(text) {
  const points = [];
  const coordinate = (at) => quantize((64 * DIGITS.indexOf(text[at]) + DIGITS.indexOf(text[at + 1])) * QUANTUM - EXTENT);
  for (let i = 0; i + 5 <= text.length && points.length < MAX_POINTS; i += 5) {
    const label = Number(text[i]);
    if (label >= 0 && label < CLASSES) points.push([coordinate(i + 1), coordinate(i + 3), label]);
  }
  return points;
}

// Points from lines "x, y, class". Class names are numbered in sorted order; coordinates that exceed the plane are scaled to mean
// 0 and standard deviation 1. Returns {points, scaled, classes}, or throws an Error that names the line.
export function parsePoints(text) {
  const rows = [];
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    const parts = line.trim().split(/\s*[,;\t]\s*|\s+/).filter(Boolean);
    if (!parts.length || line.trim().startsWith("#")) continue;
    const x1 = Number(parts[0]), x2 = Number(parts[1]);
    if (parts.length !== 3 || !Number.isFinite(x1) || !Number.isFinite(x2)) {
      if (!rows.length && parts.length === 3) continue;              // a header line
      throw new Error(`Line ${i + 1}: expected a line like “0.5, -1.2, 0”, got “${line.trim().slice(0, 40)}”.`);
    }
    rows.push([x1, x2, parts[2]]);
  }
  if (rows.length > MAX_POINTS) throw new Error(`At most ${MAX_POINTS} points are allowed, got ${rows.length}.`);
  const classes = [...new Set(rows.map((row) => row[2]))].sort((a, b) => a - b || (a < b ? -1 : 1));
  if (classes.length > CLASSES) throw new Error(`At most ${CLASSES} classes are allowed, got ${classes.length}.`);
  if (!isTrainable(rows)) throw new Error("At least four points of two classes are necessary.");
  const areNumbers = classes.every((name) => Number.isInteger(Number(name)) && Number(name) >= 0 && Number(name) < CLASSES);
  const scaled = rows.some((row) => Math.max(Math.abs(row[0]), Math.abs(row[1])) > EXTENT);
  const scales = [0, 1].map((axis) => {
    const values = rows.map((row) => row[axis]), mean = values.reduce((a, b) => a + b) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
    return scaled ? [mean, deviation || 1] : [0, 1];
  });
  const points = rows.map((row) => [
    ...[0, 1].map((axis) => quantize((row[axis] - scales[axis][0]) / scales[axis][1])),
    areNumbers ? Number(row[2]) : classes.indexOf(row[2]),
  ]);
  return {points, scaled, classes};
}

// Whether a network can be trained on these points [x1, x2, class].
export const isTrainable = (points) => points.length >= 4 && new Set(points.map((point) => point[2])).size >= 2;
