// From all pictures to those that are shown, in their order, and the counts beside the filters.
"use strict";

(() => {
  const { store, search } = gallery;

  const SORTS = {
    order: "as saved",
    fit: "best match",
    newest: "newest first",
    oldest: "oldest first",
    heavy: "largest file",
    light: "smallest file",
    large: "most pixels",
    small: "fewest pixels",
    name: "name",
    host: "host",
  };

  /** The filters that are lists of boxes: the column, and the names of its values. */
  const FACETS = [
    { key: "host", label: "Host", column: "host", names: () => store.meta.hosts },
    { key: "format", label: "Format", column: "format", names: () => store.meta.formats },
    { key: "size", label: "Longer side", column: "band", names: () => store.SIZE_NAMES, isOrdered: true },
    { key: "found_in", label: "Found in", column: "found", names: () => store.meta.found_in },
    { key: "refreshed", label: "Since the last crawl", column: "revisit", names: () => store.meta.revisits },
    { key: "status", label: "Status", column: "status", names: () => store.meta.statuses },
  ];

  const WARM_CHUNKS = 8;
  const NO_CHOICE = Object.freeze({ q: "", facets: {}, from: "", to: "", sort: "", tab: "" });

  const dayStart = (text) => (/^\d{4}-\d\d-\d\d$/.test(text) ? new Date(`${text}T00:00:00`).getTime() / 1000 : NaN);

  /** For each facet which of its values are chosen, or null where none is; and the days, in seconds. */
  const chosen = (choice) => ({
    sets: FACETS.map(({ key, names }) => {
      const wanted = choice.facets[key];
      if (!wanted || !wanted.length) return null;
      return Uint8Array.from(names(), (name) => (wanted.includes(name || "none") ? 1 : 0));
    }),
    from: choice.from ? dayStart(choice.from) : -Infinity,
    to: choice.to ? dayStart(choice.to) + 86400 : Infinity,
  });

  // Used again for each search
  let fitOf = new Uint16Array(0); // how well each row fits
  let order = new Uint32Array(0); // the rows that do

  const reserve = (rows) => {
    if (rows <= order.length) return;
    fitOf = new Uint16Array(rows);
    order = new Uint32Array(rows);
  };

  /**
   * Apply *choice* to all rows that are there: {order, counts, total, span}. A picture counts beside a filter's value if
   * all other filters let it pass: that is what one would see.
   */
  const apply = (choice, chunks = store.texts) => {
    const { columns, count } = store;
    const terms = search.parsed(choice.q);
    const isSearch = terms.wanted.length + terms.unwanted.length > 0;
    const { sets, from, to } = chosen(choice);
    const values = FACETS.map(({ column }) => columns[column]);
    const counts = FACETS.map(({ names }) => new Uint32Array(Math.max(1, names().length)));
    const hasFilters = sets.some((set) => set !== null);
    const onlyAlike = choice.tab === "alike";
    reserve(columns.w.length);
    let length = 0;
    for (const texts of chunks) {
      if (!texts || texts.first >= count || texts.isBroken) continue;
      const { first } = texts;
      const end = Math.min(count, first + texts.rows);
      if (isSearch) {
        if (search.scores(terms, texts, fitOf.subarray(first, first + texts.rows)) === null) continue;
      }
      const { date, group } = columns;
      for (let i = first; i < end; i += 1) {
        if (isSearch && !fitOf[i]) continue;
        if (onlyAlike && group[i] === 0) continue;
        if (!(date[i] >= from && date[i] < to)) continue;
        if (hasFilters) {
          let failed = -1; // the one facet that rules it out; -2 if there are several
          for (let f = 0; f < sets.length; f += 1) {
            if (sets[f] !== null && !sets[f][values[f][i]]) failed = failed === -1 ? f : -2;
          }
          if (failed >= 0) counts[failed][values[failed][i]] += 1;
          if (failed !== -1) continue;
        }
        order[length] = i;
        length += 1;
      }
    }
    const found = order.subarray(0, length);
    values.forEach((column, f) => countAll(counts[f], column, found));
    return { order: sort(found, choice, isSearch ? fitOf : null), counts, total: length, isSearch };
  };

  /** Search a few chunks for nothing: a browser compiles what it has run, and the first letter that is typed is as fast as others. */
  const warmUp = () => {
    for (const q of ["e", "e -q", "e e"]) apply({ ...NO_CHOICE, q }, store.texts.slice(0, WARM_CHUNKS));
  };

  const countAll = (sums, column, order) => {
    for (let at = 0; at < order.length; at += 1) sums[column[order[at]]] += 1;
  };

  const byNumber = (order, key, sign) => order.sort((a, b) => sign * (key[a] - key[b]) || a - b);

  /** The highest score first. Scores are few small numbers: counted, not compared. */
  const byScore = (order, scores) => {
    let highest = 0;
    for (let at = 0; at < order.length; at += 1) highest = Math.max(highest, scores[order[at]]);
    const starts = new Uint32Array(highest + 2);
    for (let at = 0; at < order.length; at += 1) starts[highest - scores[order[at]] + 1] += 1;
    for (let at = 1; at < starts.length; at += 1) starts[at] += starts[at - 1];
    const sorted = new Uint32Array(order.length);
    for (let at = 0; at < order.length; at += 1) {
      const i = order[at];
      const kind = highest - scores[i];
      sorted[starts[kind]] = i;
      starts[kind] += 1;
    }
    return sorted;
  };

  let names = null; // rank of each row by its name

  const nameRanks = () => {
    if (names && names.length === store.count) return names;
    const keys = new Array(store.count);
    for (let i = 0; i < store.count; i += 1) {
      // 9 before 10, as people count
      keys[i] = store.name(i).toLowerCase().replace(/\d+/g, (digits) => digits.padStart(12, "0"));
    }
    const rows = Uint32Array.from(keys, (_, i) => i).sort((a, b) => (keys[a] < keys[b] ? -1 : keys[a] > keys[b] ? 1 : a - b));
    names = new Uint32Array(store.count);
    rows.forEach((row, rank) => (names[row] = rank));
    return names;
  };

  const hostRanks = () => {
    const hosts = store.meta.hosts;
    const sorted = hosts.map((_, at) => at).sort((a, b) => (hosts[a] < hosts[b] ? -1 : 1));
    const ranks = new Uint32Array(hosts.length);
    sorted.forEach((host, rank) => (ranks[host] = rank));
    return Float64Array.from({ length: store.count }, (_, i) => ranks[store.columns.host[i]] || 0);
  };

  const areas = () => Float64Array.from({ length: store.count }, (_, i) => store.columns.w[i] * store.columns.h[i]);

  const sort = (found, choice, scores) => {
    const { columns } = store;
    const way = effectiveSort(choice, scores !== null);
    if (way === "fit" && scores && choice.tab !== "alike") return byScore(found, scores);
    const order = found.slice();
    if (choice.tab === "alike") {
      // look-alikes stand beside each other, the largest first
      const area = areas();
      return order.sort((a, b) => columns.group[a] - columns.group[b] || area[b] - area[a] || a - b);
    }
    switch (way) {
      case "newest": return byNumber(order, columns.date, -1);
      case "oldest": return byNumber(order, columns.date, 1);
      case "heavy": return byNumber(order, columns.bytes, -1);
      case "light": return byNumber(order, columns.bytes, 1);
      case "large": return byNumber(order, areas(), -1);
      case "small": return byNumber(order, areas(), 1);
      case "name": return byNumber(order, nameRanks(), 1);
      case "host": return byNumber(order, hostRanks(), 1);
      default: return order;
    }
  };

  /** What was chosen, else the best match first in a search, else as saved. */
  const effectiveSort = (choice, isSearch) => choice.sort || (isSearch ? "fit" : "order");

  const isPlain = (choice) =>
    !choice.q.trim() && !choice.from && !choice.to && Object.values(choice.facets).every((values) => !values.length);

  gallery.query = { SORTS, FACETS, NO_CHOICE, apply, warmUp, effectiveSort, isPlain };
})();
