// The drawer of filters, and the chips of those that are in use.
"use strict";

(() => {
  const { store, address } = gallery;
  const { FACETS } = gallery.query;
  const { element, icon, number } = gallery.text;
  const FEW = 7; // values that are shown of a long list at first
  const MANY = 200; // ... and at most
  const DAY_S = 86400;
  const FIND_FROM = 15; // values from which on there is a field to find one

  const root = document.getElementById("filters");
  const button = document.getElementById("filter-button");
  const badge = document.getElementById("filter-count");
  const chips = document.getElementById("chips");
  const narrow = window.matchMedia("(max-width: 899px)");
  const WORDS = {
    saved: "saved", duplicate: "same file as another", none: "not compared", new: "new", unchanged: "unchanged",
    changed: "changed", gone: "gone", failed: "not reached",
  };

  const key = (name) => name || "none";
  const shown = (facet, name) => {
    if (facet.key === "status" || facet.key === "refreshed") return WORDS[key(name)] || name;
    if (facet.key === "format") return name ? name.toUpperCase() : "not known";
    return name || "not known";
  };

  let views = []; // {facet, box, list, rows, isOpen, wanted}
  let days = null;
  let isStale = false; // what is in the closed drawer; it is written when it opens, not for each letter that is typed

  const selected = (facet) => address.choice.facets[facet.key] || [];

  const toggle = (facet, name, isOn) => {
    const before = selected(facet).filter((value) => value !== key(name));
    const values = isOn ? [...before, key(name)] : before;
    address.change({ facets: { ...address.choice.facets, [facet.key]: values } });
  };

  /** How many rows have each value, whatever is chosen: the lists keep this order. */
  const totals = (facet) => {
    const sums = new Uint32Array(Math.max(1, facet.names().length));
    const column = store.columns[facet.column];
    for (let i = 0; i < store.count; i += 1) sums[column[i]] += 1;
    return sums;
  };

  const makeRow = (view, value) => {
    const { facet } = view;
    const name = facet.names()[value];
    const box = element("input", { type: "checkbox" });
    box.addEventListener("change", () => toggle(facet, name, box.checked));
    const count = element("span", { className: "count" });
    const row = element(
      "label",
      { className: "value" },
      box,
      element("span", { className: "name", textContent: gallery.text.plain(shown(facet, name)), dir: "auto" }),
      count,
    );
    return { row, box, count, name };
  };

  /** Which values are listed: those of most pictures, those that are chosen, and those that were looked for. */
  const list = (view) => {
    const { facet, sums } = view;
    const names = facet.names();
    const chosen = selected(facet);
    let values = Array.from(sums.keys()).filter((value) => sums[value] > 0 || chosen.includes(key(names[value])));
    if (!facet.isOrdered) values.sort((a, b) => sums[b] - sums[a] || (names[a] < names[b] ? -1 : 1));
    const all = values.length;
    if (view.wanted) values = values.filter((value) => shown(facet, names[value]).toLowerCase().includes(view.wanted));
    const limit = view.isOpen || view.wanted || facet.isOrdered ? MANY : FEW;
    values = values.filter((value, at) => at < limit || chosen.includes(key(names[value])));
    for (const value of values) if (!view.rows.has(value)) view.rows.set(value, makeRow(view, value));
    const nodes = values.map((value) => view.rows.get(value).row);
    if (nodes.length !== view.list.children.length || nodes.some((node, at) => view.list.children[at] !== node)) {
      view.list.replaceChildren(...nodes);
    }
    view.box.hidden = all < 2 && chosen.length === 0;
    view.more.hidden = all <= FEW || facet.isOrdered || Boolean(view.wanted);
    view.more.textContent = view.isOpen ? "Show fewer" : `Show all ${number(all)}`;
    view.find.hidden = all < FIND_FROM;
  };

  const makeView = (facet) => {
    const view = { facet, rows: new Map(), isOpen: false, wanted: "", sums: totals(facet) };
    view.list = element("div", { className: "values" });
    view.find = element("input", {
      type: "search", className: "find", placeholder: "Find", autocomplete: "off",
      "aria-label": `Find in ${facet.label.toLowerCase()}`,
    });
    view.find.addEventListener("input", () => {
      view.wanted = view.find.value.trim().toLowerCase();
      list(view);
      count();
    });
    view.more = element("button", { type: "button", className: "plain" });
    view.more.addEventListener("click", () => {
      view.isOpen = !view.isOpen;
      list(view);
      count();
    });
    view.box = element(
      "fieldset", { data: { facet: facet.key } }, element("legend", { textContent: facet.label }), view.find, view.list, view.more,
    );
    return view;
  };

  const makeDays = () => {
    const input = (name, label) => {
      const made = element("input", { type: "date" });
      made.addEventListener("change", () => address.change({ [name]: made.value }));
      return { made, row: element("label", { className: "day" }, element("span", { textContent: label }), made) };
    };
    const from = input("from", "From");
    const to = input("to", "To");
    const box = element("fieldset", { data: { facet: "date" } }, element("legend", { textContent: "Saved on" }), from.row, to.row);
    return { box, from: from.made, to: to.made, spanS: 0 };
  };

  const clear = () => address.change({ facets: {}, from: "", to: "" });

  /** Make the lists for what has been read so far. */
  const build = () => {
    const isFirst = views.length === 0;
    if (isFirst) {
      views = FACETS.map(makeView);
      days = makeDays();
      const close = element("button", { type: "button", className: "button only-icon", "aria-label": "Close the filters" }, icon("close"));
      close.addEventListener("click", () => open(false));
      const all = element("button", { type: "button", className: "plain", textContent: "Clear all", id: "clear-filters" });
      all.addEventListener("click", clear);
      root.replaceChildren(
        element("header", {}, element("h2", { textContent: "Filters" }), all, close),
        ...views.map((view) => view.box),
        days.box,
      );
    }
    for (const view of views) view.sums = totals(view.facet);
    const { date } = store.columns;
    let low = Infinity;
    let high = 0;
    for (let i = 0; i < store.count; i += 1) {
      if (!date[i]) continue;
      low = Math.min(low, date[i]);
      high = Math.max(high, date[i]);
    }
    days.spanS = high - low;
    write();
  };

  let counts = null;

  /** Write the counts of the last query beside the values. */
  const count = () => {
    if (!counts) return;
    views.forEach((view, f) => {
      const chosen = selected(view.facet);
      for (const [value, row] of view.rows) {
        const found = counts[f][value] || 0;
        row.count.textContent = number(found);
        row.row.classList.toggle("is-none", found === 0);
        row.box.checked = chosen.includes(key(row.name));
      }
    });
    if (days) {
      days.box.hidden = !(days.spanS > DAY_S) && !address.choice.from && !address.choice.to;
      days.from.value = address.choice.from;
      days.to.value = address.choice.to;
    }
  };

  /** Write lists and counts. */
  const write = () => {
    isStale = !isOpen();
    if (isStale) return;
    for (const view of views) list(view);
    count();
  };

  const used = (choice) => {
    const found = [];
    for (const facet of FACETS) {
      for (const value of choice.facets[facet.key] || []) {
        const name = value === "none" ? "" : value;
        found.push({
          text: shown(facet, name),
          label: facet.label,
          drop: () => toggle(facet, name, false),
        });
      }
    }
    if (choice.from) found.push({ text: `from ${choice.from}`, label: "Saved on", drop: () => address.change({ from: "" }) });
    if (choice.to) found.push({ text: `until ${choice.to}`, label: "Saved on", drop: () => address.change({ to: "" }) });
    return found;
  };

  const showChips = () => {
    const found = used(address.choice);
    badge.hidden = found.length === 0;
    badge.textContent = number(found.length);
    button.classList.toggle("is-on", found.length > 0);
    chips.hidden = found.length === 0;
    const buttons = found.map(({ text, label, drop }) => {
      const chip = element(
        "button",
        { type: "button", className: "chip", "aria-label": `Remove the filter: ${label}, ${gallery.text.plain(text)}` },
        element("span", { textContent: gallery.text.plain(text), dir: "auto" }),
        icon("close"),
      );
      chip.addEventListener("click", () => {
        const at = buttons.indexOf(chip);
        drop();
        const left = chips.querySelectorAll("button");
        (left[Math.min(at, left.length - 1)] || button).focus();
      });
      return chip;
    });
    chips.replaceChildren(...buttons.map((chip) => element("li", {}, chip)));
  };

  const isOpen = () => !root.hidden;

  /** On a narrow window the drawer lies over the page, and the rest is out of reach while it is open. */
  const fence = () => {
    const isOver = isOpen() && narrow.matches;
    document.documentElement.classList.toggle("has-drawer", isOver);
    for (const id of ["main", "toolbar"]) document.getElementById(id).inert = isOver;
    document.querySelector(".masthead").inert = isOver;
  };

  const open = (wanted, { focus = true } = {}) => {
    if (wanted === isOpen()) return;
    const hadFocus = root.contains(document.activeElement);
    root.hidden = !wanted;
    if (isStale) write();
    button.setAttribute("aria-expanded", String(wanted));
    fence();
    if (!narrow.matches) gallery.storage.keep("filters", wanted ? "open" : "");
    if (wanted && focus) root.focus({ preventScroll: true });
    else if (!wanted && (hadFocus || narrow.matches)) button.focus({ preventScroll: true });
  };

  button.addEventListener("click", () => open(!isOpen()));
  narrow.addEventListener("change", fence);
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    open(false);
  });

  gallery.filters = {
    build,
    clear,
    open,
    get isOpen() {
      return isOpen();
    },
    show(found) {
      counts = found;
      write();
      showChips();
    },
    restore() {
      if (gallery.storage.kept("filters") === "open" && !narrow.matches) open(true, { focus: false });
    },
  };
})();
