// Light, then detail, as lightwell.restoring has it: its functions bear the same names and give the same numbers.
// A field is {channels, height, width, data}: float32, one channel after the other. A box is {top, bottom, left, right}.

const LARGEST_TILE = 320;
const LONGEST = 2;
const STEP = 8;

export function field(channels, height, width) {
  return { channels, height, width, data: new Float32Array(channels * height * width) };
}

/** Halves go to the even number, as in Python. */
export function round(value) {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

const clip = (value, low, high) => Math.min(Math.max(value, low), high);

export function toLinear(encoded) {
  const size = Math.abs(encoded);
  return Math.sign(encoded) * (size <= 0.04045 ? size / 12.92 : ((size + 0.055) / 1.055) ** 2.4);
}

export function fromLinear(light) {
  const size = Math.abs(light);
  return Math.sign(light) * (size <= 0.0031308 ? size * 12.92 : 1.055 * size ** (1 / 2.4) - 0.055);
}

// Grids

/** The means over the cells of a coarser grid; load gives a box of the picture as a field. */
export function reduceArea(load, size, small) {
  const [height, width] = size;
  const [rows, columns] = small;
  const across = shares(width, columns);
  const down = shares(height, rows);
  const strip = Math.max(1, Math.floor((1 << 18) / width));
  let total = null;
  let channels = 0;
  for (let top = 0; top < height; top += strip) {
    const bottom = Math.min(top + strip, height);
    const part = load({ top, bottom, left: 0, right: width });
    channels = part.channels;
    total ??= new Float64Array(channels * rows * columns);
    const sums = new Float64Array(columns);
    for (let c = 0; c < channels; c += 1) {
      for (let y = top; y < bottom; y += 1) {
        sums.fill(0);
        const start = (c * (bottom - top) + y - top) * width;
        for (let x = 0; x < width; x += 1) {
          const value = part.data[start + x];
          for (const [cell, share] of across[x]) sums[cell] += share * value;
        }
        for (const [row, share] of down[y]) {
          const at = (c * rows + row) * columns;
          for (let k = 0; k < columns; k += 1) total[at + k] += share * sums[k];
        }
      }
    }
  }
  const scale = ((rows / height) * columns) / width;
  const result = field(channels, rows, columns);
  for (let k = 0; k < total.length; k += 1) result.data[k] = total[k] * scale;
  return result;
}

/** For each pixel of a side the cells that it lies in, with its shares. */
function shares(length, cells) {
  const side = length / cells;
  return Array.from({ length }, (_, at) => {
    const found = [];
    const last = Math.min(cells - 1, Math.ceil((at + 1) / side) - 1);
    for (let cell = Math.min(last, Math.floor(at / side)); cell <= last; cell += 1) {
      const share = Math.min(at + 1, (cell + 1) * side) - Math.max(at, cell * side);
      if (share > 0) found.push([cell, share]);
    }
    return found;
  });
}

/** A field over a picture, carried up linearly to the pixels of a box. */
export function enlarge(grid, box, [height, width]) {
  const down = between(height, grid.height, box.top, box.bottom);
  const across = between(width, grid.width, box.left, box.right);
  const result = field(grid.channels, box.bottom - box.top, box.right - box.left);
  let k = 0;
  for (let c = 0; c < grid.channels; c += 1) {
    for (const [row, nextRow, downShare] of down) {
      const upper = (c * grid.height + row) * grid.width;
      const lower = (c * grid.height + nextRow) * grid.width;
      for (const [column, nextColumn, share] of across) {
        const above = grid.data[upper + column] * (1 - share) + grid.data[upper + nextColumn] * share;
        const below = grid.data[lower + column] * (1 - share) + grid.data[lower + nextColumn] * share;
        result.data[k] = above * (1 - downShare) + below * downShare;
        k += 1;
      }
    }
  }
  return result;
}

/** For each pixel the two cells whose middles it lies between, and the share of the second. */
function between(length, cells, start, stop) {
  return Array.from({ length: stop - start }, (_, k) => {
    const place = clip((start + k + 0.5) * (cells / length) - 0.5, 0, cells - 1);
    const first = Math.floor(place);
    return [first, Math.min(first + 1, cells - 1), place - first];
  });
}

function blurMatrix(cells, sigma) {
  return Array.from({ length: cells }, (_, row) => {
    const weights = Array.from({ length: cells }, (__, at) => Math.exp(-0.5 * ((at - row) / sigma) ** 2));
    const sum = weights.reduce((a, b) => a + b);
    return weights.map((weight) => weight / sum);
  });
}

/** A Gaussian window over a field, cut off and made up for at the borders. */
export function blur(grid, sigma) {
  const { channels, height, width, data } = grid;
  const [down, across] = [blurMatrix(height, sigma), blurMatrix(width, sigma)];
  const result = field(channels, height, width);
  const half = new Float64Array(height * width);
  for (let c = 0; c < channels; c += 1) {
    const start = c * height * width;
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) {
        let sum = 0;
        for (let k = 0; k < width; k += 1) sum += across[x][k] * data[start + y * width + k];
        half[y * width + x] = sum;
      }
    }
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) {
        let sum = 0;
        for (let k = 0; k < height; k += 1) sum += down[y][k] * half[k * width + x];
        result.data[start + y * width + x] = sum;
      }
    }
  }
  return result;
}

// Light

function combine(act, ...fields) {
  const result = field(fields[0].channels, fields[0].height, fields[0].width);
  for (let k = 0; k < result.data.length; k += 1) result.data[k] = act(...fields.map(({ data }) => data[k]));
  return result;
}

function means(grid) {
  const size = grid.height * grid.width;
  return Array.from({ length: grid.channels }, (_, c) =>
    grid.data.subarray(c * size, (c + 1) * size).reduce((a, b) => a + b, 0) / size);
}

function scaled(grid, factors) {
  const size = grid.height * grid.width;
  const result = field(grid.channels, grid.height, grid.width);
  for (let k = 0; k < result.data.length; k += 1) result.data[k] = grid.data[k] * factors[Math.floor(k / size)];
  return result;
}

/** The lines that make a guide of a thumbnail, for each of its cells. */
export function lightUp(thumbnail, guide) {
  const window = (grid) => blur(grid, 1.5);
  const dark = means(thumbnail);
  const ratio = means(guide).map((mean, c) => (mean + 1e-3) / (dark[c] + 1e-3));
  const raised = scaled(thumbnail, ratio);
  const [seen, wanted] = [window(raised), window(guide)];
  const both = window(combine((a, b) => a * b, raised, guide));
  const square = window(combine((a) => a * a, raised));
  const slope = combine((product, power, x, y) => {
    const variance = Math.max(power - x * x, 0);
    const prior = Math.max(y + 1 / 64, 1 / 64) / (x + 1 / 64);
    return clip((product - x * y + 1e-3 * prior) / (variance + 1e-3), 0.02, 20);
  }, both, square, seen, wanted);
  const offset = window(combine((y, a, x) => y - a * x, wanted, slope, seen));
  const stops = field(1, guide.height, guide.width);
  const size = stops.data.length;
  for (let k = 0; k < size; k += 1) {
    const mean = (grid) => (grid.data[k] + grid.data[size + k] + grid.data[2 * size + k]) / 3;
    const gain = (mean(guide) + 1 / 255) / (mean(thumbnail) + 1 / 255);
    stops.data[k] = Math.log2(Math.max(gain, 1 / 64)) / 4;
  }
  return { slope: scaled(window(slope), ratio), offset, stops: steadied(stops, guide) };
}

/** Stops that follow the guide's shapes without the noise of single cells. */
function steadied(stops, guide) {
  const window = (grid) => blur(grid, 4);
  const shape = field(1, guide.height, guide.width);
  const size = shape.data.length;
  for (let k = 0; k < size; k += 1) {
    shape.data[k] = (guide.data[k] + guide.data[size + k] + guide.data[2 * size + k]) / 3;
  }
  const [shapes, levels] = [window(shape), window(stops)];
  const both = window(combine((a, b) => a * b, shape, stops));
  const square = window(combine((a) => a * a, shape));
  const slope = combine((product, power, x, y) => (product - x * y) / (Math.max(power - x * x, 0) + 1e-3),
    both, square, shapes, levels);
  const offset = window(combine((y, a, x) => y - a * x, levels, slope, shapes));
  return combine((a, x, b) => a * x + b, window(slope), shape, offset);
}

/** Brightness and warmth on a field of sRGB values. */
export function tone(grid, { brightness, warmth }) {
  if (brightness === 0 && warmth === 0) return grid;
  const size = grid.height * grid.width;
  const gains = [0.5, 0, -0.5].map((share) => 2 ** (brightness + warmth * share));
  const result = field(grid.channels, grid.height, grid.width);
  for (let k = 0; k < result.data.length; k += 1) {
    const gain = gains[Math.floor(k / size)];
    const light = toLinear(clip(grid.data[k], 0, 1));
    result.data[k] = fromLinear((gain * light) / (1 + (gain - 1) * light));
  }
  return result;
}

/** A mixture in linear light. */
export function mixLight(before, after, share) {
  if (share === 1) return after;
  return combine((a, b) => {
    const dark = toLinear(clip(a, 0, 1));
    return fromLinear(dark + share * (toLinear(clip(b, 0, 1)) - dark));
  }, before, after);
}

// Tiles

/** Overlapping spans of one length that cover a side, all at the same phase of a network's squares. */
export function spans(length, tile, overlap) {
  if (length <= tile) return [[0, length]];
  const step = tile - overlap >= 2 * STEP ? STEP : 1;
  const reach = (side) => Math.floor((side - overlap) / step) * step;
  let side = tile - (((tile - length) % step) + step) % step;
  const gaps = Math.ceil((length - side) / reach(side));
  while (gaps * reach(side - step) >= length - side + step) side -= step;
  const units = (length - side) / step;
  return Array.from({ length: gaps + 1 }, (_, k) => {
    const start = step * Math.floor((k * units) / gaps);
    return [start, start + side];
  });
}

/** The weights of one span; those of all spans add up to one. */
export function fade(all, k, width) {
  const [start, stop] = all[k];
  const rise = (at, middle) => 0.5 - 0.5 * Math.cos(Math.PI * clip((at + 0.5 - middle) / width + 0.5, 0, 1));
  return Float32Array.from({ length: stop - start }, (_, at) => {
    let weight = 1;
    if (k > 0) weight *= rise(at, (all[k - 1][1] - start) / 2);
    if (k + 1 < all.length) weight *= 1 - rise(at, (all[k + 1][0] - start + stop - start) / 2);
    return weight;
  });
}

/** Restores piece by piece; store gets finished parts, each pixel once. What progress throws ends the work. */
export async function inTiles(load, store, [height, width], restore, { tile, overlap, progress }) {
  if (height * width <= tile * tile && Math.max(height, width) <= LONGEST * tile) {
    const box = { top: 0, bottom: height, left: 0, right: width };
    store(box, await restore(load(box), box));
    await progress(1);
    return;
  }
  const upright = height >= width;  // bands go across the shorter side
  const short = Math.min(height, width);
  const long = Math.max(height, width);
  const bands = spans(long, tile, overlap);
  const pieces = spans(short, tile, overlap);
  const boxed = (start, stop, left, right) => (upright
    ? { top: start, bottom: stop, left, right }
    : { top: left, bottom: right, left: start, right: stop });
  let done = 0;
  let pending = null;  // what the last band had in common with the next
  for (const [k, [start, stop]] of bands.entries()) {
    const along = fade(bands, k, overlap);
    const held = blank(boxed(start, stop, 0, short));
    for (const [j, [left, right]] of pieces.entries()) {
      const box = boxed(start, stop, left, right);
      const piece = await restore(load(box), box);
      const across = fade(pieces, j, overlap);
      addTo(held, box, piece, upright ? [along, across] : [across, along]);
      done += 1;
      await progress(done / (bands.length * pieces.length));
    }
    if (pending) addTo(held, pending.box, pending.grid);
    const end = k + 1 < bands.length ? bands[k + 1][0] : long;
    const finished = boxed(start, end, 0, short);
    store(finished, cut(held, finished));
    pending = end < stop ? blank(boxed(end, stop, 0, short)) : null;
    if (pending) pending.grid = cut(held, pending.box);
  }
}

function blank(box) {
  return { box, grid: field(3, box.bottom - box.top, box.right - box.left) };
}

/** Adds a box's field to a larger one, weighted by rows and columns. */
function addTo({ box: whole, grid }, box, piece, weights = null) {
  const size = piece.height * piece.width;
  for (let c = 0; c < 3; c += 1) {
    for (let y = 0; y < piece.height; y += 1) {
      const to = (c * grid.height + box.top - whole.top + y) * grid.width + box.left - whole.left;
      const from = c * size + y * piece.width;
      const row = weights ? weights[0][y] : 1;
      for (let x = 0; x < piece.width; x += 1) {
        grid.data[to + x] += piece.data[from + x] * (weights ? row * weights[1][x] : 1);
      }
    }
  }
}

function cut({ box: whole, grid }, box) {
  const part = field(3, box.bottom - box.top, box.right - box.left);
  for (let c = 0; c < 3; c += 1) {
    for (let y = 0; y < part.height; y += 1) {
      const from = (c * grid.height + box.top - whole.top + y) * grid.width + box.left - whole.left;
      part.data.set(grid.data.subarray(from, from + part.width), (c * part.height + y) * part.width);
    }
  }
  return part;
}

// Both together

const CELL = 16;

/** What of a change varies slowly. */
export function smoothPart(change) {
  const { channels, height, width, data } = change;
  const cells = [Math.max(1, round(height / CELL)), Math.max(1, round(width / CELL))];
  const rows = ({ top, bottom }) => {
    const part = field(channels, bottom - top, width);
    for (let c = 0; c < channels; c += 1) {
      const start = (c * height + top) * width;
      part.data.set(data.subarray(start, start + part.height * width), c * part.height * width);
    }
    return part;
  };
  const small = blur(reduceArea(rows, [height, width], cells), 2);
  return enlarge(small, { top: 0, bottom: height, left: 0, right: width }, [height, width]);
}

/** Restores a picture.
 *
 * @param networks light and detail, each from a field to a promise of one
 * @param thumbnail its longest side
 * @param source size as [height, width]; load a box of it as a field in [0, 1]; store finished boxes
 * @param controls strength, brightness, warmth, denoise, preview
 * @param progress told the share that is done
 */
export async function lightThenDetail({ light, detail }, thumbnail, { size, load, store }, controls, progress) {
  const scale = Math.min(1, thumbnail / Math.max(...size));
  const before = reduceArea(load, size, size.map((side) => Math.max(1, round(side * scale))));
  const found = combine((value) => clip(value, 0, 1), await light(before));
  const lines = lightUp(before, tone(mixLight(before, found, controls.strength), controls));

  const restore = async (piece, box) => {
    const slope = enlarge(lines.slope, box, size);
    const offset = enlarge(lines.offset, box, size);
    const lit = combine((value, a, b) => value * a + b, piece, slope, offset);
    if (controls.preview || controls.denoise === 0) return lit;
    const input = field(4, piece.height, piece.width);
    input.data.set(lit.data);
    input.data.set(enlarge(lines.stops, box, size).data, lit.data.length);
    const white = combine((value) => Math.min(value, 1), lit);
    const change = combine((value, was) => Math.min(value, 1) - was, await detail(input), white);
    return combine((was, all, smooth) => was + controls.denoise * (all - smooth), white, change, smoothPart(change));
  };
  const overlap = Math.min(24, Math.floor(LARGEST_TILE / 4));
  await inTiles(load, store, size, restore, { tile: LARGEST_TILE, overlap, progress });
}
