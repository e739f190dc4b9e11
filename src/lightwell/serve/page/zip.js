// A ZIP file of files as they are: pictures do not get smaller.

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function checksum(bytes) {
  let value = 0xffffffff;
  for (let k = 0; k < bytes.length; k += 1) value = TABLE[(value ^ bytes[k]) & 255] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

function record(fields) {
  const view = new DataView(new ArrayBuffer(fields.reduce((sum, [size]) => sum + size, 0)));
  let at = 0;
  for (const [size, value] of fields) {
    if (size === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += size;
  }
  return view.buffer;
}

/** Names and blobs to one blob; below 4 GB. */
export async function zip(files) {
  const now = new Date();
  const time = (now.getHours() << 11) | (now.getMinutes() << 5) | (now.getSeconds() >> 1);
  const day = ((now.getFullYear() - 1980) << 9) | ((now.getMonth() + 1) << 5) | now.getDate();
  const parts = [];
  const directory = [];
  let at = 0;
  let length = 0;
  for (const { name, blob } of files) {
    const words = new TextEncoder().encode(name);
    const sum = checksum(new Uint8Array(await blob.arrayBuffer()));
    // Version, names in UTF-8, stored, time, day, checksum, sizes, lengths of name and extra field.
    const common = [[2, 20], [2, 0x800], [2, 0], [2, time], [2, day], [4, sum], [4, blob.size], [4, blob.size],
      [2, words.length], [2, 0]];
    const head = record([[4, 0x04034b50], ...common]);
    const entry = record([[4, 0x02014b50], [2, 20], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, at]]);
    parts.push(head, words, blob);
    directory.push(entry, words);
    at += head.byteLength + words.length + blob.size;
    length += entry.byteLength + words.length;
  }
  const end = record([[4, 0x06054b50], [2, 0], [2, 0], [2, files.length], [2, files.length], [4, length], [4, at],
    [2, 0]]);
  return new Blob([...parts, ...directory, end], { type: 'application/zip' });
}
