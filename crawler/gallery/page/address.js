// What is chosen stands behind the # of the page's address, so that links, bookmarks, back and forward work.
"use strict";

(() => {
  const { FACETS, SORTS, NO_CHOICE } = gallery.query;
  const MAX_QUERY = 500; // characters
  const TABS = ["", "alike", "failures"];
  const IMAGE = /^\d{1,9}\.\d{1,6}$/; // its chunk and its place there
  const DAY = /^\d{4}-\d\d-\d\d$/;

  /** The choice in a fragment such as #q=cat&format=png&image=0.12. What it does not know, it leaves out. */
  const parsed = (fragment) => {
    const given = new URLSearchParams(fragment.replace(/^#/, ""));
    const day = (name) => (DAY.test(given.get(name) || "") ? given.get(name) : "");
    const image = given.get("image");
    const facets = {};
    for (const { key } of FACETS) {
      const values = given.getAll(key).filter(Boolean);
      if (values.length) facets[key] = values;
    }
    return {
      q: (given.get("q") || "").slice(0, MAX_QUERY),
      facets,
      from: day("from"),
      to: day("to"),
      sort: Object.hasOwn(SORTS, given.get("sort") || "") ? given.get("sort") : "",
      tab: TABS.includes(given.get("tab") || "") ? given.get("tab") || "" : "",
      image: IMAGE.test(image || "") ? image : null,
    };
  };

  const written = (choice) => {
    const parts = new URLSearchParams();
    if (choice.tab) parts.set("tab", choice.tab);
    if (choice.q) parts.set("q", choice.q);
    for (const { key } of FACETS) for (const value of choice.facets[key] || []) parts.append(key, value);
    for (const name of ["from", "to", "sort"]) if (choice[name]) parts.set(name, choice[name]);
    if (choice.image) parts.set("image", choice.image);
    return `#${parts}`;
  };

  let current = { ...NO_CHOICE, image: null };
  let opened = 0; // entries of the history that this page has made: going back stays in it
  const listeners = [];

  const follow = () => {
    const before = current;
    current = parsed(location.hash);
    listeners.forEach((listener) => listener(current, before));
  };

  let afterwards = null; // changes that wait until the browser has gone back: it does so in its own time

  /** Change the choice. A step that one would want to go back from is an entry in the history; typing is none. */
  const change = (changes, { isStep = true } = {}) => {
    if (afterwards) {
      afterwards.push(() => change(changes, { isStep }));
      return;
    }
    const next = { ...current, ...changes };
    const fragment = written(next);
    if (fragment === written(current)) return;
    if (isStep) {
      opened += 1;
      history.pushState({ opened }, "", fragment);
    } else history.replaceState(history.state, "", fragment);
    follow();
  };

  window.addEventListener("popstate", (event) => {
    opened = (event.state && event.state.opened) || 0;
    const waiting = afterwards || [];
    afterwards = null;
    follow();
    waiting.forEach((one) => one());
  });

  gallery.address = {
    get choice() {
      return current;
    },
    change,
    follow,
    written,
    onChange: (listener) => listeners.push(listener),
    /** Leave what was opened by a step: back, if the step was made here, so that back does not open it again. */
    leave(changes) {
      if (afterwards) return;
      if (opened > 0 && history.state && history.state.opened === opened) {
        afterwards = [];
        history.back();
      } else change(changes, { isStep: false });
    },
  };
})();
