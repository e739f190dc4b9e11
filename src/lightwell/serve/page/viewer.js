// Two pictures of one scene, one over the other, with a line between them; zoomed and moved together.

const MOST = 16;
const NEAR = 28;

export class Viewer {
  constructor(stage) {
    this.stage = stage;
    this.before = stage.querySelector('#before');
    this.after = stage.querySelector('#after');
    this.divider = stage.querySelector('#divider');
    this.size = { width: 1, height: 1 };
    this.view = null;  // null where the picture fits the stage, else scale and corner
    this.pointers = new Map();
    this.drag = null;

    this.divider.addEventListener('input', () => this.draw());
    this.divider.addEventListener('keydown', (event) => this.key(event));
    stage.addEventListener('pointerdown', (event) => this.down(event));
    stage.addEventListener('pointermove', (event) => this.move(event));
    for (const name of ['pointerup', 'pointercancel']) stage.addEventListener(name, (event) => this.up(event));
    stage.addEventListener('dblclick', (event) => (this.view ? this.fit() : this.one(this.place(event))));
    stage.addEventListener('wheel', (event) => this.wheel(event), { passive: false });
    new ResizeObserver(() => this.draw()).observe(stage);
  }

  /** Shows a picture as it was and as it is now, if there is something of it. */
  show({ before, after, width, height, name, kind }) {
    const other = this.size.width !== width || this.size.height !== height;
    this.size = { width, height };
    if (other) this.view = null;
    set(this.before, before, `${name} as it was`);
    set(this.after, after, `${name}, ${kind}`);
    this.stage.classList.toggle('both', Boolean(before && after));
    this.stage.dataset.kind = kind;
    this.divider.disabled = !(before && after);
    this.draw();
  }

  get room() {
    return { width: this.stage.clientWidth, height: this.stage.clientHeight };
  }

  /** The scale and corner at which all of it is seen. */
  get whole() {
    const { width, height } = this.room;
    const scale = Math.min(width / this.size.width, height / this.size.height, 3);
    return { scale, x: (width - this.size.width * scale) / 2, y: (height - this.size.height * scale) / 2 };
  }

  get now() {
    return this.view ?? this.whole;
  }

  fit() {
    this.view = null;
    this.draw();
  }

  /** A pixel of the picture to one of the screen. */
  one(at) {
    this.zoom(1 / devicePixelRatio / this.now.scale, at);
  }

  zoom(factor, at = { x: this.room.width / 2, y: this.room.height / 2 }) {
    const { scale, x, y } = this.now;
    const least = Math.min(this.whole.scale, 1 / devicePixelRatio);
    const next = Math.min(MOST, Math.max(least, scale * factor));
    this.view = { scale: next, x: at.x - (at.x - x) * (next / scale), y: at.y - (at.y - y) * (next / scale) };
    if (Math.abs(next / this.whole.scale - 1) < 0.01) this.view = null;
    this.draw();
  }

  pan(across, down) {
    if (!this.view) return;
    this.view.x += across;
    this.view.y += down;
    this.draw();
  }

  /** The part of the stage across which the line goes: what is seen of the picture. */
  get span() {
    const { scale, x } = this.now;
    const left = Math.max(0, x);
    return { left, width: Math.max(1, Math.min(this.room.width, x + this.size.width * scale) - left) };
  }

  draw() {
    if (this.view) this.keepInside();
    const { scale, x, y } = this.now;
    const { left, width } = this.span;
    const at = left + (width * Number(this.divider.value)) / 100;
    const style = this.stage.style;
    style.setProperty('--width', `${this.size.width}px`);
    style.setProperty('--height', `${this.size.height}px`);
    style.setProperty('--ratio', this.size.height / this.size.width);
    style.setProperty('--scale', scale);
    style.setProperty('--x', `${x}px`);
    style.setProperty('--y', `${y}px`);
    style.setProperty('--at', `${at}px`);
    style.setProperty('--left', `${left}px`);
    style.setProperty('--right', `${this.room.width - left - width}px`);
    style.setProperty('--top', `${Math.max(0, y)}px`);
    this.stage.classList.toggle('zoomed', this.view !== null);
    this.stage.classList.toggle('pixels', scale * devicePixelRatio > 2.5);
    this.divider.setAttribute('aria-valuetext', `${this.divider.value} % before`);
    this.stage.dispatchEvent(new CustomEvent('zoomed', { detail: scale * devicePixelRatio }));
  }

  keepInside() {
    const { width, height } = this.room;
    const view = this.view;
    const inside = (at, length, room) =>
      length <= room ? (room - length) / 2 : Math.min(0, Math.max(room - length, at));
    view.x = inside(view.x, this.size.width * view.scale, width);
    view.y = inside(view.y, this.size.height * view.scale, height);
  }

  place(event) {
    const box = this.stage.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  down(event) {
    if (event.button !== 0 || event.target.closest('button, a')) return;
    const at = this.place(event);
    this.pointers.set(event.pointerId, at);
    this.stage.setPointerCapture(event.pointerId);
    if (this.pointers.size === 2) {
      this.drag = 'pinch';
      return;
    }
    const line = parseFloat(this.stage.style.getPropertyValue('--at'));
    this.drag = !this.view || Math.abs(at.x - line) < NEAR ? 'line' : 'pan';
    if (this.drag === 'line' && !this.divider.disabled && event.pointerType === 'mouse') this.moveLine(at);
  }

  move(event) {
    const last = this.pointers.get(event.pointerId);
    if (!last) return;
    const at = this.place(event);
    if (this.drag === 'line') this.moveLine(at);
    else if (this.drag === 'pan') this.pan(at.x - last.x, at.y - last.y);
    else if (this.pointers.size === 2) {
      const other = [...this.pointers].find(([id]) => id !== event.pointerId)[1];
      const apart = (point) => Math.hypot(point.x - other.x, point.y - other.y);
      const middle = { x: (at.x + other.x) / 2, y: (at.y + other.y) / 2 };
      this.zoom(apart(at) / Math.max(1, apart(last)), middle);
      this.pan((at.x - last.x) / 2, (at.y - last.y) / 2);
    }
    this.pointers.set(event.pointerId, at);
  }

  up(event) {
    this.pointers.delete(event.pointerId);
    if (this.pointers.size === 0) this.drag = null;
    else if (this.drag === 'pinch') this.drag = 'pan';
  }

  moveLine(at) {
    if (this.divider.disabled) return;
    const { left, width } = this.span;
    this.divider.value = Math.round((100 * (at.x - left)) / width);
    this.draw();
  }

  wheel(event) {
    // Where the page itself scrolls, the wheel is the page's.
    const scrolls = document.documentElement.scrollHeight > innerHeight + 1;
    if (scrolls && !event.ctrlKey) return;
    event.preventDefault();
    this.zoom(Math.exp(-event.deltaY / (event.ctrlKey ? 100 : 400)), this.place(event));
  }

  key(event) {
    const step = 60;
    const acts = {
      '+': () => this.zoom(1.5),
      '=': () => this.zoom(1.5),
      '-': () => this.zoom(1 / 1.5),
      0: () => this.fit(),
      1: () => this.one(),
    };
    const moves = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.shiftKey && moves[event.key]) this.pan(...moves[event.key]);
    else if (acts[event.key]) acts[event.key]();
    else return;
    event.preventDefault();
  }
}

function set(image, address, words) {
  image.alt = address ? words : '';
  image.hidden = !address;
  if (image.getAttribute('src') === address) return;
  if (address) image.src = address;
  else image.removeAttribute('src');
}
