import { pause, Trouble } from './trouble.js';
import { Viewer } from './viewer.js';
import { zip } from './zip.js';

// What restores: the service that the page came from (service.js), or the browser alone (browser.js).
const { backend } = document.documentElement.dataset;
const { endJobs, offer, promise, refuse, restore, runJob, setDevice, setToken } = await import(`./${backend}.js`);

const AT_ONCE = 2;  // photos that are given to it at a time
const SMALL = 1280;  // longest side of the copy that previews are made from
const PLAIN = { strength: 1, brightness: 0, warmth: 0, denoise: 1 };
const ENDINGS = { 'image/jpeg': 'jpg', 'image/png': 'png', 'image/webp': 'webp', 'image/avif': 'avif',
  'image/tiff': 'tif', 'image/bmp': 'bmp' };
const FORMATS = { jpeg: 'JPEG', png: 'PNG', webp: 'WebP', avif: 'AVIF' };
const STATES = { waiting: 'waiting', running: 'restoring', done: 'restored', failed: 'failed', cancelled: 'cancelled' };

const $ = (id) => document.getElementById(id);
const viewer = new Viewer($('stage'));
const photos = [];
let current = null;
let models = [];
let number = 0;

// Photos

class Photo {
  constructor(file) {
    this.file = file;
    this.name = file.name || 'photo.png';
    this.id = (number += 1);
    this.settings = { ...PLAIN, ...(current?.settings ?? {}) };
    this.state = 'waiting';
    this.progress = 0;
    this.queued = false;  // whether nothing has begun with it
    this.before = null;  // address of what it was
    this.small = null;  // a reduced copy, for previews
    this.lit = null;  // address of the preview
    this.made = null;  // the result: blob, address, key of its settings, notes
    this.trouble = null;
    this.work = null;  // ends the running job
    this.preview = null;  // ends the running preview
    this.litKey = null;  // what the preview was made with
    this.ready = false;
    this.shown = true;  // whether the browser can show the file itself
  }

  get model() {
    return models.find((model) => model.name === this.settings.model) ?? models[0];
  }

  /** What is asked for; a model of one stage knows nothing of denoise. */
  get asked() {
    const { denoise, ...rest } = this.settings;
    const settings = this.model?.stages ? { ...rest, denoise } : rest;
    if (!this.shown && !settings.format) settings.format = 'png';
    return settings;
  }

  get key() {
    return JSON.stringify(this.asked);
  }

  get fresh() {
    return this.made?.key === this.key;
  }

  /** What of the settings a preview shows. */
  get lightKey() {
    const { strength, brightness, warmth, model } = this.settings;
    return JSON.stringify([strength, brightness, warmth, model]);
  }

  /** The result, also one of another denoise or format, until a new one is there; else the preview. */
  get after() {
    if (!this.made || (this.lit && this.made.lightKey !== this.lightKey)) return this.lit;
    return this.made.address;
  }

  get kind() {
    if (!this.after) return '';
    return this.after === this.lit ? 'Lit' : 'Restored';
  }

  get saveName() {
    const stem = this.name.replace(/\.[^.]*$/, '') || 'photo';
    return `${stem}_restored.${ENDINGS[this.made.blob.type] ?? 'img'}`;
  }

  stop() {
    this.work?.abort();
    this.preview?.abort();
    this.preview = null;
  }

  forget() {
    this.stop();
    for (const address of [this.before, this.lit, this.made?.address]) if (address) URL.revokeObjectURL(address);
  }
}

async function loaded(address) {
  const image = new Image();
  image.src = address;
  await image.decode();
  return image;
}

/** The photo as it is, and a small copy of it for previews. */
async function open(photo) {
  await refuse(photo.file);
  let image;
  let address = URL.createObjectURL(photo.file);
  try {
    image = await loaded(address);
  } catch {
    // What this browser cannot show, a service may read.
    URL.revokeObjectURL(address);
    photo.shown = false;
    const { model } = photo.settings;
    address = URL.createObjectURL(await restore(photo.file, { strength: 0, format: 'jpeg', quality: 92, model }));
    image = await loaded(address);
  }
  photo.before = address;
  photo.width = image.naturalWidth;
  photo.height = image.naturalHeight;
  photo.small = await reduced(image);
}

async function reduced(image) {
  const scale = Math.min(1, SMALL / Math.max(image.naturalWidth, image.naturalHeight));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(image.naturalWidth * scale));
  canvas.height = Math.max(1, Math.round(image.naturalHeight * scale));
  const pen = canvas.getContext('2d');
  pen.imageSmoothingQuality = 'high';
  pen.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
}

async function add(files) {
  const fresh = [...files].map((file) => new Photo(file));
  if (fresh.length === 0) return;
  photos.push(...fresh);
  say(fresh.length === 1 ? `${fresh[0].name} added` : `${fresh.length} photos added`);
  select(fresh[0]);
  for (const photo of fresh) {
    try {
      await open(photo);
      photo.ready = true;
      show();
      light(photo);
      next();
    } catch (error) {
      fail(photo, error);
    }
  }
}

function remove(photo) {
  const place = photos.indexOf(photo);
  photos.splice(place, 1);
  photo.forget();
  if (current === photo) select(photos[Math.min(place, photos.length - 1)] ?? null);
  else list();
  // What had the focus is gone.
  if (current) rows.get(current).pick.focus();
  else $('choose').focus();
  next();
}

// Work

/** The preview of a photo with its settings: one at a time, and of quick changes the last. */
async function light(photo) {
  const wanted = () => photo.model?.stages && photo.small && photo.litKey !== photo.lightKey
    && photo.made?.lightKey !== photo.lightKey;
  if (photo.preview || !wanted()) return;
  const mine = (photo.preview = new AbortController());
  try {
    while (wanted()) {
      const key = photo.lightKey;
      const { format: _, ...settings } = photo.asked;
      const asked = { ...settings, preview: true, format: 'jpeg', quality: 90 };
      const address = URL.createObjectURL(await restore(photo.small, asked, mine.signal));
      await loaded(address);
      if (mine.signal.aborted) {
        URL.revokeObjectURL(address);
        return;
      }
      if (photo.lit) URL.revokeObjectURL(photo.lit);
      photo.lit = address;
      photo.litKey = key;
      show();
    }
  } catch (error) {
    if (!mine.signal.aborted && !(error instanceof Trouble)) console.warn(error);  // the result will tell what is wrong
  } finally {
    if (photo.preview === mine) photo.preview = null;
  }
}

/** Starts what may start; the photo that is looked at goes first. */
function next() {
  const busy = photos.filter((photo) => photo.state === 'running').length;
  const waiting = photos.filter((photo) => photo.state === 'waiting' && photo.ready);
  const first = waiting.includes(current) ? current : waiting[0];
  if (first && busy < AT_ONCE) {
    run(first);
    next();
  }
}

async function run(photo) {
  const mine = (photo.work = new AbortController());
  const { key, lightKey } = photo;
  photo.state = 'running';
  photo.progress = 0;
  show();
  try {
    const progress = (content) => {
      photo.progress = content.progress;
      photo.queued = content.state === 'waiting';
      show();
    };
    const done = await runJob(photo.file, photo.asked, { signal: mine.signal, progress });
    if (mine.signal.aborted) return;
    const address = URL.createObjectURL(done.blob);
    await loaded(address).catch(() => {});
    if (photo.made) URL.revokeObjectURL(photo.made.address);
    photo.made = { ...done, address, key, lightKey };
    if (photo.fresh) photo.preview?.abort();
    photo.state = photo.fresh ? 'done' : 'waiting';
    photo.trouble = null;
    if (photo.fresh) say(`${photo.name} restored`);
  } catch (error) {
    if (mine.signal.aborted) return;
    fail(photo, error);
  } finally {
    show();
    next();
  }
}

function fail(photo, error) {
  photo.state = 'failed';
  photo.trouble = error instanceof Trouble ? error.message : 'This browser cannot read the file.';
  if (!(error instanceof Trouble)) console.warn(error);
  if (error.status === 401) lock();
  say(`${photo.name}: ${photo.trouble}`);
  show();
}

function cancel(photo) {
  photo.stop();
  photo.state = photo.fresh ? 'done' : 'cancelled';
  say(`${photo.name} cancelled`);
  show();
  next();
}

function again(photo) {
  photo.trouble = null;
  photo.state = photo.fresh ? 'done' : 'waiting';
  light(photo);
  show();
  next();
}

const settle = new WeakMap();

/** After a change: the preview at once, the result when the hand rests. */
async function change(photo) {
  show();
  light(photo);
  settle.get(photo)?.abort();
  const mine = new AbortController();
  settle.set(photo, mine);
  try {
    await pause(0.6, mine.signal);
  } catch {
    return;
  }
  if (!photo.ready || !photos.includes(photo)) return;
  photo.work?.abort();
  again(photo);
}

// What is seen

let drawing = false;

function show() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    list();
    if (current) draw(current);
  });
}

function select(photo) {
  current = photo;
  $('welcome').hidden = photos.length > 0;
  $('work').hidden = photos.length === 0;
  $('add').hidden = photos.length === 0;
  list();
  if (!photo) {
    document.title = 'lightwell';
    return;
  }
  fill(photo.settings);
  draw(photo);
  next();
}

function draw(photo) {
  viewer.show({
    before: photo.before,
    after: photo.after,
    width: photo.width ?? 3,
    height: photo.height ?? 2,
    name: photo.name,
    kind: photo.kind.toLowerCase() || 'not restored yet',
  });
  $('kind').textContent = photo.kind;
  const busy = photo.state === 'running' || (photo.state === 'waiting' && !photo.trouble);
  $('busy').hidden = !busy;
  if (photo.state === 'running' && photo.progress > 0) $('share').value = photo.progress;
  else $('share').removeAttribute('value');
  $('again').hidden = photo.state !== 'cancelled' && !(photo.state === 'failed' && photo.ready);
  $('again').textContent = photo.state === 'failed' ? 'Try again' : 'Restore';
  $('trouble').hidden = !photo.trouble;
  $('trouble').textContent = photo.trouble ?? '';
  $('about').textContent = about(photo);
  $('stage').setAttribute('aria-busy', String(busy));
  const ready = photo.fresh;
  const save = $('save');
  save.setAttribute('aria-disabled', String(!ready));
  if (ready) {
    save.href = photo.made.address;
    save.download = photo.saveName;
  } else {
    save.removeAttribute('href');
    save.removeAttribute('download');
  }
  const notes = ready ? [...photo.made.notes] : [];
  if (ready && !photo.shown && !photo.settings.format) notes.push('It is saved as PNG: this browser cannot show its own format.');
  $('notes').hidden = notes.length === 0;
  $('notes').replaceChildren(...notes.map((note) => element('li', {}, note)));
  $('denoise-row').hidden = !photo.model?.stages;
  $('same').hidden = photos.length < 2;
  document.title = `${photo.name}, ${STATES[photo.state]} – lightwell`;
}

function about(photo) {
  const size = photo.width ? `${photo.width} × ${photo.height}` : '';
  const running = photo.after && photo.model?.stages ? 'Taking out the noise' : 'Restoring';
  const words = {
    waiting: photo.ready ? 'Waiting' : 'Opening',
    running: photo.queued ? 'Waiting for its turn' : running,
    done: photo.made ? `Restored in ${seconds(photo.made.seconds)}` : '',
    failed: 'Not restored',
    cancelled: 'Cancelled',
  }[photo.state];
  return [photo.name, size, words].filter(Boolean).join('  ·  ');
}

function seconds(value) {
  return value < 10 ? `${value.toFixed(1)} s` : `${Math.round(value)} s`;
}

function element(name, attributes = {}, ...inside) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(key, '');
    else if (value !== false && value !== null) made.setAttribute(key, value);
  }
  made.append(...inside);
  return made;
}

const rows = new Map();

function row(photo) {
  const thumb = element('img', { alt: '', draggable: 'false' });
  const state = element('span', { class: 'state' });
  const bar = element('progress', { max: 1, 'aria-hidden': 'true' });
  const pick = element('button', { type: 'button', class: 'pick' }, thumb, bar, state);
  const close = element('button', { type: 'button', class: 'close', 'aria-label': `Remove ${photo.name}` }, '×');
  pick.addEventListener('click', () => select(photo));
  close.addEventListener('click', () => remove(photo));
  return { item: element('li', {}, pick, close), pick, thumb, state, bar };
}

function list() {
  for (const photo of rows.keys()) {
    if (!photos.includes(photo)) {
      rows.get(photo).item.remove();
      rows.delete(photo);
    }
  }
  photos.forEach((photo, place) => {
    if (!rows.has(photo)) rows.set(photo, row(photo));
    const { item, pick, thumb, state, bar } = rows.get(photo);
    const strip = $('strip');
    if (strip.children[place] !== item) strip.insertBefore(item, strip.children[place] ?? null);
    const address = photo.after ?? photo.before;
    if (address && thumb.getAttribute('src') !== address) thumb.src = address;
    thumb.hidden = !address;
    item.className = photo.state;
    bar.hidden = photo.state !== 'running';
    if (photo.progress > 0) bar.value = photo.progress;
    else bar.removeAttribute('value');
    state.textContent = photo.state === 'done' ? '' : STATES[photo.state];
    pick.setAttribute('aria-label', `${photo.name}, ${STATES[photo.state]}`);
    if (photo === current) pick.setAttribute('aria-current', 'true');
    else pick.removeAttribute('aria-current');
  });
  const done = photos.filter((photo) => photo.fresh);
  $('save-all').hidden = photos.length < 2;
  $('save-all').disabled = done.length === 0;
  $('save-all').textContent = done.length < photos.length ? `Download ${done.length} of ${photos.length}` : 'Download all';
  $('strip').hidden = photos.length < 2;
}

function say(words) {
  $('says').textContent = words;
}

// Settings

const SHOWN = {
  brightness: (value) => `${value > 0 ? '+' : ''}${value ? value.toFixed(1) : 0} EV`,
  warmth: (value) => `${value > 0 ? '+' : ''}${Math.round(value * 100)}`,
  strength: (value) => `${Math.round(value * 100)} %`,
  denoise: (value) => `${Math.round(value * 100)} %`,
};

function fill(settings) {
  for (const name of Object.keys(PLAIN)) {
    $(name).value = settings[name];
    mark(name);
  }
  $('model').value = settings.model ?? models[0]?.name ?? '';
  $('format').value = settings.format ?? '';
  tellModel();
}

function mark(name) {
  const slider = $(name);
  const value = Number(slider.value);
  const words = SHOWN[name](value).replace('-', '−');
  slider.parentElement.querySelector('output').textContent = words;
  slider.setAttribute('aria-valuetext', words);
  const share = (at) => (100 * (at - Number(slider.min))) / (Number(slider.max) - Number(slider.min));
  const origin = share(Number(slider.min) < 0 ? 0 : Number(slider.min));
  slider.style.setProperty('--from', `${Math.min(origin, share(value))}%`);
  slider.style.setProperty('--to', `${Math.max(origin, share(value))}%`);
}

function tellModel() {
  const model = models.find((entry) => entry.name === $('model').value);
  $('model-says').textContent = model?.summary ?? '';
}

for (const name of Object.keys(PLAIN)) {
  const set = (value) => {
    $(name).value = value;
    mark(name);
    if (!current) return;
    current.settings[name] = Number($(name).value);
    change(current);
  };
  $(name).addEventListener('input', () => set($(name).value));
  $(name).addEventListener('dblclick', () => set(PLAIN[name]));
}

$('model').addEventListener('change', () => {
  tellModel();
  if (!current) return;
  current.settings.model = $('model').value;
  if (current.lit && !current.model.stages) {
    URL.revokeObjectURL(current.lit);
    current.lit = current.litKey = null;
  }
  change(current);
});

$('format').addEventListener('change', () => {
  if (!current) return;
  current.settings.format = $('format').value;
  change(current);
});

$('device').addEventListener('change', async () => {
  const [select, says] = [$('device'), $('device-says')];
  select.disabled = true;
  says.textContent = 'Trying it';
  try {
    await setDevice(select.value);
    says.textContent = select.value === 'gpu' ? 'It computes the same; photos from now on go there.' : '';
  } catch (error) {
    select.value = 'cpu';
    says.textContent = `${error.message} The processor goes on.`;
  }
  select.disabled = false;
});

$('reset').addEventListener('click', () => {
  if (!current) return;
  current.settings = { ...current.settings, ...PLAIN };
  fill(current.settings);
  change(current);
});

$('same').addEventListener('click', () => {
  for (const photo of photos) {
    if (photo === current) continue;
    photo.settings = { ...current.settings };
    if (photo.ready && !photo.fresh) change(photo);
  }
  say('All photos have these settings');
});

// Buttons, keys, files

$('controls').addEventListener('submit', (event) => event.preventDefault());
$('cancel').addEventListener('click', () => current && cancel(current));
$('again').addEventListener('click', () => current && again(current));
$('zoom-in').addEventListener('click', () => viewer.zoom(1.5));
$('zoom-out').addEventListener('click', () => viewer.zoom(1 / 1.5));
$('zoom-one').addEventListener('click', () => viewer.one());
$('zoom-fit').addEventListener('click', () => viewer.fit());
$('stage').addEventListener('zoomed', (event) => {
  $('zoom-fit').setAttribute('aria-pressed', String(viewer.view === null));
  $('zoom-one').setAttribute('aria-pressed', String(Math.abs(event.detail - 1) < 0.005));
});

$('save-all').addEventListener('click', async () => {
  const names = new Set();
  const files = [];
  for (const photo of photos.filter((entry) => entry.fresh)) {
    const [, stem, ending] = photo.saveName.match(/^(.*)(\.[^.]*)$/);
    let name = stem + ending;
    for (let copy = 2; names.has(name); copy += 1) name = `${stem}_${copy}${ending}`;
    names.add(name);
    files.push({ name, blob: photo.made.blob });
  }
  const address = URL.createObjectURL(await zip(files));
  element('a', { href: address, download: 'lightwell.zip' }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
});

for (const id of ['add', 'choose']) $(id).addEventListener('click', () => $('files').click());
$('shoot').addEventListener('click', () => $('camera').click());
for (const id of ['files', 'camera']) {
  $(id).addEventListener('change', () => {
    add($(id).files);
    $(id).value = '';
  });
}

document.addEventListener('paste', (event) => {
  const { files } = event.clipboardData;
  if (files.length > 0) {
    event.preventDefault();
    add(files);
  }
});

let over = 0;

function hasFiles(event) {
  return [...event.dataTransfer.types].includes('Files');
}

document.addEventListener('dragenter', (event) => {
  if (!hasFiles(event)) return;
  over += 1;
  $('veil').hidden = false;
});
document.addEventListener('dragleave', (event) => {
  if (!hasFiles(event)) return;
  over -= 1;
  $('veil').hidden = over > 0 ? false : true;
});
document.addEventListener('dragover', (event) => {
  if (hasFiles(event)) event.preventDefault();
});
document.addEventListener('drop', (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  over = 0;
  $('veil').hidden = true;
  add(event.dataTransfer.files);
});

addEventListener('pagehide', () => {
  photos.forEach((photo) => photo.stop());
  endJobs();
});
addEventListener('pageshow', (event) => {  // come back to
  if (event.persisted) photos.filter((photo) => photo.state === 'running').forEach(again);
});

// Light and dark

const THEME = 'lightwell-theme';

function paint(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
}

paint(localStorage.getItem(THEME));
$('theme').addEventListener('click', () => {
  const system = matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark';
  const theme = (document.documentElement.dataset.theme ?? system) === 'light' ? 'dark' : 'light';
  localStorage.setItem(THEME, theme);
  paint(theme);
});

// The beginning

function lock() {
  $('locked').hidden = false;
  $('welcome').hidden = true;
  $('work').hidden = true;
  $('token').focus();
}

$('key').addEventListener('submit', async (event) => {
  event.preventDefault();
  setToken($('token').value.trim());
  await begin();
});

async function begin() {
  if (matchMedia('(pointer: coarse)').matches) $('ways').textContent = 'Choose photos, or take one.';
  $('promise').textContent = promise;
  let formats;
  let devices;
  try {
    ({ models, formats, devices } = await offer());
  } catch (error) {
    if (error.status === 401) {
      $('wrong').textContent = $('token').value ? 'That is not the token.' : '';
      lock();
    } else {
      $('promise').textContent = error.message;
    }
    return;
  }
  $('locked').hidden = true;
  $('model').replaceChildren(...models.map(({ name }) => element('option', { value: name }, name)));
  const kinds = formats.map((name) => element('option', { value: name }, FORMATS[name]));
  $('format').replaceChildren(element('option', { value: '' }, 'As it came'), ...kinds);
  $('device').replaceChildren(...devices.map(([name, words]) => element('option', { value: name }, words)));
  $('device-row').hidden = devices.length === 0;
  select(photos[0] ?? null);
}

await begin();
document.querySelector('main').removeAttribute('aria-busy');
