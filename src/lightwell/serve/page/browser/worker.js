// Restores photos beside the page, so that the page stays quick. Asked with {id, file, settings} or {cancel: id}, it
// answers with {id} and one of progress, made or trouble; and with {ready} or {failed} once, when the model is loaded.

import { Trouble } from '../trouble.js';
import { inspect, refuseLarge, trueExif, writeJpeg, writePng } from './metadata.js';
import { profileSpace, rgbProfile } from './profile.js';
import { field, lightThenDetail, toLinear } from './strategy.js';

const LUMA = [0.2126, 0.7152, 0.0722];  // Rec. 709
const GPU = new URLSearchParams(self.location.search).has('gpu');
const here = (path) => new URL(`../${path}`, import.meta.url);
const cancelled = new Set();
let turn = Promise.resolve();

const model = begin();
model.then(() => postMessage({ ready: true }), (error) => postMessage({ failed: words(error) }));

onmessage = async ({ data: { id, file, settings, cancel } }) => {
  if (cancel) {
    cancelled.add(cancel);
    return;
  }
  try {
    postMessage({ id, made: await restore(id, file, settings, await model) });
  } catch (error) {
    postMessage({ id, trouble: words(error) });
  }
  cancelled.delete(id);
};

/** What is wrong, in a person's words. */
function words(error) {
  if (error instanceof Trouble) return error.message;
  console.info(error);
  if (error instanceof RangeError || /bad_alloc|out of memory|memory access|allocat/i.test(String(error?.message ?? error))) {
    return 'The memory of this browser is too small for this photo; lightwell restore takes it.';
  }
  return `This browser could not restore it (${error?.message ?? error}).`;
}

// The model

async function fetched(path) {
  const response = await fetch(here(path));
  if (!response.ok) throw new Trouble(`The page is incomplete: ${path} is missing.`);
  return response;
}

async function begin() {
  const card = await (await fetched('model/model.json')).json();
  const ort = await import(here(`runtime/ort.${GPU ? 'webgpu' : 'wasm'}.min.mjs`));
  ort.env.wasm.wasmPaths = here('runtime/').href;
  ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(8, navigator.hardwareConcurrency) : 1;
  ort.env.logLevel = 'error';

  const network = async (role) => {
    const { graph, weights } = card.graphs[role];
    const bytes = async (name) => new Uint8Array(await (await fetched(`model/${name}`)).arrayBuffer());
    const externalData = await Promise.all(weights.map(async (path) => ({ path, data: await bytes(path) })));
    const providers = GPU && role === 'detail' ? ['webgpu'] : ['wasm'];
    const options = { executionProviders: providers, externalData, enableMemPattern: false };
    const session = await ort.InferenceSession.create(await bytes(graph), options);
    return ({ channels, height, width, data }) => alone(async () => {
      const low = new ort.Tensor('float32', data, [1, channels, height, width]);
      const { [session.outputNames[0]]: restored } = await session.run({ [session.inputNames[0]]: low });
      const values = await restored.getData(true);
      if (restored.dims.join() !== [1, 3, height, width].join()) throw new Trouble('The model is not one of two stages.');
      if (!values.every(Number.isFinite)) throw new Trouble('The model gave values that are no numbers.');
      return { channels: 3, height, width, data: values };
    });
  };
  const loaded = { ...card, light: await network('light'), detail: await network('detail') };
  if (GPU) await prove(loaded);
  return loaded;
}

/** One run at a time; a preview has its turn between two tiles of a photo. */
function alone(act) {
  const mine = turn.then(act);
  turn = mine.catch(() => {});
  return mine;
}

/** Refuses a graphics card that computes other pictures than the command line. */
async function prove(loaded) {
  const plain = { strength: 1, brightness: 0, warmth: 0, denoise: 1, preview: false };
  const pixels = async (name) => read(await (await fetched(`model/${name}`)).blob(), Infinity);
  const low = await pixels('check-low.png');
  const wanted = await pixels('check-restored.png');
  const found = await compute(low, loaded, plain, () => {});
  let worst = 0;
  for (let k = 0; k < found.length; k += 1) worst = Math.max(worst, Math.abs(found[k] - wanted.pixels[k]));
  if (worst > 1) throw new Trouble(`It computes otherwise than it should: pixels are ${worst} levels off.`);
}

// A photo

async function restore(id, file, settings, loaded) {
  const started = performance.now();
  const photo = await read(file, loaded.pixels);
  const controls = { strength: 1, brightness: 0, warmth: 0, denoise: 1, preview: false, ...settings };
  const progress = async (share) => {
    await new Promise((resolve) => { setTimeout(resolve); });  // lets messages in, such as that to stop
    if (cancelled.has(id)) throw new Trouble('Cancelled.');
    if (share < 1) postMessage({ id, progress: share });
  };
  await progress(0);
  const restored = await compute(photo, loaded, controls, progress);
  return { ...(await write(photo, restored, loaded, controls)), seconds: (performance.now() - started) / 1000 };
}

/** A file's pixels, upright, as [red, green, blue, alpha] of 255, in the file's own colours. */
async function read(file, most) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const found = await inspect(bytes);
  const { told, notes } = found;
  if (found.size) refuseLarge(found.size, most);
  let profile = null;
  if (told.icc && found.channels === 3 && profileSpace(told.icc) === 'RGB') {
    profile = rgbProfile(told.icc);
    if (!profile) notes.push('its colour profile is not of the matrix kind; its colours were taken for sRGB');
    else if (profile.isSrgb) profile = null;
  } else if (told.icc) {
    told.icc = null;
    notes.push('its colour profile is not one for RGB pixels and was left out: its colours were taken for sRGB');
  }
  if (found.channels === 4) notes.push('CMYK was converted to sRGB');
  if (found.channels === 1 && found.format) notes.push('it is gray, and saved in colour');
  if (found.depth === 16) notes.push('its 16 bits became 8; lightwell restore keeps them');
  if (!['jpeg', 'png'].includes(found.format)) notes.push('EXIF and other words of its file were left out: this page keeps those of JPEG and PNG');

  let bitmap;
  try {
    bitmap = await createImageBitmap(new Blob([found.bare]));
  } catch {
    throw new Trouble(found.size ? 'The file is damaged, or too large for this browser.' : 'This browser cannot read the file.');
  }
  const { width, height } = bitmap;
  refuseLarge([height, width], most);
  const pen = canvas(width, height);
  pen.drawImage(bitmap, 0, 0);
  bitmap.close();
  const stored = pen.getImageData(0, 0, width, height).data;
  return { ...found, ...turned(stored, width, height, found.orientation), profile };
}

function canvas(width, height) {
  const pen = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  if (!pen) throw new RangeError('no canvas');
  return pen;
}

/** The upright view of stored pixels (EXIF 2.3, tag 274). */
function turned(stored, width, height, orientation) {
  if (orientation === 1) return { pixels: stored, size: [height, width] };
  const swapped = orientation >= 5;
  const size = swapped ? [width, height] : [height, width];
  const from = new Uint32Array(stored.buffer, stored.byteOffset, width * height);
  const to = new Uint32Array(width * height);
  let k = 0;
  for (let y = 0; y < size[0]; y += 1) {
    const down = [3, 4, 7, 8].includes(orientation) ? size[0] - 1 - y : y;
    for (let x = 0; x < size[1]; x += 1) {
      const across = [2, 3, 6, 7].includes(orientation) ? size[1] - 1 - x : x;
      to[k] = swapped ? from[across * width + down] : from[down * width + across];
      k += 1;
    }
  }
  return { pixels: new Uint8ClampedArray(to.buffer), size };
}

async function compute({ pixels, size, channels, profile }, { light, detail, thumbnail }, controls, progress) {
  const { strength, brightness, warmth } = controls;
  if (strength === 0 && brightness === 0 && warmth === 0) return pixels;
  const width = size[1];
  const result = pixels.slice();  // keeps alpha

  const each = (box, act) => {
    const area = (box.bottom - box.top) * (box.right - box.left);
    let k = 0;
    for (let y = box.top; y < box.bottom; y += 1) {
      for (let at = 4 * (y * width + box.left); at < 4 * (y * width + box.right); at += 4) {
        act(at, k, area);
        k += 1;
      }
    }
  };

  const load = (box) => {
    const part = field(3, box.bottom - box.top, box.right - box.left);
    each(box, (at, k, area) => {
      const colour = profile
        ? profile.ofLevels(pixels[at], pixels[at + 1], pixels[at + 2])
        : [pixels[at] / 255, pixels[at + 1] / 255, pixels[at + 2] / 255];
      for (let c = 0; c < 3; c += 1) part.data[c * area + k] = colour[c];
    });
    return part;
  };

  const store = (box, { data }) => {
    each(box, (at, k, area) => {
      let colour = [0, 1, 2].map((c) => Math.min(1, Math.max(0, data[c * area + k])));
      if (channels === 1) colour = Array(3).fill(colour.reduce((sum, value, c) => sum + LUMA[c] * value, 0));
      if (profile) colour = profile.ofLinear(colour.map(toLinear));
      for (let c = 0; c < 3; c += 1) result[at + c] = Math.floor(colour[c] * 255 + 0.5);
    });
  };

  await lightThenDetail({ light, detail }, thumbnail, { size, load, store }, controls, progress);
  return result;
}

async function write(photo, pixels, loaded, controls) {
  const { told, size: [height, width] } = photo;
  const notes = [...photo.notes];
  const wanted = controls.format || photo.format || 'png';
  const pen = canvas(width, height);
  const software = `lightwell ${loaded.version} (model ${loaded.name}, ${described(controls)})`;
  let opaque = true;
  for (let at = 3; at < pixels.length && opaque; at += 4) opaque = pixels[at] === 255;
  if (!opaque && wanted === 'jpeg') {
    for (let at = 3; at < pixels.length; at += 4) pixels[at] = 255;
    notes.push('its transparency was left out: JPEG has none');
  }
  pen.putImageData(new ImageData(pixels, width, height), 0, 0);
  const quality = (controls.quality ?? 95) / 100;
  const blob = await pen.canvas.convertToBlob({ type: `image/${wanted}`, quality });
  if (blob.type !== `image/${wanted}`) notes.push(`this browser cannot write ${wanted.toUpperCase()}: it is saved as PNG`);
  const format = blob.type.slice(6);
  if (controls.preview || !['jpeg', 'png'].includes(format)) {
    if (Object.values(told).some((part) => part && part.length !== 0)) notes.push('EXIF and other words of its file were left out: this page keeps them in JPEG and PNG');
    return { blob, notes };
  }
  try {
    told.exif = trueExif(told.exif, [height, width], software);
  } catch {
    notes.push('its EXIF data is broken and was left out');
    told.exif = trueExif(null, [height, width], software);
  }
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const whole = format === 'jpeg' ? writeJpeg(bytes, told, notes) : await writePng(bytes, told, software, notes);
  return { blob: new Blob([whole], { type: blob.type }), notes };
}

/** The settings that are not as they are by default, and the strength. */
function described({ strength, brightness, warmth, denoise, preview }) {
  const signed = (value) => `${value > 0 ? '+' : ''}${value}`;
  return [
    `strength ${strength}`,
    brightness && `brightness ${signed(brightness)}`,
    warmth && `warmth ${signed(warmth)}`,
    denoise !== 1 && `denoise ${denoise}`,
    preview && 'preview',
  ].filter(Boolean).join(', ');
}
