// The grid: justified rows, of which only those near the window are in the document. Rows that leave it are used again
// for rows that come.
"use strict";

(() => {
  const { store, tiles, rows } = gallery;
  const { GAP, ratio, rowAt, rowOf } = rows;
  const { element, plural } = gallery.text;

  const OVERSCAN = 0.6; // windows above and below that are made ready
  const FAST_PX_PER_MS = 5; // pictures that fly by faster than anybody sees are not fetched
  const FAST_WINDOWS = 1.2; // from one frame to the next, as by the bar at the window's edge
  const SETTLED_MS = 90;
  const MOST_AWAY = 3; // rows out of sight that stay

  const root = document.getElementById("grid");
  const grid = { base: "#", active: 0 };
  let live = []; // rows in the document, by number: {number, node, tiles, head}
  const spareRows = [];
  const spareTiles = [];
  let isInOrder = true; // whether the document has the rows in their order
  let orderTimer = 0;
  let near = [0, 0]; // the rows near the window, when they were last looked at
  let deferred = [];
  let lastTop = null;
  let lastAt = 0;
  let timer = 0;
  let offset = 0; // of the grid from the page's top, in pixels

  const takeTile = () => spareTiles.pop() || tiles.make();

  const fillHead = (row, number) => {
    if (!rows.isHeaded(number)) {
      if (row.head) row.head.remove();
      row.head = null;
      return;
    }
    if (!row.head) {
      row.head = element("div", { className: "group-head", role: "rowheader" });
      row.node.prepend(row.head);
    }
    const { order } = rows;
    const { group, host, w, h } = store.columns;
    const start = rows.first(number);
    let end = start;
    const hosts = new Set();
    const sizes = new Set();
    while (end < order.length && group[order[end]] === group[order[start]]) {
      hosts.add(host[order[end]]);
      sizes.add(`${w[order[end]]}x${h[order[end]]}`);
      end += 1;
    }
    row.head.replaceChildren(
      element("b", { textContent: plural(end - start, "picture that looks alike", "pictures that look alike") }),
      element("span", {
        textContent: `${sizes.size === 1 ? "the same size" : plural(sizes.size, "size")}, ${hosts.size === 1 ? "one host" : plural(hosts.size, "host")}`,
      }),
    );
  };

  const fillRow = (row, number, isFast) => {
    const start = rows.first(number);
    const count = rows.first(number + 1) - start;
    const { order, width } = rows;
    row.number = number;
    row.node.style.transform = `translateY(${rows.top(number)}px)`;
    row.node.style.height = `${rows.whole(number)}px`;
    row.node.setAttribute("aria-rowindex", number + 1);
    fillHead(row, number);
    while (row.tiles.length > count) {
      const tile = row.tiles.pop();
      tile.cell.remove();
      spareTiles.push(tile);
    }
    while (row.tiles.length < count) {
      const tile = takeTile();
      row.tiles.push(tile);
      row.node.append(tile.cell);
    }
    let sum = 0;
    for (let at = 0; at < count; at += 1) sum += ratio(order[start + at]);
    const isFull = !rows.isGrouped && (rows.high(number) + 1) * sum + GAP * (count - 1) >= width - 1;
    let x = 0;
    for (let at = 0; at < count; at += 1) {
      const i = order[start + at];
      const left = Math.round(x);
      x += ratio(i) * (isFull ? (width - GAP * (count - 1)) / sum : rows.high(number));
      const right = isFull && at === count - 1 ? width : Math.round(x);
      x += GAP;
      const tile = row.tiles[at];
      const isOther = tile.i !== i;
      tiles.fill(tile, {
        i, left, position: start + at, width: right - left, height: rows.high(number),
        href: `${grid.base}image=${store.id(i)}`, hasCaption: rows.isGrouped,
      });
      tile.link.tabIndex = start + at === grid.active ? 0 : -1;
      if (isOther && isFast) deferred.push(tile);
      else if (isOther) tiles.show(tile);
    }
  };

  const flush = () => {
    timer = 0;
    const waiting = deferred;
    deferred = [];
    for (const tile of waiting) if (tile.cell.isConnected && !tile.image.getAttribute("src")) tiles.show(tile);
  };

  /**
   * Put the rows of the document in the order in which they are read, around the one that has the focus. Each move is a
   * layout, so this waits while the page scrolls.
   */
  const putInOrder = () => {
    if (isInOrder) return;
    isInOrder = true;
    const at = Math.max(0, live.findIndex((row) => row.node.contains(document.activeElement)));
    for (let next = at + 1; next < live.length; next += 1) {
      const before = live[next - 1].node;
      if (before.nextElementSibling !== live[next].node) before.after(live[next].node);
    }
    for (let next = at - 1; next >= 0; next -= 1) {
      const after = live[next + 1].node;
      if (after.previousElementSibling !== live[next].node) after.before(live[next].node);
    }
  };

  const orderSoon = () => {
    clearTimeout(orderTimer);
    orderTimer = setTimeout(putInOrder, SETTLED_MS);
  };

  /** Put the rows near the window into the document, and take others out; *isScroll*: because it has scrolled. */
  const render = (isAnew = false, isScroll = false) => {
    const view = window.innerHeight;
    const y = window.scrollY - offset;
    const now = performance.now();
    const moved = lastTop === null ? 0 : Math.abs(y - lastTop);
    const isFast = moved > view * FAST_WINDOWS || (moved > 0 && moved > (now - lastAt) * FAST_PX_PER_MS);
    lastTop = y;
    lastAt = now;
    let from = 0;
    let to = 0;
    if (rows.count && y + view * (1 + OVERSCAN) > 0) {
      from = rowAt(Math.max(0, y - view * OVERSCAN));
      to = rowAt(Math.max(0, y + view * (1 + OVERSCAN))) + 1;
    }
    const isSame = from === near[0] && to === near[1];
    near = [from, to];
    if (isScroll && isSame && !isFast && !deferred.length) {
      if (!isInOrder) orderSoon();
      return;
    }
    const focused = document.activeElement && root.contains(document.activeElement) ? document.activeElement : null;
    const kept = [];
    const away = []; // still in the document, where they were: the next that are used, the farthest first
    for (const row of live) {
      const isInside = row.number >= from && row.number < to;
      if (row.number < rows.count && (isInside || (focused && row.node.contains(focused)))) {
        kept.push(row);
        if (isAnew) fillRow(row, row.number, isFast);
      } else away.push(row);
    }
    away.sort((a, b) => Math.abs(b.number - from) - Math.abs(a.number - from));
    const there = new Set(kept.map((row) => row.number));
    for (let number = from; number < to; number += 1) {
      if (there.has(number)) continue;
      const row = away.shift() || spareRows.pop() || { number, node: element("div", { className: "row", role: "row" }), tiles: [], head: null };
      fillRow(row, number, isFast);
      if (row.node.parentNode !== root) root.append(row.node);
      kept.push(row);
      isInOrder = false;
    }
    // To take a row out and put it in again is a layout of all of it: a few that are out of sight stay until they are used
    while (away.length && !isAnew && !isFast && away.length <= MOST_AWAY && away[away.length - 1].number < rows.count) kept.push(away.pop());
    for (const row of away) {
      row.node.remove();
      spareRows.push(row);
    }
    live = kept.sort((a, b) => a.number - b.number);
    if (isScroll && !isFast) orderSoon();
    else putInOrder();
    if (isFast || deferred.length) {
      clearTimeout(timer);
      timer = setTimeout(flush, SETTLED_MS);
    }
  };

  const measure = () => {
    rows.width = root.clientWidth;
    offset = root.getBoundingClientRect().top + window.scrollY;
  };

  const resized = () => {
    root.style.height = `${Math.ceil(rows.height())}px`;
    root.setAttribute("aria-rowcount", rows.count);
  };

  /** The picture at the window's upper edge and how far it is scrolled: what has to stay where it is. */
  const anchor = () => {
    const y = window.scrollY - offset + grid.inset();
    if (y <= 0 || !rows.count) return null;
    const row = rowAt(y);
    return { i: rows.order[rows.first(row)], by: y - rows.top(row) };
  };

  const restore = (kept) => {
    if (!kept) return;
    const position = rows.order.indexOf(kept.i);
    if (position < 0 || position >= rows.shown) return;
    window.scrollTo({ top: rows.top(rowOf(position)) + kept.by + offset - grid.inset(), behavior: "instant" });
  };

  const toolbar = document.getElementById("toolbar");
  /** Pixels of the window that the toolbar covers once it sticks; on a small screen its upper part scrolls away. */
  grid.inset = () => {
    const { position, top } = getComputedStyle(toolbar);
    return position === "sticky" ? toolbar.offsetHeight + parseFloat(top) : 0;
  };

  /**
   * Show the pictures of *order*. With *isMore* it goes on where the former order ended, and nothing moves. Else *keep*
   * says whether the picture at the upper edge stays there; if not, the window goes to the top of the grid.
   */
  grid.show = (order, { groups = false, total = order.length, isMore = false, keep = false } = {}) => {
    const before = rows.order.length;
    const held = keep && !isMore ? anchor() : null;
    const active = rows.order[grid.active];
    rows.order = order;
    rows.expected = total;
    measure();
    rows.isGrouped = groups;
    if (isMore && before && rows.count) rows.layOut(rows.count - 1);
    else {
      rows.layOut(0);
      const position = keep && active !== undefined ? order.indexOf(active) : 0;
      grid.active = Math.max(0, position);
    }
    resized();
    if (held) restore(held);
    // tiles hold numbers of images: those that stay keep their pictures
    render(true);
  };

  grid.fit = () => {
    const width = root.clientWidth;
    const held = anchor();
    const isSame = width === rows.width;
    measure();
    if (isSame || !width) {
      render();
      return;
    }
    rows.layOut(0);
    resized();
    restore(held);
    render(true);
  };

  /** Scroll until the picture at *position* is in the window, below the toolbar. */
  grid.reveal = (position) => {
    if (!rows.shown) return;
    const row = rowOf(Math.min(position, rows.shown - 1));
    const upper = rows.top(row) + offset - grid.inset() - GAP;
    const lower = rows.top(row) + offset + rows.whole(row) + GAP - window.innerHeight;
    if (window.scrollY > upper) window.scrollTo({ top: upper, behavior: "instant" });
    else if (window.scrollY < lower) window.scrollTo({ top: lower, behavior: "instant" });
    render();
  };

  const tileAt = (position) => {
    for (const row of live) for (const tile of row.tiles) if (tile.position === position) return tile;
    return null;
  };

  /** Give the picture at *position* the focus, wherever it is. */
  grid.focus = (position) => {
    if (!rows.shown) return;
    const wanted = Math.min(Math.max(0, position), rows.shown - 1);
    const old = tileAt(grid.active);
    if (old) old.link.tabIndex = -1;
    grid.active = wanted;
    grid.reveal(wanted);
    const tile = tileAt(wanted);
    if (!tile) return;
    tile.link.tabIndex = 0;
    tile.link.focus({ preventScroll: true });
    render(); // the row that had the focus may go now
  };

  /** The first picture that is wholly in the window. */
  grid.firstVisible = () => {
    const y = window.scrollY - offset + grid.inset();
    const row = rowAt(Math.max(0, y));
    return rows.first(rows.top(row) < y - 1 && row + 1 < rows.count ? row + 1 : row);
  };

  grid.rowsInWindow = () => Math.max(1, Math.floor((window.innerHeight - grid.inset()) / (rows.rowHeight(rows.width) + GAP)) - 1);

  let isAsked = false;
  const ask = () => {
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(() => {
      isAsked = false;
      if (!root.hidden) render(false, true);
    });
  };
  window.addEventListener("scroll", ask, { passive: true });
  new ResizeObserver(() => {
    if (!root.hidden) grid.fit();
  }).observe(document.getElementById("main"));
  window.addEventListener("resize", ask);

  const tileOf = (target) => {
    const cell = target instanceof Element ? target.closest(".cell") : null;
    if (!cell) return null;
    for (const row of live) for (const tile of row.tiles) if (tile.cell === cell) return tile;
    return null;
  };
  grid.tileOf = tileOf;
  root.addEventListener("pointerover", (event) => {
    const tile = event.pointerType === "mouse" ? tileOf(event.target) : null;
    if (tile && !rows.isGrouped) tiles.label(tile);
  });
  root.addEventListener("focusin", (event) => {
    const tile = tileOf(event.target);
    if (!tile) return;
    const old = tileAt(grid.active);
    if (old && old !== tile) old.link.tabIndex = -1;
    grid.active = tile.position;
    tile.link.tabIndex = 0;
    if (!rows.isGrouped) tiles.label(tile);
  });

  grid.root = root;
  grid.remeasure = measure;
  gallery.grid = grid;
})();
