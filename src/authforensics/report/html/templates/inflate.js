"use strict";
// Text that was compressed with gzip and written in base64. A browser's own DecompressionStream answers only after the
// page has loaded, which is too late for a page that is printed as soon as it has.
const inflate = (packed) => {
  const letters = atob(packed);
  const bytes = new Uint8Array(letters.length);
  for (let n = 0; n < bytes.length; n += 1) bytes[n] = letters.charCodeAt(n);
  const out = new Uint8Array(new DataView(bytes.buffer).getUint32(bytes.length - 4, true));
  let at = 10;
  let to = 0;
  let hold = 0;
  let held = 0;

  const fill = (count) => {
    for (; held < count; held += 8) hold |= bytes[at++] << held;
  };
  const drop = (count) => {
    hold >>>= count;
    held -= count;
  };
  const bits = (count) => {
    fill(count);
    const value = hold & ((1 << count) - 1);
    drop(count);
    return value;
  };

  // A code's table holds symbol and length at every index whose lowest bits are the code, first bit lowest.
  const tree = (lengths) => {
    const longest = Math.max(1, ...lengths);
    const table = new Uint16Array(1 << longest);
    let code = 0;
    for (let length = 1; length <= longest; length += 1, code <<= 1) {
      lengths.forEach((own, symbol) => {
        if (own !== length) return;
        let index = 0;
        for (let bit = 0; bit < length; bit += 1) index |= ((code >> bit) & 1) << (length - 1 - bit);
        for (; index < table.length; index += 1 << length) table[index] = (symbol << 4) | length;
        code += 1;
      });
    }
    return table;
  };
  const symbol = (table) => {
    fill(15);
    const entry = table[hold & (table.length - 1)];
    drop(entry & 15);
    return entry >> 4;
  };

  const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
  const trees = () => {
    const [literals, distances, count] = [bits(5) + 257, bits(5) + 1, bits(4) + 4];
    const first = new Array(19).fill(0);
    for (let n = 0; n < count; n += 1) first[ORDER[n]] = bits(3);
    const codes = tree(first);
    const lengths = [];
    while (lengths.length < literals + distances) {
      const what = symbol(codes);
      if (what < 16) lengths.push(what);
      else if (what === 16) lengths.push(...new Array(bits(2) + 3).fill(lengths.at(-1)));
      else lengths.push(...new Array(what === 17 ? bits(3) + 3 : bits(7) + 11).fill(0));
    }
    return [tree(lengths.slice(0, literals)), tree(lengths.slice(literals))];
  };
  const fixed = () => [
    tree(Array.from({ length: 288 }, (_, n) => (n < 144 ? 8 : n < 256 ? 9 : n < 280 ? 7 : 8))),
    tree(new Array(30).fill(5)),
  ];

  const ranges = (start, count, group) => {
    let base = start;
    return Array.from({ length: count }, (_, n) => {
      const extra = Math.max(0, (n >> group) - 1);
      base += 1 << extra;
      return [base - (1 << extra), extra];
    });
  };
  const LENGTHS = [...ranges(3, 28, 2), [258, 0]];
  const DISTANCES = ranges(1, 30, 1);
  const amount = ([base, extra]) => base + bits(extra);

  const block = ([literals, distances]) => {
    for (let what = symbol(literals); what !== 256; what = symbol(literals)) {
      if (what < 256) out[to++] = what;
      else {
        const end = amount(LENGTHS[what - 257]) + to;
        const distance = amount(DISTANCES[symbol(distances)]);
        for (; to < end; to += 1) out[to] = out[to - distance];
      }
    }
  };
  const stored = () => {
    at -= held >> 3;
    hold = 0;
    held = 0;
    const length = bytes[at] | (bytes[at + 1] << 8);
    out.set(bytes.subarray(at + 4, at + 4 + length), to);
    at += 4 + length;
    to += length;
  };

  for (let last = 0; !last; ) {
    last = bits(1);
    const kind = bits(2);
    if (kind === 0) stored();
    else block(kind === 1 ? fixed() : trees());
  }
  return new TextDecoder().decode(out);
};
