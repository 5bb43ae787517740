// What was not saved, by reason, and what can be done about it.
"use strict";

(() => {
  const { store, search, Lines } = gallery;
  const { element, number, plural, moment, webLink, plain, folded, decoded } = gallery.text;
  const PAGE = 50; // addresses that are shown at once

  const root = document.getElementById("failures");
  const chunks = new Map(); // by number: rows {url, status, reason, http, page, detail, found, date}
  let rows = [];
  let readFor = -1; // how many failures there were when they were last read
  let texts = null; // as they are searched
  let broken = 0;
  let reading = null;
  let sections = [];
  let isSearch = false;
  let terms = { wanted: [], unwanted: [] };

  const words = (slug) => plain(slug).replace(/-/g, " ");

  const rowsOf = (value) =>
    value.url.map((url, row) => {
      const get = (name) => (value[name] && value[name][row]) || "";
      return {
        url, status: get("status"), reason: Number(get("reason")) || 0, http: get("http"), page: get("page"),
        detail: get("detail"), found: get("found"), date: get("date"),
      };
    });

  /** Read all chunks that are not whole yet: in a running crawl the last one grows. */
  const read = async () => {
    const { failure_chunks: all, failures } = store.meta;
    broken = 0;
    for (const [place, count] of all) {
      if (chunks.has(place) && chunks.get(place).length === count) continue;
      const value = await store.failures(place);
      if (value && Array.isArray(value.url)) chunks.set(place, rowsOf(value));
      else broken += 1;
    }
    rows = all.flatMap(([place]) => chunks.get(place) || []);
    readFor = failures;
    texts = {
      rows: rows.length,
      words: Lines.of(rows.map((row) => folded(row.detail))),
      address: Lines.of(rows.map((row) => folded(`${decoded(row.page)} ${decoded(row.url)}`))),
    };
  };

  let fits = null; // how well each row fits the search; null without one, or if none does

  const item = (row) =>
    element(
      "li",
      {},
      webLink(row.url),
      element(
        "p",
        { className: "facts" },
        row.http ? element("span", { textContent: `HTTP ${Number(row.http)}` }) : null,
        row.date ? element("span", { textContent: moment(row.date) }) : null,
        row.found !== "" ? element("span", { textContent: plain(row.found) }) : null,
        row.page ? element("span", {}, "on ", webLink(row.page)) : null,
      ),
      row.detail && row.detail !== store.meta.reasons[row.reason]?.means ? element("p", { className: "said", textContent: plain(row.detail), dir: "auto" }) : null,
    );

  const fillSection = (section, from) => {
    const next = section.rows.slice(from, from + PAGE);
    section.list.append(...next.map(item));
    const left = section.rows.length - from - next.length;
    section.more.hidden = left <= 0;
    section.more.textContent = `Show ${number(Math.min(PAGE, left))} of ${number(left)} more`;
    return section.list.children[from];
  };

  const makeSection = (reason, at, isOpen) => {
    const own = rows.filter((row, place) => row.reason === at && (!isSearch || (fits !== null && fits[place] > 0)));
    const section = { rows: own, list: element("ol", { className: "urls" }), more: element("button", { type: "button", className: "button" }) };
    section.more.addEventListener("click", () => {
      const first = fillSection(section, section.list.children.length);
      const link = first && first.querySelector("a");
      if (link) link.focus();
    });
    section.node = element(
      "details",
      { className: "reason", open: isOpen, data: { reason: plain(reason.slug) } },
      element(
        "summary",
        {},
        element("span", { className: "count", textContent: number(own.length) }),
        element("span", { className: "slug", textContent: words(reason.slug) }),
        element("span", { className: "means", textContent: plain(reason.means || "") }),
      ),
      reason.do ? element("p", { className: "advice" }, element("b", { textContent: "What to do " }), plain(reason.do)) : null,
      section.list,
      section.more,
    );
    section.node.addEventListener("toggle", () => {
      if (section.node.open && !section.list.children.length) fillSection(section, 0);
    });
    if (isOpen) fillSection(section, 0);
    return section;
  };

  const show = () => {
    isSearch = terms.wanted.length + terms.unwanted.length > 0;
    fits = isSearch ? search.scores(terms, texts) : null;
    const open = new Set(sections.filter((section) => section.node.open).map((section) => section.node.dataset.reason));
    const reasons = store.meta.reasons.map((reason, at) => ({ reason, at })).sort((a, b) => b.reason.count - a.reason.count);
    sections = reasons
      .map(({ reason, at }) => makeSection(reason, at, open.has(plain(reason.slug)) || reasons.length === 1))
      .filter((section) => section.rows.length);
    const total = sections.reduce((sum, section) => sum + section.rows.length, 0);
    const parts = [];
    if (broken) parts.push(element("p", { className: "notice", textContent: `${plural(broken, "part")} of the failures can't be read. Make the gallery anew: image-crawler gallery DIR --fresh` }));
    if (!store.meta.failures) parts.push(element("p", { className: "empty", textContent: "Nothing failed: every picture that was found is here." }));
    else if (!total && isSearch) parts.push(element("p", { className: "empty", textContent: "No address among the failures has these words." }));
    root.replaceChildren(...parts, ...sections.map((section) => section.node));
    return { total, isSearch };
  };

  gallery.failureList = {
    /** Show those that the search means; returns how many. They are read when this is first called. */
    async open(typed) {
      terms = search.parsed(typed);
      if (readFor !== store.meta.failures && !reading) {
        if (!rows.length) root.replaceChildren(element("p", { className: "empty", textContent: "Reading …" }));
        reading = read().finally(() => (reading = null));
      }
      if (reading) await reading;
      return show();
    },
  };
})();
