// Restores in the browser alone: the same functions as service.js has, answered by a worker of this page.

import { inspect, refuseLarge } from './browser/metadata.js';
import { Trouble } from './trouble.js';

// A worker's address is a fixed one; everything else that would run as a script is refused.
const policy = globalThis.trustedTypes?.createPolicy('lightwell', { createScriptURL: (address) => address });
const LOST = 'The work on this photo ended: the memory of this browser is probably too small for it. lightwell restore takes it.';

export const promise = 'They are restored in this browser. Nothing leaves it.';

/** A worker with the model, and what it has been asked. */
class Engine {
  constructor(gpu) {
    this.gpu = gpu;
    this.asked = new Map();
    this.number = 0;
    const address = new URL(`browser/worker.js${gpu ? '?gpu' : ''}`, import.meta.url).href;
    this.worker = new Worker(policy ? policy.createScriptURL(address) : address, { type: 'module' });
    this.ready = new Promise((resolve, reject) => {
      this.worker.addEventListener('message', ({ data }) => {
        if (data.ready) resolve();
        else if (data.failed) reject(new Trouble(data.failed));
      });
      this.worker.addEventListener('error', () => reject(new Trouble('This browser cannot run the model.')));
    });
    this.ready.catch(() => {});  // told to whoever asks for a photo
    this.worker.addEventListener('message', ({ data }) => this.hear(data));
    this.worker.addEventListener('error', () => this.end());
  }

  hear({ id, progress, made, trouble }) {
    const work = this.asked.get(id);
    if (!work) return;
    if (progress !== undefined) {
      work.progress(progress);
      return;
    }
    this.asked.delete(id);
    if (made) work.resolve(made);
    else work.reject(new Trouble(trouble));
    if (engine !== this) this.retire();
  }

  ask(file, settings, { signal, progress = () => {} }) {
    return new Promise((resolve, reject) => {
      const id = (this.number += 1);
      this.asked.set(id, { resolve, reject, progress });
      this.worker.postMessage({ id, file, settings });
      signal?.addEventListener('abort', () => {
        this.worker.postMessage({ cancel: id });
        this.asked.delete(id);
        reject(signal.reason);
      }, { once: true });
    });
  }

  /** Ends when what it has been asked is done. */
  retire() {
    if (this.asked.size === 0) this.end();
  }

  end() {
    this.worker.terminate();
    for (const { reject } of this.asked.values()) reject(new Trouble(LOST));
    this.asked.clear();
    if (engine === this) engine = null;
  }
}

let engine = null;
let gpu = false;
let most = Infinity;

function running() {
  engine ??= new Engine(gpu);
  return engine;
}

/** The model, and what may be chosen besides. */
export async function offer() {
  let card;
  try {
    const response = await fetch('model/model.json');
    if (!response.ok) throw new Error(response.status);
    card = await response.json();
  } catch {
    throw new Trouble('The page is incomplete: model/model.json is missing.');
  }
  most = card.pixels;
  running();
  const devices = card.webgpu ? [['cpu', 'Processor'], ['gpu', 'Graphics card (WebGPU)']] : [];
  return {
    models: [{ name: card.name, summary: card.summary, stages: true }],
    formats: ['jpeg', 'png', 'webp'],
    devices,
  };
}

/** Refuses a file before anything is done with it. */
export async function refuse(file) {
  const { size } = await inspect(new Uint8Array(await file.arrayBuffer()));
  if (size) refuseLarge(size, most);
}

/** Where to compute from now on; a graphics card is taken only if it computes the same. */
export async function setDevice(name) {
  const next = new Engine(name === 'gpu');
  try {
    await next.ready;
  } catch (error) {
    next.end();
    throw error;
  }
  gpu = next.gpu;
  const last = engine;
  engine = next;
  last?.retire();
}

/** Restores at once; the answer is the picture's file. */
export async function restore(blob, settings, signal) {
  return (await running().ask(blob, settings, { signal })).blob;
}

let queue = Promise.resolve();

/** Restores when its turn has come: tells its progress, and ends when the signal aborts. */
export async function runJob(blob, settings, { signal, progress }) {
  progress({ state: 'waiting', progress: 0 });
  const mine = queue.then(() => {
    signal.throwIfAborted();
    const tell = (share) => progress({ state: 'running', progress: share });
    return running().ask(blob, settings, { signal, progress: tell });
  });
  queue = mine.catch(() => {});
  return mine;
}

/** For a page that goes away: its worker goes with it. */
export function endJobs() {}
