// What the renderer asks of a document at its end, and what it keeps of it meanwhile: nodes with images that scripts
// take away again, as carousels and long lists do, with the words around them.
"use strict";

const kept = (() => {
  const MOST_CHARS = 1_000_000, MOST_ONE = 4000;
  const SHOWS = "img, picture, source, [style*='url('], image, video[poster]";
  const gone = new Map();
  let chars = 0, missed = 0, changes = 0;

  function keep(html) {
    if (!html || gone.has(html)) return;
    if (html.length > MOST_ONE || chars + html.length > MOST_CHARS) {
      missed += 1;
      return;
    }
    chars += html.length;
    gone.set(html, true);
  }

  function shows(node) {
    return node.nodeType === 1 && (node.matches(SHOWS) || node.querySelector(SHOWS));
  }

  const TOLD = new Set(["src", "srcset", "style", "poster", "href"]);
  const watched = new MutationObserver((records) => {
    changes += records.length;
    for (const change of records) {
      if (change.type === "childList") {
        for (const node of change.removedNodes) {
          if (!node.isConnected && shows(node)) keep(node.outerHTML);
        }
      } else if (TOLD.has(change.attributeName) && change.oldValue && change.target.outerHTML !== undefined && /[./]|url\(/.test(change.oldValue)) {
        const before = change.target.cloneNode(false);
        before.setAttribute(change.attributeName, change.oldValue);
        keep(before.outerHTML);
      }
    }
  });
  watched.observe(document, { childList: true, subtree: true, attributes: true, attributeOldValue: true });
  return { html: () => [...gone.keys()].join("\n"), missed: () => missed, changes: () => changes };
})();

// The size in CSS pixels that the element of an image wants, for its stand-in; [0, 0] where it does not say.
function sizes_wanted(urls) {
  const wanted = new Map(urls.map((url) => [url, [0, 0]]));
  const roots = [document];
  for (let n = 0; n < roots.length && n < 50; n += 1) {
    for (const image of [...roots[n].querySelectorAll("img")].slice(0, 3000)) {
      const url = image.currentSrc || image.src;
      if (!wanted.has(url)) continue;
      const box = image.getBoundingClientRect();
      const width = Number(image.getAttribute("width")) || Math.round(box.width);
      const height = Number(image.getAttribute("height")) || Math.round(box.height);
      if (width > 1 || height > 1) wanted.set(url, [width, height]);
    }
    for (const host of roots[n].querySelectorAll("*")) if (host.shadowRoot) roots.push(host.shadowRoot);
  }
  return [...wanted.values()];
}

// Pictures that lie nowhere: what canvases show, and what blob: URLs hold. As <img> with data: URLs, with their words.
async function drawn({ most, most_bytes, marker }) {
  const found = [];
  let cut = 0, bytes = 0;
  const quote = (text) => (text || "").replace(/&/g, "&amp;").replace(/"/g, "&quot;").replace(/</g, "&lt;");
  const add = (url, element) => {
    if (url.length < 200) return;
    if (found.length >= most || bytes + url.length > most_bytes) {
      cut += 1;
      return;
    }
    bytes += url.length;
    const words = element.alt || element.getAttribute("aria-label") || element.innerText || "";
    found.push(`<img src="${url}" alt="${quote(words)}" title="${quote(element.title)}">`);
  };
  const is_blank = (canvas) => {
    const small = document.createElement("canvas");
    small.width = small.height = 16;
    const pen = small.getContext("2d");
    pen.drawImage(canvas, 0, 0, 16, 16);
    const dots = new Uint32Array(pen.getImageData(0, 0, 16, 16).data.buffer);
    return dots.every((dot) => dot === dots[0]);
  };
  for (const canvas of [...document.querySelectorAll("canvas")].slice(0, 200)) {
    try {
      if (canvas.width >= 32 && canvas.height >= 32 && !is_blank(canvas)) add(canvas.toDataURL("image/png"), canvas);
    } catch {
      // it shows something of another origin, which is a picture of its own
    }
  }
  for (const image of [...document.querySelectorAll('img[src^="blob:"]')].slice(0, 200)) {
    try {
      const blob = await (await fetch(image.src)).blob();
      if (blob.size > most_bytes) {
        cut += 1;
        continue;
      }
      const data = new Uint8Array(await blob.arrayBuffer());
      const text = Array.from(data, (byte) => String.fromCharCode(byte)).join("");
      if (!text.includes(marker)) add(`data:${blob.type || "image/png"};base64,${btoa(text)}`, image);
    } catch {
      // it has been let go
    }
  }
  return { html: found.join("\n"), cut };
}

// The document of a frame as it stands: its markup, with open shadow roots.
function markup() {
  const root = document.documentElement;
  if (!root) return "";
  return root.getHTML ? `<html>${root.getHTML({ serializableShadowRoots: true })}</html>` : root.outerHTML;
}

// Of a document within the page: its images and links, each with its whole URL, for they are read as parts of the page.
function framed() {
  const quote = (text) => (text || "").replace(/&/g, "&amp;").replace(/"/g, "&quot;").replace(/</g, "&lt;").slice(0, 4000);
  const parts = [];
  for (const image of [...document.querySelectorAll("img")].slice(0, 2000)) {
    const caption = image.closest("figure")?.querySelector("figcaption")?.innerText;
    parts.push(
      `<figure><img src="${quote(image.currentSrc || image.src)}" alt="${quote(image.alt)}" title="${quote(image.title)}">` +
        (caption ? `<figcaption>${quote(caption)}</figcaption>` : "") + "</figure>",
    );
  }
  return parts.join("\n");
}
