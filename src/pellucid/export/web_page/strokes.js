// Strokes with points at equal distances, without tremble: the same as even_strokes in data/drawings/strokes.py, which explains
// the method and has the same names.

const STEP = 0.03;                                   // between the points, relative to the longer side of the drawing
const SMOOTHING = [0.03, 0.03];                      // the standard deviations of the two passes of smoothing
const MAX_LENGTH = 100;                              // of the lines together; a longer scribble stays as it is

export function evenStrokes(strokes) {
  const size = Math.max(extent(strokes, 0), extent(strokes, 1));
  let length = 0;
  for (const stroke of strokes) for (const distance of distances(stroke)) length += distance;
  if (length > MAX_LENGTH * size) return strokes;
  return strokes.map((stroke) => even(stroke, size));
}

function extent(strokes, axis) {
  let low = Infinity, high = -Infinity;
  for (const stroke of strokes) {
    for (const point of stroke) { low = Math.min(low, point[axis]); high = Math.max(high, point[axis]); }
  }
  return high - low;
}

function even(stroke, size) {
  const steps = distances(stroke);
  let path = stroke.filter((_, i) => i === 0 || steps[i - 1] > 1e-9 * size);
  if (path.length === 1) return path;
  path = catmullRom(path, STEP * size / 2);
  for (const deviation of SMOOTHING) path = smoothed(resampled(path, STEP * size), deviation * size);
  return path;
}

// Points on the centripetal Catmull-Rom curve through the points.
function catmullRom(points, step) {
  const mirrored = (end, other) => [2 * end[0] - other[0], 2 * end[1] - other[1]];
  const path = [mirrored(points[0], points[1]), ...points, mirrored(points.at(-1), points.at(-2))];
  const distance = distances(path), t = distance.map(Math.sqrt), curve = [];
  for (let i = 1; i < path.length - 2; i++) {
    const [p0, p1, p2, p3] = path.slice(i - 1, i + 3), [t0, t1, t2] = t.slice(i - 1, i + 2);
    const m1 = [0, 1].map((a) => t1 * ((p1[a] - p0[a]) / t0 - (p2[a] - p0[a]) / (t0 + t1)) + p2[a] - p1[a]);
    const m2 = [0, 1].map((a) => t1 * ((p3[a] - p2[a]) / t2 - (p3[a] - p1[a]) / (t1 + t2)) + p2[a] - p1[a]);
    const parts = Math.max(1, Math.ceil(distance[i] / step));
    for (let part = 0; part < parts; part++) {
      const u = part / parts;
      curve.push([0, 1].map((a) => {
        const cubic = 2 * (p1[a] - p2[a]) + m1[a] + m2[a], square = 3 * (p2[a] - p1[a]) - 2 * m1[a] - m2[a];
        return p1[a] + u * (m1[a] + u * (square + u * cubic));
      }));
    }
  }
  curve.push(points.at(-1));
  return curve;
}

// Points at equal distances along the path, with its ends.
function resampled(path, step) {
  const along = [0];
  for (const distance of distances(path)) along.push(along.at(-1) + distance);
  const length = along.at(-1), parts = Math.max(1, Math.ceil(length / step)), points = [];
  let j = 0;
  for (let i = 0; i < parts; i++) {
    const at = length * i / parts;
    while (j < along.length - 2 && along[j + 1] <= at) j++;
    const u = along[j + 1] > along[j] ? (at - along[j]) / (along[j + 1] - along[j]) : 0;
    points.push([0, 1].map((a) => path[j][a] + u * (path[j + 1][a] - path[j][a])));
  }
  points.push(path.at(-1));
  return points;
}

// Each point replaced by a weighted mean of those near it; beyond an end the path goes on with the mirror images of its points.
function smoothed(path, deviation) {
  const n = path.length;
  let length = 0;
  for (const distance of distances(path)) length += distance;
  const s = deviation * (n - 1) / Math.max(length, 1e-300), reach = Math.min(Math.ceil(2.5 * s), n - 1);
  if (reach < 1) return path;
  const weights = Array.from({length: 2 * reach + 1}, (_, j) => Math.exp(-0.5 * ((j - reach) / s) ** 2));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const value = (i, a) => {
    if (i < 0) return 2 * path[0][a] - path[-i][a];
    return i < n ? path[i][a] : 2 * path[n - 1][a] - path[2 * (n - 1) - i][a];
  };
  return path.map((_, i) => [0, 1].map((a) => {
    let total = 0;
    for (let j = -reach; j <= reach; j++) total += weights[j + reach] / sum * value(i + j, a);
    return total;
  }));
}

function distances(path) {
  const found = [];
  for (let i = 1; i < path.length; i++) {
    const dx = path[i][0] - path[i - 1][0], dy = path[i][1] - path[i - 1][1];
    found.push(Math.sqrt(dx * dx + dy * dy));
  }
  return found;
}
