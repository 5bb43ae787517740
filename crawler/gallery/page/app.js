// The page as a whole: what is chosen, what is shown of it, and what is said about it.
"use strict";

(() => {
  const { store, address, query, rows, grid, filters, failureList, view, theme } = gallery;
  const { element, number, plural, bytes, moment, plain } = gallery.text;
  const SHOWN_ARRIVED_MS = 8000;
  const REFRESH_MS = 200; // between two looks at all rows while they are read

  const byId = (id) => document.getElementById(id);
  const search = byId("search");
  const sort = byId("sort");
  const countLine = byId("count");
  const notice = byId("notice");
  const arrived = byId("arrived");
  const failuresRoot = byId("failures");

  let shown = null; // the choice that the grid shows
  let found = null; // what the last query gave

  const tileBase = (choice) => {
    const fragment = address.written({ ...choice, image: null });
    return fragment === "#" ? "#" : `${fragment}&`;
  };

  const sameList = (a, b) =>
    a !== null && a.q === b.q && a.from === b.from && a.to === b.to && a.sort === b.sort && a.tab === b.tab &&
    JSON.stringify(a.facets) === JSON.stringify(b.facets);

  const isInOrder = (choice) => query.isPlain(choice) && choice.tab === "" && query.effectiveSort(choice, false) === "order";

  /** Work out what *choice* shows. *isMore*: rows were added; what is on the screen does not move. */
  const refresh = (choice, { isMore = false, keep = false } = {}) => {
    if (!store.meta) return;
    if (choice.tab === "failures") grid.root.hidden = true;
    failuresRoot.hidden = choice.tab !== "failures";
    byId("filter-button").hidden = choice.tab === "failures";
    sort.parentElement.hidden = choice.tab !== "";
    if (choice.tab === "failures") filters.open(false, { focus: false });
    if (choice.tab === "failures") {
      showFailures(choice);
      return;
    }
    found = query.apply(choice);
    grid.root.hidden = found.total === 0;
    const canAppend = isMore && shown !== null && isInOrder(choice) && sameList(shown, choice);
    grid.base = tileBase(choice);
    grid.show(found.order, {
      groups: choice.tab === "alike",
      total: isInOrder(choice) ? store.meta.images : found.total,
      isMore: canAppend,
      keep: isMore || keep,
    });
    shown = choice;
    filters.show(found.counts);
    say(choice);
    view.renew();
  };

  const showFailures = async (choice) => {
    shown = choice;
    notice.hidden = true;
    filters.show(found ? found.counts : query.apply(query.NO_CHOICE).counts);
    byId("chips").hidden = true;
    const { total, isSearch } = await failureList.open(choice.q);
    if (address.choice.tab !== "failures") return;
    countLine.textContent = isSearch ? `${number(total)} of ${plural(store.meta.failures, "failure")}` : plural(store.meta.failures, "address", "addresses") + " not saved";
  };

  const say = (choice) => {
    const { meta, count } = store;
    const all = choice.tab === "alike" ? alikeCount() : meta.images;
    const isAll = found.total === all || (isInOrder(choice) && !store.isWhole);
    let text = isAll ? plural(all, "picture") : `${number(found.total)} of ${plural(all, "picture")}`;
    if (!store.isWhole && count < meta.images && !isInOrder(choice)) text += `; ${number(count)} read so far`;
    if (choice.tab === "alike" && found.total) text += ` in ${plural(groupCount(), "group")}`;
    if (rows.isCut) text += `; the first ${number(rows.shown)} are shown`;
    countLine.textContent = text;
    notice.replaceChildren(...noticed(choice));
    notice.hidden = !notice.firstChild;
  };

  const groupCount = () => new Set(found.order.map((i) => store.columns.group[i])).size;

  let alikeKnown = [-1, 0];
  const alikeCount = () => {
    if (alikeKnown[0] !== store.count) {
      let sum = 0;
      for (let i = 0; i < store.count; i += 1) if (store.columns.group[i]) sum += 1;
      alikeKnown = [store.count, sum];
    }
    return alikeKnown[1];
  };

  /** What stands in place of pictures, or above them when something is wrong. */
  const noticed = (choice) => {
    const parts = [];
    const { meta, broken } = store;
    if (broken.length) {
      parts.push(element("p", { textContent: `${plural(broken.length, "part")} of the data can't be read, so pictures are missing here. Make the gallery anew: image-crawler gallery DIR --fresh` }));
    }
    if (found.total || (!store.isWhole && meta.images)) return parts;
    if (!meta.images) {
      parts.push(element("h2", { textContent: meta.live ? "No picture so far" : "No picture was saved" }));
      parts.push(element("p", { textContent: meta.live ? "Those that the crawl saves appear here." : meta.failures ? "The failures say why, and what can be done." : "The crawl found none. image-crawler inspect DIR says what it has seen." }));
      if (meta.failures) parts.push(element("a", { className: "button", href: "#tab=failures", textContent: `See the ${plural(meta.failures, "failure")}` }));
      return parts;
    }
    if (choice.tab === "alike" && query.isPlain(choice)) {
      parts.push(element("h2", { textContent: "No look-alikes" }));
      parts.push(element("p", { textContent: "No two of the pictures look alike." }));
      return parts;
    }
    parts.push(element("h2", { textContent: "No picture fits" }));
    const filtersInUse = !query.isPlain({ ...choice, q: "" });
    const why = choice.q && filtersInUse ? "No picture has these words and passes the filters." : choice.q ? "No picture has these words, neither in its texts nor in its address." : "No picture passes all of the filters.";
    parts.push(element("p", { textContent: why }));
    const clear = element("button", { type: "button", className: "button", textContent: "Show all pictures" });
    clear.addEventListener("click", () => {
      address.change({ q: "", facets: {}, from: "", to: "" });
      search.focus();
    });
    parts.push(clear);
    return parts;
  };

  const showTabs = () => {
    const { meta } = store;
    const counts = { "": meta.images, alike: alikeCount(), failures: meta.failures };
    for (const link of byId("tabs").querySelectorAll("a")) {
      const { tab } = link.dataset;
      if (address.choice.tab === tab) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
      link.querySelector(".count").textContent = number(counts[tab] || 0);
      link.hidden = tab !== "" && !counts[tab] && address.choice.tab !== tab;
    }
  };

  const showMeta = () => {
    const { meta } = store;
    const title = plain(meta.title || "Gallery");
    document.title = title;
    byId("title").textContent = title;
    const parts = [plural(meta.images, "picture"), bytes(meta.bytes), plural(meta.hosts.length, "host")];
    const when = Date.parse(meta.made_at);
    const state = meta.live ? (store.contact ? `live: crawl ${plain(meta.state || "running")}` : "the server is away") : meta.state ? `crawl ${plain(meta.state)}` : "";
    byId("summary").replaceChildren(
      element("span", { className: meta.live ? (store.contact ? "state is-live" : "state is-away") : "state", textContent: state }),
      ...parts.filter(Boolean).map((text) => element("span", { textContent: text })),
      when && !meta.live ? element("span", { textContent: `made ${moment(when / 1000)}` }) : "",
    );
  };

  const showSorts = () => {
    const isSearch = address.choice.q.trim() !== "";
    const wanted = Object.entries(query.SORTS).filter(([name]) => name !== "fit" || isSearch);
    if (sort.options.length !== wanted.length) {
      sort.replaceChildren(...wanted.map(([value, textContent]) => element("option", { value, textContent })));
    }
    sort.value = query.effectiveSort(address.choice, isSearch);
  };

  const openImage = (id) => {
    const i = id === null ? -1 : store.row(id);
    if (id === null) view.show(null);
    else if (i >= 0 && i < store.count && store.url(i)) view.show(i);
    else if (store.isWhole) address.change({ image: null }, { isStep: false });
    // else it is not read yet: "rows" comes back here
  };

  address.onChange((choice, before) => {
    if (!store.meta) return;
    if (document.activeElement !== search) search.value = choice.q;
    if (!sameList(shown, choice)) {
      if (choice.tab !== before.tab || choice.q !== before.q || choice.sort !== before.sort) toTop();
      refresh(choice, { keep: false });
    }
    grid.base = tileBase(choice);
    showTabs();
    showSorts();
    openImage(choice.image);
  });

  /** Up to where the toolbar sticks, if the window is below: what is new begins there. */
  const toTop = () => {
    const top = byId("columns").getBoundingClientRect().top + window.scrollY - grid.inset();
    if (window.scrollY > top) window.scrollTo({ top, behavior: "instant" });
  };

  let typing = 0;
  search.addEventListener("input", () => {
    cancelAnimationFrame(typing);
    typing = requestAnimationFrame(() => address.change({ q: search.value, image: null }, { isStep: false }));
  });
  byId("search-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (rows.shown && !grid.root.hidden) grid.focus(grid.firstVisible());
  });
  sort.addEventListener("change", () => {
    const isSearch = address.choice.q.trim() !== "";
    const usual = query.effectiveSort({ sort: "" }, isSearch);
    address.change({ sort: sort.value === usual ? "" : sort.value });
  });
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault();
    if (rows.shown && !grid.root.hidden) grid.focus(0);
    else byId("main").focus();
  });

  // Followed here, so that going back is known to stay in this page.
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a[href^='#']") : null;
    if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    const tile = grid.tileOf(link);
    if (tile) address.change({ image: store.id(tile.i) });
    else {
      const wanted = new URLSearchParams(link.hash.slice(1));
      address.change({ tab: wanted.get("tab") || "", image: null });
    }
  });

  const THEMES = { auto: "as the system", light: "light", dark: "dark" };
  const themeButton = byId("theme");
  const showTheme = () => {
    themeButton.setAttribute("aria-label", `Colours: ${THEMES[theme.name]}`);
    themeButton.title = `Colours: ${THEMES[theme.name]}`;
  };
  themeButton.addEventListener("click", () => {
    theme.turn();
    showTheme();
  });

  let refreshedAt = 0;
  let before = 0; // pictures that were there when the crawl was last looked at
  let hiding = 0;
  const sayArrived = () => {
    const fresh = store.count - before;
    before = store.count;
    if (!store.meta.live || fresh <= 0) return;
    arrived.textContent = `${plural(fresh, "new picture")} ↓`;
    arrived.hidden = false;
    clearTimeout(hiding);
    hiding = setTimeout(() => (arrived.hidden = true), SHOWN_ARRIVED_MS);
  };
  arrived.addEventListener("click", () => {
    arrived.hidden = true;
    grid.focus(rows.order.indexOf(store.count - 1) >= 0 ? rows.order.indexOf(store.count - 1) : rows.shown - 1);
  });

  store.onChange((what) => {
    if (what === "rows" || what === "whole" || what === "nothing") gallery.started();
    if (what === "nothing") {
      notice.hidden = false;
      notice.replaceChildren(
        element("h2", { textContent: "There are no data here" }),
        element("p", { textContent: "The folder data/ is missing beside this page, or made by another version. Make it anew: image-crawler gallery DIR --fresh" }),
      );
      return;
    }
    if (what === "rows" && shown && performance.now() - refreshedAt < REFRESH_MS) return;
    showMeta();
    if (what === "contact") return;
    showSorts();
    showTabs();
    if (what === "meta") {
      if (store.isWhole) {
        sayArrived();
        if (address.choice.tab === "failures") refresh(address.choice);
      }
      return;
    }
    if (address.choice.tab === "failures" && shown) {
      if (what === "whole") showTabs();
    } else refresh(address.choice, { isMore: true });
    if (what === "whole") {
      if (!before) before = store.count;
      if (window.requestIdleCallback) window.requestIdleCallback(query.warmUp);
      filters.build();
    }
    openImage(address.choice.image);
    refreshedAt = performance.now();
  });

  gallery.app = {
    searchFor(text) {
      search.value = text;
      address.change({ q: text, image: null }, { isStep: false });
    },
    showAlike(i) {
      address.change({ tab: "alike", q: "", facets: {}, from: "", to: "", image: null });
      const position = rows.order.indexOf(i);
      if (position >= 0) grid.focus(position);
    },
  };

  history.scrollRestoration = "manual";
  showTheme();
  address.follow();
  search.value = address.choice.q;
  filters.restore();
  store.read();
})();
