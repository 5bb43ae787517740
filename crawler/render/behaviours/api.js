// What behaviours are given to work with, in a world of their own: the page's scripts see none of it.
//
// A behaviour is an object {name, dear, spends, rounds, step}. The renderer calls `step(page, {round, fresh})` again
// and again, until it returns a falsy value, `rounds` are over, or the page's budget is used up; after each step it
// waits until the network is quiet. `fresh` is how many images have been asked for since the step before.
//
// Nothing here is fenced against the page: it may read and change the same document. It can't reach these objects, with
// one exception: a form has its fields in place of what elements can do (<input name=closest>). No form is among what
// `all` gives; what is told of any element is asked for by `genuine`.
"use strict";

const genuine = (name, of = Element) => {
  const { get, value } = Object.getOwnPropertyDescriptor(of.prototype, name);
  return get ? (one) => get.call(one) : (one, ...given) => value.apply(one, given);
};

const behaviours = [];
const behaviour = (one) => behaviours.push(one);

const page = (() => {
  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

  // Until what has changed is on the screen: only then do observers learn what is in view. On a busy machine a frame
  // takes longer than any time that is given beforehand, and lazy pictures were jumped over. No frame at all: a second.
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  const shown = () => Promise.race([sleep(1000), frame().then(frame)]);
  const frame_or = (ms) => Promise.race([sleep(ms), frame()]);

  const CLICKABLE =
    'button, [role="button"], [role="tab"], [role="link"], [role="option"], [role^="menuitem"], [role="radio"], a, area, summary, input[type="button"], input[type="radio"], label, [onclick], [tabindex]';
  const MOST = 5000; // elements that are looked at, however many a page has
  const MOST_ROOTS = 500; // shadow roots
  const MOST_NODES = 60; // of text within what may be a button
  const clicked = new WeakSet();
  const listening = new Set(); // to the mouse, as far as the renderer has told

  const over = new Set(); // those that listen to its coming

  function listens(element, to_coming) {
    listening.add(element);
    if (to_coming) over.add(element);
  }

  // All elements that match, those in open shadow roots and in frames of the same origin included.
  function all(selector, root = document) {
    const found = [], roots = [root];
    for (let r = 0; r < roots.length && found.length < MOST; r += 1) {
      const matching = roots[r].querySelectorAll(selector);
      for (let n = 0; n < matching.length && found.length < MOST; n += 1) {
        if (tag_of(matching[n]) !== "form") found.push(matching[n]);
      }
      const walker = document.createTreeWalker(roots[r], NodeFilter.SHOW_ELEMENT);
      for (let n = 0, node = walker.nextNode(); node && n < MOST && roots.length < MOST_ROOTS; node = walker.nextNode(), n += 1) {
        const inner = shadow_of(node) || (tag_of(node) === "iframe" && frame_of(node));
        if (inner) roots.push(inner);
      }
    }
    return found;
  }

  const shadow_of = genuine("shadowRoot");
  const tag_of = genuine("localName");
  const frame_of = genuine("contentDocument", HTMLIFrameElement);

  // The text within, up to so many characters, hidden one as well: at no cost where there is very much of it.
  function text_in(element, most_chars) {
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    let text = "";
    for (let node = walker.nextNode(); node && text.length < most_chars; node = walker.nextNode()) text += ` ${node.data.slice(0, most_chars)}`;
    return text;
  }

  // Too much in it for a button.
  function is_long(element) {
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    let chars = 0, nodes = 0;
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      chars += node.data.trim().length;
      nodes += 1;
      if (chars > 400 || nodes > MOST_NODES) return true;
    }
    return false;
  }

  // *opaque*: also where it is not transparent, as the buttons of a light box are until the mouse moves.
  function seen(element, opaque = true) {
    if (element.localName === "area") { // has no box of its own
      const image = all("img[usemap]").find((one) => one.useMap === `#${element.closest("map")?.name}`);
      return !!image && seen(image, opaque);
    }
    const box = element.getBoundingClientRect();
    if (box.width < 2 || box.height < 2) return false;
    return element.checkVisibility
      ? element.checkVisibility({ visibilityProperty: true, opacityProperty: opaque })
      : getComputedStyle(element).visibility !== "hidden";
  }

  const plain = (text) => (text || "").toLowerCase().replace(/\s+/g, " ").trim();

  // What a person would call it: its text, or the label that stands in for it.
  function called(element) {
    const names = [
      element.getAttribute("aria-label"),
      is_long(element) ? "" : element.innerText || element.value,
      element.getAttribute("title"),
      element.querySelector("img[alt]")?.alt,
    ];
    return names.map((name) => plain(String(name || "").slice(0, 1000))).filter((name) => name && name.length <= 80);
  }

  // Whether one of the words is what an element says, or what it begins with.
  function says(names, words, { exactly = false } = {}) {
    const bare = names.map((name) => name.replace(/[\s.…:!()[\]\d/+,-]+$/u, "").replace(/^[\s+↓(]+/u, ""));
    const begins = (name, word) => name.startsWith(word) && (name[word.length] === " " || WITHOUT_SPACES.test(word));
    return words.some((word) => bare.some((name) => name === word || (!exactly && begins(name, word))));
  }

  // "More" in any language, alone or among a few words: "Load more photos", "Meer tonen", "もっと見る".
  function says_more(element) {
    const names = called(element);
    if (says(names, words.more)) return true;
    const short = names.filter((name) => name.length <= 40 && name.split(" ").length <= 5);
    return short.some((name) =>
      words.more_anywhere.some((word) => has_word(name, word)),
    );
  }

  const WITHOUT_SPACES = /[\u0e00-\u0eff\u3000-\u9fff\uac00-\ud7af]/; // languages that have none between words

  // Whether a word is among others, and no part of one: "age" is not in "image".
  function has_word(text, word) {
    return WITHOUT_SPACES.test(word) ? text.includes(word) : ` ${text.replace(/[^\p{L}\p{M}\p{N}' ]/gu, " ")} `.includes(` ${word} `);
  }

  // A link that leads away: its page is visited for itself, and a click would only end this one.
  function leads_away(element) {
    const link = element.closest("a, area");
    if (!link) return false;
    const href = (link.getAttribute("href") ?? link.getAttributeNS("http://www.w3.org/1999/xlink", "href") ?? "").trim();
    if (/^#[/!]/.test(href)) return true; // the route of a script: a page of its own
    if (listening.has(link)) return false; // a script decides; should it lead away all the same, the page stays
    if (!href || href.startsWith("#") || href.toLowerCase().startsWith("javascript:")) return false;
    return true;
  }

  // Yes, in a dialog that asks whether to delete something.
  function asks_for_harm(element) {
    const box = element.closest('[role="dialog"], [role="alertdialog"], dialog, [aria-modal="true"], [class*="modal" i], [class*="dialog" i], [class*="confirm" i]');
    const text = box ? plain(text_in(box, 1000)) : "";
    return words.destroys.some((word) => has_word(text, word));
  }

  const is_harmful = (element) => {
    if (element.closest("[download], [contenteditable]")) return true;
    if (element.type === "submit" && element.form) return true;
    // stars and polls: to choose is to vote
    if (element.matches("label, input[type=radio], [role=radio]") && element.closest("[class*=rating i], [name*=rating i], [class*=vote i], [name*=vote i], [class*=poll i]")) return true;
    const names = called(element);
    return says(names, words.never) || (says(names, words.assent) && asks_for_harm(element));
  };

  // Where an element is, as events tell it.
  function place_of(element) {
    const box = element.getBoundingClientRect();
    const at = {
      bubbles: true, cancelable: true, composed: true, view: window, button: 0, detail: 1,
      clientX: box.x + box.width / 2, clientY: box.y + box.height / 2,
    };
    return [at, { ...at, pointerId: 1, pointerType: "mouse", isPrimary: true }];
  }

  // The mouse comes over it. To enter is told of all that it is in, to each by itself.
  function point(element) {
    const [at, pointer] = place_of(element);
    const ways = ["over", "enter", "move"].map((way) => [way, { bubbles: way !== "enter" }]);
    for (const [way, how] of ways) element.dispatchEvent(new PointerEvent(`pointer${way}`, { ...pointer, ...how }));
    for (const [way, how] of ways) element.dispatchEvent(new MouseEvent(`mouse${way}`, { ...at, ...how }));
  }

  // To the left, by most of its width, in some steps.
  async function drag(element) {
    const [at, pointer] = place_of(element);
    const width = 0.6 * Math.min(element.clientWidth || 300, innerWidth);
    const tell = (what, buttons, by) => {
      const moved = { clientX: at.clientX + by, clientY: at.clientY, buttons };
      element.dispatchEvent(new PointerEvent(`pointer${what}`, { ...pointer, ...moved }));
      element.dispatchEvent(new MouseEvent(`mouse${what}`, { ...at, ...moved }));
    };
    tell("down", 1, width / 2);
    for (let n = 1; n <= 6; n += 1) {
      await frame_or(30);
      tell("move", 1, width / 2 - (width * n) / 6);
    }
    tell("up", 0, -width / 2);
  }

  // As a person does it; many libraries listen to the pointer, and not to clicks.
  function click(element) {
    clicked.add(element);
    element.scrollIntoView({ block: "center", behavior: "instant" });
    point(element);
    const [at, pointer] = place_of(element);
    element.dispatchEvent(new PointerEvent("pointerdown", { ...pointer, buttons: 1 }));
    const may_focus = element.dispatchEvent(new MouseEvent("mousedown", { ...at, buttons: 1 }));
    // who keeps the focus away opens its list at the click; given it, it opened the list by that, and closed it by the click
    if (may_focus && element.focus) element.focus({ preventScroll: true });
    element.dispatchEvent(new PointerEvent("pointerup", pointer));
    element.dispatchEvent(new MouseEvent("mouseup", at));
    if (element.click) element.click();
    else element.dispatchEvent(new MouseEvent("click", at));
  }

  const CODES = { ArrowRight: 39, ArrowDown: 40, Escape: 27, PageDown: 34, End: 35, " ": 32 };
  const KEYS = { " ": "Space" };

  function press(key, element = document.activeElement || document.body) {
    const code = CODES[key] || 0; // what older libraries look at
    const told = { key, code: KEYS[key] || key, keyCode: code, which: code, bubbles: true, cancelable: true, composed: true };
    element.dispatchEvent(new KeyboardEvent("keydown", told));
    element.dispatchEvent(new KeyboardEvent("keyup", told));
  }

  const named = (one) => `${one.className?.baseVal ?? one.className ?? ""} ${one.id} ${one.getAttribute("data-action") || ""}`;

  function turn_wheel() {
    const middle = document.elementFromPoint(innerWidth / 2, innerHeight / 2) || document.body;
    middle.dispatchEvent(new WheelEvent("wheel", { ...place_of(middle)[0], deltaY: 240, deltaMode: 0 }));
  }

  // Of a hundred things of one kind a few tell about all.
  const kind = (one) => `${one.tagName} ${one.className?.baseVal ?? one.className} ${one.getAttribute("role")}`;
  const name = (one) => `${kind(one)} ${called(one)[0] || ""}`;

  // What leads to the next picture of a row: by its name, or by what it is called.
  function arrows() {
    const is_small = (one) => one.clientWidth <= 240 && one.clientHeight <= 240; // a slide may be called "next", too
    return all(`${CLICKABLE}, [class*="next" i], [class*="arrow" i], [title], [aria-label]`).filter(
      (one) =>
        (one.matches("button, [role=button], a") || is_small(one)) &&
        !one.disabled && one.getAttribute("aria-disabled") !== "true" && !/(^|[-_\s])disabled/i.test(named(one)) && seen(one, false) &&
        (says(called(one), words.next, { exactly: true }) || /(^|[-_\s])(g?next|arrow[-_]*right|right[-_]*arrow|arrow[-_]*next|chevron[-_]*right|forward)([-_\s]|$)/i.test(named(one))) &&
        !leads_away(one) && !is_harmful(one),
    );
  }

  // What scrolls down: the page, or else the largest box in it that does.
  function scroller() {
    const root = document.scrollingElement || document.documentElement;
    if (root.scrollHeight > innerHeight + 4) return root;
    let best = root, most = 0;
    for (const element of all("div, main, section, ul, article")) {
      const space = element.clientHeight * element.clientWidth;
      if (space > most && element.scrollHeight > element.clientHeight + 4 && /auto|scroll|overlay/.test(getComputedStyle(element).overflowY)) {
        [best, most] = [element, space];
      }
    }
    return best;
  }

  return { sleep, shown, all, seen, called, says, says_more, has_word, text_in, plain, leads_away, is_harmful, arrows, click, press, point, drag, turn_wheel, over, listens, kind, name, scroller, clicked, listening, CLICKABLE, words };
})();
