// What the renderer asks of a document at its end, and what it keeps of it meanwhile: nodes with images that scripts
// take away again, as carousels and long lists do, with the words around them.
"use strict";

const quote = (text, most = 4000) => String(text || "").slice(0, most).replace(/&/g, "&amp;").replace(/"/g, "&quot;").replace(/</g, "&lt;");

const kept = (() => {
  const MOST_CHARS = 1_000_000, MOST_ONE = 4000, MOST_ELEMENTS = 100, MOST_PARTS = 200, MOST_MS = 1500;
  const SHOWS = "img, picture, source, [style*='url('], image, video[poster]";
  const TOLD = new Set(["src", "srcset", "style", "poster", "href"]);
  const matches = genuine("matches"), query = genuine("querySelector"), query_all = genuine("querySelectorAll");
  const outer = genuine("outerHTML"), inside = genuine("getElementsByTagName"), attributes = genuine("attributes");
  const is_there = genuine("isConnected", Node);
  const gone = new Set();
  const turned = new WeakMap(); // how often its picture was replaced
  let chars = 0, missed = 0, changes = 0, turns = 0, spent_ms = 0;

  function keep(html) {
    if (!html || gone.has(html)) return;
    if (html.length > MOST_ONE || chars + html.length > MOST_CHARS) {
      missed += 1;
      return;
    }
    chars += html.length;
    gone.add(html);
  }

  // With its words where it is small, as slides and items of lists are; of much at once only what shows something.
  function keep_node(node) {
    if (!(node instanceof Element) || is_there(node)) return;
    if (!matches(node, SHOWS) && !query(node, SHOWS)) return;
    if (inside(node, "*").length <= MOST_ELEMENTS) {
      const html = outer(node);
      if (html.length <= MOST_ONE) return keep(html);
    }
    const parts = [...query_all(node, SHOWS)];
    missed += Math.max(0, parts.length - MOST_PARTS);
    for (const part of parts.slice(0, MOST_PARTS)) if (inside(part, "*").length <= MOST_ELEMENTS) keep(outer(part));
  }

  // As it was: without a copy of the element, for that runs the page's own code where it has made up an element.
  function keep_attribute({ target, attributeName, oldValue }) {
    if (!oldValue || !TOLD.has(attributeName) || !(attributeName === "style" ? /url\(/i : /[./]/).test(oldValue)) return;
    if (attributeName !== "href" && !/^data:/.test(oldValue)) {
      const times = (turned.get(target) || 0) + 1;
      turned.set(target, times);
      turns = Math.max(turns, times);
    }
    if (target instanceof HTMLFormElement || oldValue.length > MOST_ONE) return;
    const others = [...attributes(target)].slice(0, 30).filter((one) => one.name !== attributeName && /^[\w:.-]+$/.test(one.name));
    const all = [`${attributeName}="${quote(oldValue)}"`, ...others.map((one) => `${one.name}="${quote(one.value, 1000)}"`)];
    const tag = `<${target.localName} ${all.join(" ")}>`;
    // Closed, for what comes after it is no part of it: a link to one picture took in the next picture as its thumbnail.
    const is_void = /^(img|source|input|embed)$/.test(target.localName);
    keep(target.localName === "source" ? `<picture>${tag}<img></picture>` : is_void ? tag : `${tag}</${target.localName}>`);
  }

  const watched = new MutationObserver((records) => {
    changes += records.length;
    const began = performance.now();
    for (const record of records) {
      if (spent_ms + performance.now() - began > MOST_MS) { // a page that never stops changing has shown what it has
        missed += 1;
        break;
      }
      if (record.type === "childList") record.removedNodes.forEach(keep_node);
      else keep_attribute(record);
    }
    spent_ms += performance.now() - began;
  });
  watched.observe(document, { childList: true, subtree: true, attributes: true, attributeOldValue: true });
  return { html: () => [...gone].join("\n"), missed: () => missed, changes: () => changes, turns: () => turns };
})();

// The size in CSS pixels that the element of an image wants, for its stand-in; [0, 0] where it does not say.
function sizes_wanted(urls) {
  const wanted = new Map(urls.map((url) => [url, [0, 0]]));
  const roots = [document], MOST = 5000;
  for (let n = 0; n < roots.length && n < 50; n += 1) {
    const images = roots[n].querySelectorAll("img"); // the latest ones are asked for now
    for (const image of [...images].slice(-3000)) {
      const url = image.currentSrc || image.src;
      if (!wanted.has(url)) continue;
      const box = image.getBoundingClientRect();
      const width = Number(image.getAttribute("width")) || Math.round(box.width);
      const height = Number(image.getAttribute("height")) || Math.round(box.height);
      if (width > 1 || height > 1) wanted.set(url, [width, height]);
    }
    const others = roots[n].querySelectorAll("*");
    for (let m = 0; m < others.length && m < MOST; m += 1) {
      const inner = genuine("shadowRoot")(others[m]);
      if (inner) roots.push(inner);
    }
  }
  return [...wanted.values()];
}

// Pictures that lie nowhere: what canvases show, and what blob: URLs hold. As <img> with data: URLs, with their words.
async function drawn({ most, most_bytes, marker }) {
  const MOST_PX = 16 * 2 ** 20, MOST_MS = 1200; // a canvas may have a gigabyte, and takes as much again to be packed
  const found = [], end = performance.now() + MOST_MS;
  let cut = 0, bytes = 0;
  const has_room = (size) => found.length < most && bytes + size <= most_bytes && performance.now() < end;
  const add = (url, element) => {
    if (url.length < 200) return;
    if (!has_room(url.length)) {
      cut += 1;
      return;
    }
    bytes += url.length;
    const words = element.alt || element.getAttribute("aria-label") || element.innerText || "";
    found.push(`<img src="${url}" alt="${quote(words)}" title="${quote(element.title)}">`);
  };
  const dots_of = (source) => {
    const small = document.createElement("canvas");
    small.width = small.height = 16;
    const pen = small.getContext("2d");
    pen.drawImage(source, 0, 0, 16, 16);
    return new Uint32Array(pen.getImageData(0, 0, 16, 16).data.buffer);
  };
  const is_blank = (source) => {
    const dots = dots_of(source);
    return dots.every((dot) => dot === dots[0]);
  };
  const data_url = (blob) =>
    new Promise((done, failed) => {
      const reader = new FileReader();
      reader.onload = () => done(reader.result);
      reader.onerror = failed;
      reader.readAsDataURL(blob);
    });
  for (const canvas of page.all("canvas").slice(0, 200)) {
    try {
      if (canvas.width < 32 || canvas.height < 32) continue;
      if (canvas.width * canvas.height > MOST_PX || !has_room(0)) cut += 1;
      else if (!is_blank(canvas)) add(canvas.toDataURL("image/png"), canvas);
    } catch {
      // it shows something of another origin, which is a picture of its own
    }
  }
  for (const image of page.all('img[src^="blob:"]').slice(0, 200)) {
    try {
      if (!has_room(0)) {
        cut += 1;
        continue;
      }
      const blob = await (await fetch(image.src)).blob();
      if (blob.size > most_bytes) {
        cut += 1;
        continue;
      }
      if ((await blob.slice(0, 4096).text()).includes(marker)) continue;
      if (image.naturalWidth && is_blank(image)) continue; // as what is made of a stand-in is
      add((await data_url(blob)).replace(/^data:(?!image\/)[^;,]*/, "data:image/png"), image);
    } catch {
      // it has been let go
    }
  }
  return { html: found.join("\n"), cut, blank: blank_data_urls(dots_of) };
}

// data: URLs that show nothing at all: what scripts have made of stand-ins, or keep a place with.
function blank_data_urls(dots_of) {
  const found = [];
  for (const image of page.all('img[src^="data:image/"]').slice(0, 50)) {
    const url = image.getAttribute("src");
    if (url.length > 100_000 || !image.naturalWidth) continue;
    try {
      if (dots_of(image).every((dot) => dot === 0)) found.push(url);
    } catch {
      // it shows something of another origin
    }
  }
  return found;
}

// The document of a frame as it stands: its markup, with open shadow roots.
function markup(most_chars) {
  const root = document.documentElement;
  if (!root) return "";
  return (root.getHTML ? `<html>${root.getHTML({ serializableShadowRoots: true })}</html>` : root.outerHTML).slice(0, most_chars);
}

// Of a document within the page: its images and links, each with its whole URL, for they are read as parts of the page.
function framed() {
  const parts = [], MOST_CHARS = 1_000_000;
  let chars = 0;
  for (const image of [...document.querySelectorAll("img")].slice(0, 2000)) {
    if (parts.length) chars += parts.at(-1).length;
    if (chars > MOST_CHARS) break;
    const caption = image.closest("figure")?.querySelector("figcaption")?.innerText;
    parts.push(
      `<figure><img src="${quote(image.currentSrc || image.src)}" alt="${quote(image.alt)}" title="${quote(image.title)}">` +
        (caption ? `<figcaption>${quote(caption)}</figcaption>` : "") + "</figure>",
    );
  }
  return parts.join("\n");
}
