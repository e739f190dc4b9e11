// RGB profiles of the matrix/curve kind (ICC.1:2010, 8.3.3), as lightwell.pictures.space reads them.

import { fromLinear } from './strategy.js';

const POINTS = 4096;
const SRGB_TOLERANCE = 0.012;
// CIE XYZ under D50 to linear sRGB.
const FROM_XYZ = inverse([
  [0.4360747, 0.3850649, 0.1430804],
  [0.2225045, 0.7168786, 0.0606169],
  [0.0139322, 0.0971045, 0.7141733],
]);

function determinant([[a, b, c], [d, e, f], [g, h, i]]) {
  return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
}

function inverse(matrix) {
  const [[a, b, c], [d, e, f], [g, h, i]] = matrix;
  const size = determinant(matrix);
  return [[e * i - f * h, c * h - b * i, b * f - c * e],
    [f * g - d * i, a * i - c * g, c * d - a * f],
    [d * h - e * g, b * g - a * h, a * e - b * d]].map((row) => row.map((value) => value / size));
}

function times(matrix, vector) {
  return matrix.map((row) => row[0] * vector[0] + row[1] * vector[1] + row[2] * vector[2]);
}

function word(view, at) {
  return String.fromCharCode(...[0, 1, 2, 3].map((k) => view.getUint8(at + k)));
}

/** The profile's device space: 'RGB', 'GRAY', 'CMYK'...; nothing where it is broken. */
export function profileSpace(icc) {
  const view = new DataView(icc.buffer, icc.byteOffset, icc.byteLength);
  if (icc.length < 132 || word(view, 36) !== 'acsp' || view.getUint32(0) > icc.length) return '';
  const count = view.getUint32(128);
  if (count < 1 || count > 100 || 132 + 12 * count > icc.length) return '';
  for (let at = 132; at < 132 + 12 * count; at += 12) {
    if (view.getUint32(at + 4) + view.getUint32(at + 8) > icc.length) return '';
  }
  return word(view, 16).trim();
}

/** A profile's curves and matrix; null where it is of another kind. */
export function rgbProfile(icc) {
  if (profileSpace(icc) !== 'RGB') return null;
  try {
    const view = new DataView(icc.buffer, icc.byteOffset, icc.byteLength);
    const tags = new Map();
    for (let k = 0; k < view.getUint32(128); k += 1) {
      tags.set(word(view, 132 + 12 * k), view.getUint32(136 + 12 * k));
    }
    const colours = ['rXYZ', 'gXYZ', 'bXYZ'].map((name) => {
      const at = tags.get(name);
      return [8, 12, 16].map((offset) => view.getInt32(at + offset) / 65536);
    });
    const curves = ['rTRC', 'gTRC', 'bTRC'].map((name) => curve(view, tags.get(name)));
    const columns = colours.map((colour) => times(FROM_XYZ, colour));
    const toSrgb = [0, 1, 2].map((row) => columns.map((column) => column[row]));
    if (tags.has('A2B0') || Math.abs(determinant(toSrgb)) < 1e-6) return null;
    return new RgbProfile(curves, toSrgb);
  } catch {  // a broken one
    return null;
  }
}

function curve(view, at) {
  const kind = word(view, at);
  let light;
  if (kind === 'curv') {
    const count = view.getUint32(at + 8);
    if (count === 0) light = (x) => x;
    else if (count === 1) light = (x) => x ** (view.getUint16(at + 12) / 256);
    else {
      const values = Float64Array.from({ length: count }, (_, k) => view.getUint16(at + 12 + 2 * k) / 65535);
      light = (x) => between(values, x);
    }
  } else if (kind === 'para') {
    const type = view.getUint16(at + 8);
    const p = Array.from({ length: [1, 3, 4, 5, 7][type] }, (_, k) => view.getInt32(at + 12 + 4 * k) / 65536);
    const [g, a = 1, b = 0, c = 0, d = 0, e = 0, f = 0] = type === 1 || type === 2
      ? [p[0], p[1], p[2], 0, -p[2] / p[1], p[3] ?? 0, p[3] ?? 0]
      : p;
    light = (x) => (x >= d ? Math.max(a * x + b, 0) ** g + e : c * x + f);
  } else throw new Error('not a curve');
  const points = Float64Array.from({ length: POINTS }, (_, k) => Math.min(1, Math.max(0, light(k / (POINTS - 1)))));
  const grows = points.every((value, k) => Number.isFinite(value) && (k === 0 || value >= points[k - 1]));
  if (!grows || points[POINTS - 1] <= points[0]) throw new Error('not an increasing curve');
  return points;
}

function between(points, x) {
  const place = Math.min(1, Math.max(0, x)) * (points.length - 1);
  const first = Math.min(points.length - 2, Math.floor(place));
  return points[first] + (place - first) * (points[first + 1] - points[first]);
}

/** Where increasing points reach a value. */
function reached(points, value) {
  if (value <= points[0]) return 0;
  if (value >= points[points.length - 1]) return 1;
  let [low, high] = [0, points.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (points[middle] <= value) low = middle;
    else high = middle;
  }
  return (low + (value - points[low]) / (points[high] - points[low])) / (points.length - 1);
}

class RgbProfile {
  constructor(curves, toSrgb) {
    this.curves = curves;
    this.toMatrix = toSrgb;
    this.fromMatrix = inverse(toSrgb);
    this.levels = curves.map((points) => Float64Array.from({ length: 256 }, (_, level) => between(points, level / 255)));
  }

  /** sRGB values in [0, 1] of three levels of 255. */
  ofLevels(red, green, blue) {
    return this.encoded([this.levels[0][red], this.levels[1][green], this.levels[2][blue]]);
  }

  encoded(own) {
    return times(this.toMatrix, own).map((light) => fromLinear(Math.min(1, Math.max(0, light))));
  }

  /** The profile's own values of linear sRGB, clipped to what it holds. */
  ofLinear(light) {
    return times(this.fromMatrix, light).map((own, c) => reached(this.curves[c], Math.min(1, Math.max(0, own))));
  }

  /** Whether no colour changes visibly when the profile is read as sRGB. */
  get isSrgb() {
    const axis = Array.from({ length: 9 }, (_, k) => k / 8);
    return axis.every((red) => axis.every((green) => axis.every((blue) => {
      const colour = [red, green, blue];
      const light = times(this.toMatrix, colour.map((value, c) => between(this.curves[c], value)));
      return light.every((value, c) => Math.abs(fromLinear(value) - colour[c]) <= SRGB_TOLERANCE);
    })));
  }
}
