// The crawl's data: scripts of the folder data/ call gallery.meta, .index, .detail and .failures. One typed array or list
// for each column: 100,000 objects would take three times the memory.
"use strict";

(() => {
  const { Lines } = gallery;
  const { folded, decoded } = gallery.text;
  const ASK_S = 2; // between two looks at a crawl that runs, where its server does not say
  const AWAY_MS = 10000; // ... while its server does not answer
  const KEPT_DETAILS = 4; // chunks
  const DATA = /^data\/(?:meta|(?:index|detail|failures)-\d{5,7})\.js(?:\?t=[\w-]*)?$/;
  const SIZE_BANDS = [100, 400, 1000, 2000]; // of the longer side, in pixels

  const policy = window.trustedTypes
    ? window.trustedTypes.createPolicy("gallery", {
        createScriptURL: (name) => {
          if (DATA.test(name)) return name;
          throw new TypeError(`no data file: ${name}`);
        },
      })
    : { createScriptURL: (name) => name };

  const store = {
    meta: null,
    chunks: [], // {number, rows, first}
    count: 0, // rows that are there
    columns: null,
    texts: [], // of each chunk, by its place: {first, rows, isBroken, thumb, path, url, text; words, address: as they are searched}
    broken: [], // numbers of chunks that can't be read
    isWhole: false,
    contact: true, // with the server of a running crawl
  };

  const waiting = new Map(); // what scripts have called and nobody has taken so far
  const listeners = [];
  const tell = (what) => listeners.forEach((listener) => listener(what));

  /** Load a script of data/ and return what it has called; null if it is not there, or can't be read. */
  const loaded = (name, kind, number) =>
    new Promise((resolve) => {
      const script = document.createElement("script");
      const key = `${kind}-${number}`;
      const end = () => {
        script.remove();
        const value = waiting.get(key);
        waiting.delete(key);
        resolve(value === undefined ? null : value);
      };
      script.addEventListener("load", end);
      script.addEventListener("error", end);
      script.src = policy.createScriptURL(name);
      document.head.append(script);
    });

  gallery.meta = (value) => waiting.set("meta-0", value);
  gallery.index = (number, value, ...sources) => waiting.set(`index-${number}`, { ...value, sources });
  gallery.detail = (number, value) => waiting.set(`detail-${number}`, value);
  gallery.failures = (number, value) => waiting.set(`failures-${number}`, value);

  const chunk = (kind, number) => {
    const asked = store.meta.live ? `?t=${Date.now().toString(36)}` : "";
    return loaded(`data/${kind}-${String(number).padStart(5, "0")}.js${asked}`, kind, number);
  };

  const band = (width, height) => {
    const longer = Math.max(width, height);
    if (!longer) return SIZE_BANDS.length + 1;
    const at = SIZE_BANDS.findIndex((limit) => longer < limit);
    return at < 0 ? SIZE_BANDS.length : at;
  };

  const KINDS = {
    w: Float32Array, h: Float32Array, bytes: Float64Array, date: Float64Array, group: Uint32Array,
    format: Uint16Array, host: Uint32Array, found: Uint16Array, status: Uint8Array, revisit: Uint8Array,
    band: Uint8Array,
  };

  const TEXTS = ["thumb", "path", "text", "url"]; // as index files have them

  const reserve = (rows) => {
    const old = store.columns;
    const size = old ? old.w.length : 0;
    if (size >= rows) return;
    const room = old ? Math.max(rows, Math.ceil(size * 1.5)) : rows;
    store.columns = {};
    for (const [name, Kind] of Object.entries(KINDS)) {
      store.columns[name] = new Kind(room);
      if (old) store.columns[name].set(old[name]);
    }
  };

  /** Put the rows of a chunk in place; those that can't be read stay without an address. */
  const put = (place, given) => {
    const { number, rows, first } = store.chunks[place];
    const isGood = Boolean(given && given.sources.length === TEXTS.length);
    if (!isGood && !store.broken.includes(number)) store.broken.push(number);
    const value = isGood ? given : {};
    reserve(Math.max(first + rows, store.meta.images));
    const { columns } = store;
    for (const name in KINDS) {
      if (name === "band") continue;
      const given = value[name] || 0; // a number that all rows share, or one for each
      if (typeof given === "number") columns[name].fill(given, first, first + rows);
      else for (let row = 0; row < rows; row += 1) columns[name][first + row] = given[row] || 0;
    }
    for (let i = first; i < first + rows; i += 1) columns.band[i] = band(columns.w[i], columns.h[i]);
    const lines = (name) => Lines.written(isGood ? value.sources[TEXTS.indexOf(name)] : null, value[name], rows);
    const [url, text] = [lines("url"), lines("text")];
    store.texts[place] = {
      first, rows, isBroken: !isGood, url, text, thumb: lines("thumb"), path: lines("path"),
      words: text.changed(folded),
      // a text of all rows with a "%" that is none of an escape can't be decoded: each for itself then
      address: (url.has("%") ? Lines.of(Array.from({ length: rows }, (_, row) => decoded(url.get(row)))) : url).changed(folded),
    };
    store.count = first + rows;
  };

  const pause = () =>
    new Promise((resolve) => {
      if (window.requestIdleCallback) window.requestIdleCallback(resolve, { timeout: 200 });
      else setTimeout(resolve, 0);
    });

  /** The chunks that there are, in order, with the place of their first row. */
  const placed = (meta) => {
    let first = 0;
    return meta.chunks.map(([number, rows]) => {
      const one = { number, rows, first };
      first += rows;
      return one;
    });
  };

  /** Read the chunks from the one at *from* on; the next one is fetched while this one is put in place. */
  const readFrom = async (from) => {
    const { chunks } = store;
    store.isWhole = false;
    store.count = from < chunks.length ? chunks[from].first : store.meta.images;
    let next = from < chunks.length ? chunk("index", chunks[from].number) : null;
    for (let at = from; at < chunks.length; at += 1) {
      const value = await next;
      next = at + 1 < chunks.length ? chunk("index", chunks[at + 1].number) : null;
      put(at, value);
      tell("rows");
      if (next) await pause();
    }
    store.texts.length = chunks.length;
    store.isWhole = true;
    tell("whole");
  };

  const valid = (meta) => Boolean(meta && meta.version === 1 && Number.isInteger(meta.images) && Array.isArray(meta.chunks));

  const follow = async () => {
    const value = await loaded(`data/meta.js?t=${Date.now().toString(36)}`, "meta", 0);
    if (!valid(value)) {
      store.contact = false;
      tell("contact");
      setTimeout(follow, AWAY_MS);
      return;
    }
    const old = store.meta;
    const before = store.chunks;
    store.contact = true;
    store.meta = value;
    store.chunks = placed(value);
    let from = 0;
    if (value.epoch === old.epoch) {
      const isSame = (one, at) => before[at] && before[at].number === one.number && before[at].rows === one.rows;
      while (from < store.chunks.length && isSame(store.chunks[from], from)) from += 1;
    }
    const hasChanged = from < store.chunks.length || store.chunks.length < before.length || value.epoch !== old.epoch;
    if (hasChanged) {
      details.clear();
      await readFrom(from);
    }
    tell("meta");
    if (value.live) setTimeout(follow, waitMs());
  };

  const waitMs = () => Math.max(1, Number(store.meta.live_s) || ASK_S) * 1000;

  /** Read everything. Listeners are told "meta", "rows" for each chunk, "whole"; "contact" if a server is away. */
  store.read = async () => {
    const value = await loaded("data/meta.js", "meta", 0);
    if (!valid(value)) {
      tell("nothing");
      return;
    }
    store.meta = value;
    store.chunks = placed(value);
    reserve(Math.max(value.images, 1));
    tell("meta");
    await readFrom(0);
    if (value.live) setTimeout(follow, waitMs());
  };

  let last = 0; // where the last row that was asked for is: the next one is mostly there, too

  /** The place of the chunk that row *i* is of. */
  const placeOf = (i) => {
    const known = store.chunks[last];
    if (known && i >= known.first && i < known.first + known.rows) return last;
    let low = 0;
    let end = store.chunks.length - 1;
    while (low < end) {
      const middle = (low + end + 1) >>> 1;
      if (store.chunks[middle].first <= i) low = middle;
      else end = middle - 1;
    }
    last = low;
    return low;
  };
  const chunkOf = (i) => store.chunks[placeOf(i)];

  for (const name of ["url", "path", "thumb", "text"]) {
    store[name] = (i) => {
      const texts = store.texts[placeOf(i)];
      return texts ? texts[name].get(i - texts.first) : "";
    };
  }

  /** What row *i* is called in addresses: the number of its chunk and its place there, which stay. */
  store.id = (i) => {
    const { number, first } = chunkOf(i);
    return `${number}.${i - first}`;
  };

  /** The row of an id; -1 if there is none. */
  store.row = (id) => {
    const [number, place] = id.split(".").map(Number);
    const found = store.chunks.find((one) => one.number === number);
    return found && place < found.rows ? found.first + place : -1;
  };

  const details = new Map();

  /** What only the detail view needs of image *i*; null if its chunk can't be read. */
  store.detail = async (i) => {
    const { number, first } = chunkOf(i);
    let asked = details.get(number);
    if (!asked) {
      asked = chunk("detail", number);
      details.set(number, asked);
      if (details.size > KEPT_DETAILS) details.delete(details.keys().next().value);
    }
    const value = await asked;
    if (!value) {
      details.delete(number);
      return null;
    }
    return Object.fromEntries(Object.entries(value).map(([name, column]) => [name, column[i - first]]));
  };

  /** One chunk of the failures, as it is written; null if it can't be read. */
  store.failures = (number) => chunk("failures", number);

  store.onChange = (listener) => listeners.push(listener);

  const FIELDS = { alt: 0, title: 1, caption: 2, heading: 3, pageTitle: 4 };

  /** What a picture is called: its words, else the name of its file. */
  store.title = (i) => {
    const fields = store.text(i).split("\u001f");
    return (fields[FIELDS.alt] || fields[FIELDS.title] || fields[FIELDS.caption] || store.name(i)).trim();
  };
  store.name = (i) => gallery.text.nameOf(store.path(i) || store.url(i)) || "picture";
  store.SIZE_NAMES = [
    ...SIZE_BANDS.map((limit, at) => (at ? `${SIZE_BANDS[at - 1]} to ${limit - 1} px` : `under ${limit} px`)),
    `${SIZE_BANDS[SIZE_BANDS.length - 1]} px and more`,
    "not known",
  ];

  gallery.store = store;
})();
