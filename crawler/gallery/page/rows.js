// Justified rows: where each picture of an order stands. Numbers alone, nothing of the document.
"use strict";

(() => {
  const { store } = gallery;

  const GAP = 6; // pixels between pictures
  const MIN_RATIO = 0.5; // width to height of a tile: what is narrower or wider gets a tile of that shape
  const MAX_RATIO = 3;
  const CAPTION = 46; // pixels under a picture, where it has a caption
  const HEAD = 44; // pixels over the first row of a group
  const GROUP_SPACE = 20; // pixels below a group
  const MAX_HEIGHT = 16_000_000; // pixels that every browser can scroll: Firefox ends at 17.8 million

  const rowHeight = (width) => {
    if (width < 480) return 118;
    if (width < 900) return 150;
    if (width < 1500) return 184;
    return width < 2400 ? 208 : 236;
  };

  const ratio = (i) => {
    const { w, h } = store.columns;
    if (!w[i] || !h[i]) return 1;
    return Math.min(MAX_RATIO, Math.max(MIN_RATIO, w[i] / h[i]));
  };

  const rows = { order: new Uint32Array(0), width: 0, count: 0, shown: 0, expected: 0, isGrouped: false, isCut: false };
  let first = new Uint32Array(64); // position of each row's first picture; one more than there are rows
  let top = new Float64Array(64); // of each row, in pixels; one more than there are rows
  let high = new Float32Array(64); // of each row's pictures, in pixels
  let headed = new Uint8Array(64); // whether a group begins with the row

  const grown = (old, size) => {
    const made = new old.constructor(size);
    made.set(old);
    return made;
  };

  const startRow = (row, position, y) => {
    if (row + 1 >= first.length) {
      const size = first.length * 2;
      first = grown(first, size);
      top = grown(top, size);
      high = grown(high, size);
      headed = grown(headed, size);
    }
    first[row] = position;
    top[row] = y;
  };

  const extra = () => (rows.isGrouped ? CAPTION : 0);

  /** Lay out from row *row* on: all that is above it stays as it is. */
  const layOut = (row) => {
    const { order, width, isGrouped } = rows;
    const target = rowHeight(width);
    const { group } = store.columns || {};
    const end = order.length;
    let position = row ? first[row] : 0;
    let y = row ? top[row] : 0;
    rows.isCut = false;
    while (position < end) {
      startRow(row, position, y);
      const isHead = isGrouped && (position === 0 || group[order[position]] !== group[order[position - 1]]);
      let sum = 0;
      let count = 0;
      let height = target;
      let isGroupEnd = false;
      while (position + count < end) {
        const i = order[position + count];
        if (isGrouped && count && group[i] !== group[order[position]]) {
          isGroupEnd = true;
          break;
        }
        const next = sum + ratio(i);
        const nextHeight = (width - GAP * count) / next;
        if (count && nextHeight < target) {
          if (isGrouped) break; // those that are compared have one height
          // full: with this picture or without, whichever is nearer to the wanted height
          const without = (width - GAP * (count - 1)) / sum;
          if (target / nextHeight < without / target) {
            sum = next;
            count += 1;
            height = nextHeight;
          } else height = without;
          break;
        }
        sum = next;
        count += 1;
        height = Math.min(target, nextHeight);
      }
      if (isGrouped && !isGroupEnd) {
        isGroupEnd = position + count >= end || group[order[position + count]] !== group[order[position]];
      }
      height = Math.max(24, Math.floor(height));
      high[row] = height;
      headed[row] = isHead ? 1 : 0;
      position += count;
      y += height + extra() + (isHead ? HEAD : 0) + (isGroupEnd ? GROUP_SPACE : GAP);
      row += 1;
      if (y > MAX_HEIGHT) {
        rows.isCut = position < end;
        break;
      }
    }
    startRow(row, position, y);
    rows.count = row;
    rows.shown = position;
  };

  const height = () => {
    const known = top[rows.count];
    if (!rows.shown || rows.expected <= rows.shown || rows.isCut) return known;
    return Math.min(MAX_HEIGHT, known * (rows.expected / rows.shown));
  };

  /** The number of the row at *y* pixels from the grid's top. */
  const rowAt = (y) => {
    let low = 0;
    let end = rows.count;
    while (low < end) {
      const middle = (low + end) >>> 1;
      if (top[middle + 1] <= y) low = middle + 1;
      else end = middle;
    }
    return Math.min(low, Math.max(0, rows.count - 1));
  };

  const rowOf = (position) => {
    let low = 0;
    let end = rows.count - 1;
    while (low < end) {
      const middle = (low + end + 1) >>> 1;
      if (first[middle] <= position) low = middle;
      else end = middle - 1;
    }
    return low;
  };

  /** The position above (-1) or below (1) of *position*, by *steps* rows. */
  const vertical = (position, steps) => {
    const row = rowOf(position);
    const other = Math.min(Math.max(0, row + steps), rows.count - 1);
    if (other === row) return position;
    const middleOf = (number, at) => {
      let sum = 0;
      let middle = 0;
      for (let next = first[number]; next < first[number + 1]; next += 1) {
        if (next === at) middle = sum + ratio(rows.order[next]) / 2;
        sum += ratio(rows.order[next]);
      }
      return [middle, sum];
    };
    const wanted = middleOf(row, position)[0] * high[row];
    let best = first[other];
    let distance = Infinity;
    let x = 0;
    for (let at = first[other]; at < first[other + 1]; at += 1) {
      const wide = ratio(rows.order[at]) * high[other];
      const away = Math.abs(x + wide / 2 - wanted);
      if (away < distance) [best, distance] = [at, away];
      x += wide;
    }
    return best;
  };

  Object.assign(rows, {
    GAP, HEAD, ratio, rowHeight, layOut, height, rowAt, rowOf, vertical, extra,
    first: (row) => first[row],
    top: (row) => top[row],
    high: (row) => high[row],
    isHeaded: (row) => headed[row] === 1,
    /** Pixels of a row with what stands over and under its pictures. */
    whole: (row) => high[row] + extra() + (headed[row] ? HEAD : 0),
  });
  gallery.rows = rows;
})();
