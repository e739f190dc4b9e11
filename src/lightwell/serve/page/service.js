// Restores by the service that the page came from: its addresses, as functions.

import { pause, Trouble } from './trouble.js';

const KEY = 'lightwell-token';

// The part of an address behind # never leaves the browser; it is taken off, so that nobody copies it by chance.
const given = new URLSearchParams(location.hash.slice(1)).get('token');
if (given) {
  sessionStorage.setItem(KEY, given);
  history.replaceState(null, '', location.pathname);
}

export function setToken(token) {
  sessionStorage.setItem(KEY, token);
}

async function call(path, options = {}) {
  const headers = { ...options.headers };
  const token = sessionStorage.getItem(KEY);
  if (token) headers.Authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Trouble('The service does not answer. Does lightwell serve still run?');
  }
  if (response.ok) return response;
  let detail = `The service answered ${response.status}.`;
  try {
    detail = (await response.json()).detail ?? detail;
  } catch { /* no problem of ours */ }
  throw new Trouble(detail, response.status, Number(response.headers.get('Retry-After')) || 0);
}

function query(settings) {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(settings)) {
    if (value !== '' && value !== null && value !== undefined) words.set(name, value);
  }
  return words;
}

function upload(blob, signal) {
  const type = blob.type.startsWith('image/') ? blob.type : 'application/octet-stream';
  return { method: 'POST', body: blob, signal, headers: { 'Content-Type': type } };
}

const near = ['localhost', '127.0.0.1', '[::1]'].includes(location.hostname);

export const promise = near
  ? 'They are restored on this machine. Nothing leaves it.'
  : `They go to ${location.host} and nowhere else, and are not kept there.`;

let most = Infinity;

/** The models, and what may be chosen besides. */
export async function offer() {
  const { models, limits } = await (await call('v1/models')).json();
  most = limits.bytes;
  return { models, formats: ['jpeg', 'png', 'webp', 'avif'], devices: [] };
}

/** Refuses a file before anything is done with it. */
export async function refuse(file) {
  if (file.size <= most) return;
  throw new Trouble(`The file is larger than the ${Math.floor(most / 2 ** 20)} MB that this service takes.`);
}

/** Restores at once; the answer is the picture's file. */
export async function restore(blob, settings, signal) {
  const response = await patiently(() => call(`v1/restore?${query(settings)}`, upload(blob, signal)), signal);
  return response.blob();
}

/** Waits as long as the service's queue is full. */
async function patiently(act, signal) {
  for (;;) {
    try {
      return await act();
    } catch (error) {
      if (error.status !== 429) throw error;
      await pause(error.wait || 2, signal);
    }
  }
}

const running = new Set();

function end(here) {
  running.delete(here);
  call(here, { method: 'DELETE', keepalive: true }).catch(() => {});
}

/** For a page that goes away. */
export function endJobs() {
  running.forEach(end);
}

/** Restores as a job: tells its progress, and ends it when the signal aborts. */
export async function runJob(blob, settings, { signal, progress }) {
  const made = await patiently(() => call(`v1/jobs?${query(settings)}`, upload(blob, signal)), signal);
  const job = await made.json();
  const here = `v1/jobs/${job.id}`;
  running.add(here);
  try {
    const last = await follow(here, signal, progress);
    if (last.state !== 'done') throw new Trouble(last.problem.detail, last.problem.status);
    const result = await (await call(`${here}/result`, { signal })).blob();
    return { blob: result, ...last };
  } finally {
    if (running.has(here)) end(here);
  }
}

async function follow(here, signal, progress) {
  for (let tries = 0; ; tries += 1) {
    try {
      const response = await call(`${here}/events`, { signal });
      for await (const content of events(response)) {
        progress(content);
        if (content.state === 'done' || content.state === 'failed') return content;
      }
    } catch (error) {
      if (error.name === 'AbortError' || error.status || tries === 5) throw error;
    }
    await pause(1, signal);  // the connection broke; the job goes on
  }
}

async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const blocks = text.split('\n\n');
    text = blocks.pop();
    for (const block of blocks) {
      const data = block.split('\n').find((line) => line.startsWith('data: '));
      if (data) yield JSON.parse(data.slice(6));
    }
  }
}
