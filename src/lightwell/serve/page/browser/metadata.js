// What JPEG and PNG files say of their picture besides the pixels: taken out of one file and put into another.
//
// Told is {exif, icc, xmp, iptc, dpi, texts, comments}: EXIF as a TIFF structure, XMP as words, dots per inch as
// [across, down], a PNG's text chunks and a JPEG's comments as they are.

import { Trouble } from '../trouble.js';

const EXIF = 'Exif\0\0';
const XMP = 'http://ns.adobe.com/xap/1.0/\0';
const ICC = 'ICC_PROFILE\0';
const PHOTOSHOP = 'Photoshop 3.0\0';
const IPTC = 0x0404;
const SEGMENT = 65533;
const PNG = '\x89PNG\r\n\x1a\n';
const PNG_XMP = 'XML:com.adobe.xmp\0';

const bytesOf = (words) => Uint8Array.from(words, (letter) => letter.charCodeAt(0));
const starts = (bytes, words, at = 0) => [...words].every((letter, k) => bytes[at + k] === letter.charCodeAt(0));
const utf8 = (bytes) => new TextDecoder().decode(bytes);
const viewOf = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function join(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

async function through(bytes, stream, most = 64 << 20) {
  const reader = new Blob([bytes]).stream().pipeThrough(stream).getReader();
  const parts = [];
  let size = 0;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return join(...parts);
    parts.push(value);
    size += value.length;
    if (size > most) throw new Trouble('What the file says of its picture is too long.');
  }
}

const packed = (bytes) => through(bytes, new CompressionStream('deflate'));
const unpacked = (bytes) => through(bytes, new DecompressionStream('deflate'));

function nothing() {
  return { exif: null, icc: null, xmp: null, iptc: null, dpi: null, texts: [], comments: [] };
}

/** Reads a file.
 *
 * @returns format, size as [height, width] as stored, channels where they are known, depth, orientation, told, notes,
 *   and bare: the file without what a browser would turn or colour its pixels by
 */
export async function inspect(bytes) {
  const found = { format: '', size: null, channels: 0, depth: 8, orientation: 1, told: nothing(), notes: [], bare: bytes };
  if (starts(bytes, '\xff\xd8\xff')) readJpeg(bytes, found);
  else if (starts(bytes, PNG)) await readPng(bytes, found);
  else if (starts(bytes, 'RIFF') && starts(bytes, 'WEBP', 8)) found.format = 'webp';
  const { told, notes } = found;
  if (told.exif) {
    try {
      found.orientation = orientationOf(told.exif);
    } catch {
      told.exif = null;
      notes.push('its EXIF data is broken and was left out');
    }
  }
  if (told.xmp) told.xmp = trueXmp(told.xmp, notes);
  if (told.dpi && found.orientation >= 5) told.dpi.reverse();
  return found;
}

/** Refuses a photo of more pixels than the page takes. */
export function refuseLarge([height, width], most) {
  if (height * width <= most) return;
  const millions = (value) => Math.round(value / 1e6);
  throw new Trouble(`The photo has ${millions(height * width)} million pixels; this page takes up to ${millions(most)}. lightwell restore takes larger ones.`);
}

// JPEG

const cut = () => new Trouble('The file is cut off.');

/** Markers and contents of the segments up to the first scan, and where that starts. */
function segments(bytes) {
  const view = viewOf(bytes);
  const parts = [];
  let at = 2;
  for (;;) {
    while (at < bytes.length && bytes[at] === 0xff && bytes[at + 1] === 0xff) at += 1;
    if (at + 4 > bytes.length || bytes[at] !== 0xff) throw cut();
    const marker = bytes[at + 1];
    if (marker === 0xda) return { parts, scan: at };
    const end = at + 2 + view.getUint16(at + 2);
    if (end > bytes.length) throw cut();
    parts.push({ marker, data: bytes.subarray(at + 4, end), whole: bytes.subarray(at, end) });
    at = end;
  }
}

function readJpeg(bytes, found) {
  const { parts, scan } = segments(bytes);
  const { told } = found;
  const profile = [];
  found.format = 'jpeg';
  for (const { marker, data } of parts) {
    const frame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (frame) {
      const view = viewOf(data);
      found.size = [view.getUint16(1), view.getUint16(3)];
      found.channels = data[5];
    } else if (marker === 0xe0 && starts(data, 'JFIF\0') && data.length >= 12) {
      const scale = [0, 1, 2.54][data[7]];
      const view = viewOf(data);
      const dpi = [view.getUint16(8) * scale, view.getUint16(10) * scale];
      if (scale && dpi[0] > 0 && dpi[1] > 0) told.dpi = dpi;
    } else if (marker === 0xe1 && starts(data, EXIF)) told.exif ??= data.slice(EXIF.length);
    else if (marker === 0xe1 && starts(data, XMP)) told.xmp ??= utf8(data.subarray(XMP.length));
    else if (marker === 0xe2 && starts(data, ICC)) profile.push(data);
    else if (marker === 0xed && starts(data, PHOTOSHOP)) told.iptc ??= iptcOf(data);
    else if (marker === 0xfe) told.comments.push(data);
  }
  if (profile.length > 0) {
    profile.sort((a, b) => a[ICC.length] - b[ICC.length]);
    told.icc = join(...profile.map((data) => data.subarray(ICC.length + 2)));
  }
  let end = bytes.length - 2;
  while (end > scan && !(bytes[end] === 0xff && bytes[end + 1] === 0xd9)) end -= 1;
  if (end === scan) throw cut();
  const marks = new Set([0xe0, 0xee]);  // JFIF, and Adobe's, which says what the channels are
  const kept = parts.filter(({ marker }) => (marker & 0xf0) !== 0xe0 || marks.has(marker));
  found.bare = join(bytes.subarray(0, 2), ...kept.map(({ whole }) => whole), bytes.subarray(scan));
}

function segment(marker, ...parts) {
  const data = join(...parts);
  return join(Uint8Array.of(0xff, marker, (data.length + 2) >> 8, (data.length + 2) & 255), data);
}

/** The IPTC records of a Photoshop segment. */
function iptcOf(data) {
  const view = viewOf(data);
  let at = PHOTOSHOP.length;
  while (at + 12 <= data.length && starts(data, '8BIM', at)) {
    const name = data[at + 6] + 1;
    const start = at + 6 + name + (name % 2) + 4;
    if (start > data.length) return null;
    const size = view.getUint32(start - 4);
    if (view.getUint16(at + 4) === IPTC) return data[start] === 0x1c ? data.slice(start, start + size) : null;
    at = start + size + (size % 2);
  }
  return null;
}

/** A browser's JPEG with what was told of its picture. */
export function writeJpeg(bytes, told, notes) {
  const { parts, scan } = segments(bytes);
  const [across, down] = told.dpi?.map((value) => Math.round(value)) ?? [0, 0];
  const density = told.dpi && across < 65536 && down < 65536
    ? Uint8Array.of(1, across >> 8, across & 255, down >> 8, down & 255)
    : Uint8Array.of(0, 0, 1, 0, 1);
  const made = [segment(0xe0, bytesOf('JFIF\0\x01\x01'), density, Uint8Array.of(0, 0))];
  const add = (marker, head, data, name) => {
    if (head.length + data.length <= SEGMENT) made.push(segment(marker, bytesOf(head), data));
    else notes.push(`its ${name} data is too long for JPEG and was left out`);
  };
  if (told.exif) add(0xe1, EXIF, told.exif, 'EXIF');
  if (told.xmp) add(0xe1, XMP, new TextEncoder().encode(told.xmp), 'XMP');
  if (told.icc) {
    const size = SEGMENT - ICC.length - 2;
    const count = Math.ceil(told.icc.length / size);
    if (count > 255) notes.push('its colour profile is too long for JPEG and was left out');
    else for (let k = 0; k < count; k += 1) {
      made.push(segment(0xe2, bytesOf(ICC), Uint8Array.of(k + 1, count), told.icc.subarray(k * size, (k + 1) * size)));
    }
  }
  if (told.iptc) {
    const { length } = told.iptc;
    const size = Uint8Array.of(0, 0, length >> 24, length >> 16, length >> 8, length);
    add(0xed, `${PHOTOSHOP}8BIM\x04\x04`, join(size, told.iptc, new Uint8Array(length % 2)), 'IPTC');
  }
  for (const comment of told.comments) made.push(segment(0xfe, comment));
  if (told.texts.length > 0) notes.push('its words were left out: JPEG has no place for them');
  const kept = parts.filter(({ marker }) => (marker & 0xf0) !== 0xe0 && marker !== 0xfe);
  return join(bytes.subarray(0, 2), ...made, ...kept.map(({ whole }) => whole), bytes.subarray(scan));
}

// PNG

function chunks(bytes) {
  const view = viewOf(bytes);
  const parts = [];
  let at = PNG.length;
  while (parts.at(-1)?.name !== 'IEND') {
    if (at + 12 > bytes.length) throw cut();
    const end = at + 12 + view.getUint32(at);
    if (end > bytes.length) throw cut();
    parts.push({ name: String.fromCharCode(...bytes.subarray(at + 4, at + 8)), data: bytes.subarray(at + 8, end - 4), whole: bytes.subarray(at, end) });
    at = end;
  }
  return parts;
}

async function readPng(bytes, found) {
  const parts = chunks(bytes);
  const { told, notes } = found;
  found.format = 'png';
  for (const { name, data } of parts) {
    const view = viewOf(data);
    if (name === 'IHDR') {
      found.size = [view.getUint32(4), view.getUint32(0)];
      found.depth = data[8];
      found.channels = { 0: 1, 4: 1 }[data[9]] ?? 3;
    } else if (name === 'eXIf') told.exif = data.slice();
    else if (name === 'iCCP') {
      try {
        told.icc = await unpacked(data.subarray(data.indexOf(0) + 2));
      } catch {
        notes.push('its colour profile is broken and was left out: its colours were taken for sRGB');
      }
    } else if (name === 'pHYs' && data[8] === 1) told.dpi = [view.getUint32(0) * 0.0254, view.getUint32(4) * 0.0254];
    else if (name === 'iTXt' && starts(data, PNG_XMP)) told.xmp = await xmpOf(data);
    else if (['tEXt', 'zTXt', 'iTXt'].includes(name) && !starts(data, 'Software\0')) told.texts.push([name, data]);
    else if (name === 'acTL') notes.push(`only the first of ${view.getUint32(0)} frames was taken`);
  }
  const needed = new Set(['IHDR', 'PLTE', 'tRNS', 'IDAT', 'IEND']);
  const kept = parts.filter(({ name }) => needed.has(name)).map(({ whole }) => whole);
  found.bare = join(bytes.subarray(0, PNG.length), ...kept);
}

async function xmpOf(data) {
  const [flag, method] = data.subarray(PNG_XMP.length);
  const language = data.indexOf(0, PNG_XMP.length + 2);
  const text = data.subarray(data.indexOf(0, language + 1) + 1);
  if (flag === 0) return utf8(text);
  return method === 0 ? utf8(await unpacked(text)) : null;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function chunk(name, ...parts) {
  const body = join(bytesOf(name), ...parts);
  const sum = body.reduce((value, byte) => TABLE[(value ^ byte) & 255] ^ (value >>> 8), 0xffffffff) ^ 0xffffffff;
  const whole = join(new Uint8Array(4), body, new Uint8Array(4));
  viewOf(whole).setUint32(0, body.length - 4);
  viewOf(whole).setUint32(body.length + 4, sum >>> 0);
  return whole;
}

/** A browser's PNG with what was told of its picture. */
export async function writePng(bytes, told, software, notes) {
  const parts = chunks(bytes);
  const made = [];
  if (told.icc) made.push(chunk('iCCP', bytesOf('ICC Profile\0\0'), await packed(told.icc)));
  if (told.dpi) {
    const scale = new Uint8Array(9);
    told.dpi.forEach((value, k) => viewOf(scale).setUint32(4 * k, Math.round(value / 0.0254)));
    scale[8] = 1;
    made.push(chunk('pHYs', scale));
  }
  if (told.exif) made.push(chunk('eXIf', told.exif));
  if (told.xmp) made.push(chunk('iTXt', bytesOf(`${PNG_XMP}\0\0\0\0`), new TextEncoder().encode(told.xmp)));
  made.push(chunk('tEXt', bytesOf(`Software\0${software}`)));
  for (const [name, data] of told.texts) made.push(chunk(name, data));
  if (told.iptc) notes.push('its IPTC data was left out: PNG has no place for it');
  const comments = told.comments.map((comment) => chunk('tEXt', bytesOf('Comment\0'), comment));
  const kept = ['PLTE', 'tRNS', 'IDAT', 'IEND'].flatMap((name) => parts.filter((part) => part.name === name));
  return join(bytes.subarray(0, PNG.length), parts[0].whole, ...made, ...comments, ...kept.map(({ whole }) => whole));
}

// EXIF and XMP that are true of the new picture

const ORIENTATION = 0x112;
const SOFTWARE = 0x131;
const EXIF_IFD = 0x8769;
const WIDTH = 0xa002;
const HEIGHT = 0xa003;
// How the old file stored its pixels: strips, tiles, JPEG tables, profiles, further directories.
const LAYOUT = [[254, 266], [273, 273], [277, 281], [284, 284], [288, 293], [301, 301], [317, 325], [330, 342],
  [347, 347], [512, 521], [529, 532], [700, 700], [33723, 33723], [34377, 34377], [34675, 34675]];

function tiff(exif) {
  const view = viewOf(exif);
  const little = starts(exif, 'II*\0');
  if (!little && !starts(exif, 'MM\0*')) throw new Error('not EXIF');
  const entries = (at) => Array.from({ length: view.getUint16(at, little) }, (_, k) => at + 2 + 12 * k);
  return { view, little, entries, start: view.getUint32(4, little) };
}

function orientationOf(exif) {
  const { view, little, entries, start } = tiff(exif);
  const at = entries(start).find((entry) => view.getUint16(entry, little) === ORIENTATION);
  const value = at ? view.getUint16(at + 8, little) : 1;
  return value >= 1 && value <= 8 ? value : 1;
}

/** EXIF data of an upright picture, with the name of what made it; the old thumbnail is left out.
 *
 * The first directory is written anew behind the rest, whose places in the structure so stay what they were.
 */
export function trueExif(exif, [height, width], software) {
  const old = exif ? exif.slice() : bytesOf('II*\0\x08\0\0\0\0\0\0\0\0\0');
  const { view, little, entries, start } = tiff(old);
  const kept = [];
  for (const entry of entries(start)) {
    const tag = view.getUint16(entry, little);
    if (tag === ORIENTATION) view.setUint16(entry + 8, 1, little);
    if (tag === EXIF_IFD) resize(entries(view.getUint32(entry + 8, little)), view, little, { [WIDTH]: width, [HEIGHT]: height });
    const layout = LAYOUT.some(([first, last]) => tag >= first && tag <= last);
    if (!layout && tag !== SOFTWARE) kept.push([tag, old.subarray(entry, entry + 12)]);
  }
  const rest = old.subarray(0, thumbnailAt(old, { view, little, entries, start }) ?? old.length);
  const at = rest.length + (rest.length % 2);
  const count = kept.length + 1;
  const words = bytesOf(`${software}\0`);
  const entry = new Uint8Array(12);
  const fields = viewOf(entry);
  fields.setUint16(0, SOFTWARE, little);
  fields.setUint16(2, 2, little);
  fields.setUint32(4, words.length, little);
  fields.setUint32(8, at + 2 + 12 * count + 4, little);
  kept.push([SOFTWARE, entry]);
  kept.sort(([a], [b]) => a - b);
  const head = new Uint8Array(2);
  viewOf(head).setUint16(0, count, little);
  const whole = join(rest, new Uint8Array(at - rest.length), head, ...kept.map(([, data]) => data), new Uint8Array(4), words);
  viewOf(whole).setUint32(4, at, little);
  return whole;
}

function resize(entries, view, little, values) {
  for (const entry of entries) {
    const value = values[view.getUint16(entry, little)];
    if (value === undefined) continue;
    if (view.getUint16(entry + 2, little) === 3) view.setUint16(entry + 8, value, little);
    else view.setUint32(entry + 8, value, little);
  }
}

/** Where the small copy of the old picture starts, if it is the last of the data; elsewhere it is wiped out. */
function thumbnailAt(exif, { view, little, entries, start }) {
  const next = view.getUint32(start + 2 + 12 * entries(start).length, little);
  if (next === 0 || next + 2 > exif.length) return null;
  const value = (tag) => {
    const at = entries(next).find((entry) => view.getUint16(entry, little) === tag);
    return at ? view.getUint32(at + 8, little) : null;
  };
  const [place, size] = [value(0x201), value(0x202)];
  if (!place || !size || place + size > exif.length) return null;
  if (place + size >= exif.length - 2) return place;
  exif.fill(0, place, place + size);
  return null;
}

const ITEM = (meaning) => new RegExp(`<rdf:li\\b(?:(?!</rdf:li>|<rdf:li\\b)[^])*?Semantic\\s*(?:=\\s*["']|>)\\s*${meaning}\\b[^]*?</rdf:li>\\s*`, 'g');
const ATTRIBUTE = (names) => new RegExp(`${names}\\s*=\\s*(?:"[^"]*"|'[^']*')\\s*`, 'g');
const ELEMENT = (names) => new RegExp(`<(${names})>[^<]*</\\1>\\s*`, 'g');
const PARTS = [
  ['(?:GCamera|Camera):(?:MotionPhoto|MicroVideo)\\w*', 'MotionPhoto',
    'it has a film beside its picture (a live or motion photo): the picture was taken, the film left alone'],
  ['(?:hdrgm:\\w+|HDRGainMap:\\w+)', 'GainMap', 'its gain map for HDR screens was left out: the picture is that for others'],
];

/** XMP of an upright picture, without what points to a part behind the old one. */
function trueXmp(xmp, notes) {
  let words = xmp.replace(/(tiff:Orientation\s*(?:=\s*["']|>)\s*)[1-8](?=\s*["'<])/g, '$11');
  for (const [names, meaning, note] of PARTS) {
    const before = words;
    for (const pattern of [ITEM(meaning), ATTRIBUTE(names), ELEMENT(names)]) words = words.replace(pattern, '');
    if (words !== before) notes.push(note);
  }
  return words;
}
