"""Pages that a framework builds in the browser: an empty element, a bundle, and an API of JSON."""

from __future__ import annotations

from tests.benchmarks.rendered.site import Ask, Click, Pictures, Reply, Site, Visit, html, npm, page, script

VITE = """
import {{ defineConfig }} from "vite";
{plugin}
export default defineConfig({{ plugins: [plugin()] }});
"""
VUE = VITE.format(plugin='import plugin from "@vitejs/plugin-vue";')
SVELTE = VITE.format(plugin='import { svelte as plugin } from "@sveltejs/vite-plugin-svelte";')
SOLID = VITE.format(plugin='import plugin from "vite-plugin-solid";')

REACT = Site(
    name="react-album",
    about="React and SWR: an album from an API, links between albums by the History API of its own router",
    pictures=Pictures(count=24),
    delay_s=0.2,
    spa=True,
    files={
        "index.html": page("Albums", '<div id="root"></div>', '<script type="module" src="/app.js"></script>')
    },
    bundles={
        "app.jsx": """
import { createRoot } from "react-dom/client";
import { BrowserRouter, Link, Route, Routes, useParams } from "react-router";
import useSWR from "swr";

const get = (url) => fetch(url).then((answer) => answer.json());

function Album() {
  const from = (Number(useParams().id ?? 1) - 1) * 8;
  const { data } = useSWR(`/api/pictures?offset=${from}&limit=8`, get);
  if (!data) return <p>Loading…</p>;
  return data.pictures.map((it) => <figure key={it.id}><img src={it.src} alt={it.title} /><figcaption>{it.title}</figcaption></figure>);
}

createRoot(document.getElementById("root")).render(
  <BrowserRouter>
    <nav><Link to="/">First</Link> <Link to="/album/2">Second</Link> <Link to="/album/3">Third</Link></nav>
    <Routes><Route path="/" element={<Album />} /><Route path="/album/:id" element={<Album />} /></Routes>
  </BrowserRouter>
);
"""
    },
    visits=(Visit("/"), Visit("/album/2"), Visit("/album/3")),
)

VUE_HISTORY = Site(
    name="vue-history",
    about="Vue 3 single-file components by vite; vue-router with createWebHistory, a lazy route",
    pictures=Pictures(count=18, url="/assets-of-api/{n}.png"),
    delay_s=0.15,
    spa=True,
    files={},
    vite={
        "index.html": page("Shop", '<div id="app"></div><script type="module" src="/main.js"></script>'),
        "vite.config.js": VUE,
        "main.js": """
import { createApp } from "vue";
import { createRouter, createWebHistory } from "vue-router";
import App from "./App.vue";
import Home from "./Home.vue";

const routes = [
  { path: "/", component: Home },
  { path: "/product/:id", component: () => import("./Product.vue"), props: true },
];
createApp(App).use(createRouter({ history: createWebHistory(), routes })).mount("#app");
""",
        "App.vue": '<template><header><RouterLink to="/">Shop</RouterLink></header><RouterView :key="$route.path" /></template>\n',
        "Home.vue": """
<script setup>
import { ref } from "vue";
const products = ref([]);
fetch("/api/pictures?limit=6").then((it) => it.json()).then((it) => (products.value = it.pictures));
</script>
<template>
  <h1>Products</h1>
  <article v-for="it in products" :key="it.id">
    <RouterLink :to="`/product/${it.id}`"><img :src="it.src" :alt="it.title" width="200">{{ it.title }}</RouterLink>
  </article>
</template>
""",
        "Product.vue": """
<script setup>
import { ref } from "vue";
const props = defineProps(["id"]);
const views = ref([]);
const from = 6 + (props.id - 1) * 2;
fetch(`/api/pictures?offset=${from}&limit=2`).then((it) => it.json()).then((it) => (views.value = it.pictures));
</script>
<template><h1>Product {{ id }}</h1><img v-for="it in views" :key="it.id" :src="it.src" :alt="it.title"></template>
""",
    },
    visits=(Visit("/"), *(Visit(f"/product/{n}") for n in range(1, 7))),
)

SVELTE_MORE = Site(
    name="svelte-more",
    about="Svelte 5 by vite; a button in German brings the next five",
    pictures=Pictures(count=20),
    delay_s=0.3,
    files={},
    vite={
        "index.html": page("Galerie", '<div id="app"></div><script type="module" src="/main.js"></script>'),
        "vite.config.js": SVELTE,
        "main.js": """
import { mount } from "svelte";
import App from "./App.svelte";
mount(App, { target: document.getElementById("app") });
""",
        "App.svelte": """
<script>
  let pictures = $state([]);
  let next = $state("/api/pictures?limit=5");
  async function more() {
    const answer = await (await fetch(next)).json();
    pictures.push(...answer.pictures);
    next = answer.next;
  }
  more();
</script>
<h1>Galerie</h1>
{#each pictures as it (it.id)}<img src={it.src} alt={it.title} width="300">{/each}
{#if next}<button onclick={more}>Mehr anzeigen</button>{/if}
""",
    },
    visits=(Visit("/", (Click("button", 3),)),),
)

SOLID_TABS = Site(
    name="solid-tabs",
    about="Solid by vite; tabs that fetch what they show, and forget it",
    pictures=Pictures(count=16),
    delay_s=0.1,
    files={},
    vite={
        "index.html": page("Seasons", '<div id="app"></div><script type="module" src="/main.jsx"></script>'),
        "vite.config.js": SOLID,
        "main.jsx": """
import { createResource, createSignal, For } from "solid-js";
import { render } from "solid-js/web";

const seasons = ["Spring", "Summer", "Autumn", "Winter"];
const get = async (tab) => (await (await fetch(`/api/pictures?offset=${tab * 4}&limit=4`)).json()).pictures;

function App() {
  const [tab, choose] = createSignal(0);
  const [pictures] = createResource(() => String(tab()), get);
  return (
    <main>
      <div role="tablist">
        <For each={seasons}>{(name, at) => <button role="tab" aria-selected={tab() === at()} onClick={() => choose(at())}>{name}</button>}</For>
      </div>
      <div role="tabpanel"><For each={pictures()}>{(it) => <img src={it.src} alt={it.title} />}</For></div>
    </main>
  );
}
render(() => <App />, document.getElementById("app"));
""",
    },
    visits=(Visit("/", (Click("[role=tab]", each=True),)),),
)

PREACT = Site(
    name="preact-importmap",
    about="Preact and htm without a bundler: an import map, module scripts, a dynamic import on scrolling near",
    pictures=Pictures(count=15),
    files={
        "index.html": page(
            "Atelier",
            '<div id="app"></div>'
            + script(
                """
import { html, render } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";

function Works() {
  const [works, set] = useState([]);
  useEffect(() => { fetch("/api/pictures?limit=10").then((it) => it.json()).then((it) => set(it.pictures)); }, []);
  return html`<section>${works.map((it) => html`<img key=${it.id} src=${it.src} alt=${it.title} style="display:block;height:300px" />`)}</section>`;
}
function Later() {
  const here = useRef(), [Part, set] = useState(null);
  useEffect(() => {
    const observer = new IntersectionObserver(async ([entry]) => {
      if (!entry.isIntersecting) return;
      observer.disconnect();
      const { Sketches } = await import("/sketches.js");
      set(() => Sketches);
    }, { rootMargin: "200px" });
    observer.observe(here.current);
  }, []);
  return html`<footer ref=${here} style="min-height:50px">${Part && html`<${Part} />`}</footer>`;
}
render(html`<${Works} /><div style="height:2000px"></div><${Later} />`, document.getElementById("app"));
""",
                module=True,
            ),
            '<script type="importmap">{"imports": {"preact": "/node_modules/preact/dist/preact.mjs",'
            ' "preact/hooks": "/node_modules/preact/hooks/dist/hooks.mjs",'
            ' "htm": "/node_modules/htm/dist/htm.mjs", "htm/preact": "/node_modules/htm/preact/index.mjs"}}</script>',
        ),
        "sketches.js": """
import { html } from "htm/preact";
const names = Array.from({ length: 5 }, (_, at) => at + 11);
export const Sketches = () => html`<div>${names.map((n) => html`<img src=${`/img/photo-${n}.jpg`} alt=${`Sketch ${n}`} />`)}</div>`;
""",
    },
)

LIT = Site(
    name="lit-shadow",
    about="Lit: components in open shadow roots, within each other; slots",
    pictures=Pictures(count=14),
    delay_s=0.15,
    files={
        "index.html": page(
            "Museum",
            '<museum-room from="0"><h2 slot="title">Room 1</h2></museum-room>\n'
            '<museum-room from="7"><h2 slot="title">Room 2</h2></museum-room>',
            '<script type="module" src="/app.js"></script>',
        )
    },
    bundles={
        "app.js": """
import { LitElement, css, html } from "lit";

class MuseumPicture extends LitElement {
  static properties = { src: {}, label: {} };
  static styles = css`img { max-width: 100%; display: block }`;
  render() { return html`<figure><img src=${this.src} alt=${this.label}><figcaption>${this.label}</figcaption></figure>`; }
}
customElements.define("museum-picture", MuseumPicture);

class MuseumRoom extends LitElement {
  static properties = { from: { type: Number }, pictures: { state: true } };
  constructor() { super(); this.pictures = []; }
  async connectedCallback() {
    super.connectedCallback();
    const answer = await fetch(`/api/pictures?offset=${this.from}&limit=7`);
    this.pictures = (await answer.json()).pictures;
  }
  render() {
    return html`<slot name="title"></slot>${this.pictures.map((it) => html`<museum-picture src=${it.src} label=${it.title}></museum-picture>`)}`;
  }
}
customElements.define("museum-room", MuseumRoom);
"""
    },
)

CLOSED = Site(
    name="closed-shadow",
    about="Web components in closed shadow roots, with backgrounds by constructed style sheets, and a static page beside",
    pictures=Pictures(count=14),
    files={
        "index.html": page(
            "Cards",
            '<a href="/about.html">About</a><card-list></card-list>'
            + script("""
class CardList extends HTMLElement {
  #root = this.attachShadow({ mode: "closed" });
  async connectedCallback() {
    const { pictures } = await (await fetch("/api/pictures?limit=12")).json();
    const sheet = new CSSStyleSheet();
    for (const it of pictures.slice(6)) sheet.insertRule(`.card-${it.id} { background: url(${it.src}) center / cover; height: 200px }`);
    this.#root.adoptedStyleSheets = [sheet];
    for (const it of pictures.slice(0, 6)) this.#root.append(Object.assign(new Image(300), { src: it.src, alt: it.title }));
    for (const it of pictures.slice(6)) this.#root.append(Object.assign(document.createElement("div"), { className: `card-${it.id}` }));
  }
}
customElements.define("card-list", CardList);
"""),
        ),
        "about.html": page(
            "About",
            '<p>Two static pictures</p><img src="/img/photo-13.jpg" alt="13"><img src="/img/photo-14.jpg" alt="14">',
        ),
    },
    visits=(Visit("/"), Visit("/about.html")),
)

ALPINE = Site(
    name="alpine-filter",
    about="Alpine: x-for over an API, x-show, a filter by buttons, x-intersect-like paging by a click",
    pictures=Pictures(count=15),
    delay_s=0.1,
    files={
        "index.html": page(
            "Catalogue",
            """
<main x-data="{ shown: [], page: 0, async load(page) { this.page = page; this.shown = (await (await fetch('/api/pictures?limit=5&offset=' + page * 5)).json()).pictures } }" x-init="load(0)">
  <template x-for="n in 3"><button @click="load(n - 1)" :class="page === n - 1 && 'active'" x-text="'Page ' + n"></button></template>
  <template x-for="it in shown" :key="it.id"><img :src="it.src" :alt="it.title"></template>
</main>""",
            '<script defer src="/node_modules/alpinejs/dist/cdn.min.js"></script>',
        )
    },
    visits=(Visit("/", (Click("button", each=True),)),),
)


def _rows(ask: Ask) -> Reply:
    """What htmx asks for: a piece of a document, and where the next one is."""
    first = ask.number("from", 5)
    images = "".join(
        f'<img src="{ask.site.pictures.src(n)}" alt="Photo {n}" style="display:block;height:320px">'
        for n in range(first, first + 4)
    )
    more = f'<div hx-get="/rows?from={first + 4}" hx-trigger="revealed" hx-swap="outerHTML">…</div>'
    return html(images + (more if first + 4 < ask.site.pictures.count - 4 else ""))


HTMX = Site(
    name="htmx-revealed",
    about="htmx: pieces of HTML fetched when they are scrolled to, and by a click; static pictures on top",
    pictures=Pictures(count=20),
    delay_s=0.2,
    answers={
        "/rows": _rows,
        "/extra": lambda ask: html(
            "".join(f'<img src="{ask.site.pictures.src(n)}" alt="{n}">' for n in range(17, 21))
        ),
    },
    files={
        "index.html": page(
            "Journal",
            "".join(
                f'<img src="/img/photo-{n:02}.jpg" alt="Photo {n}" style="display:block;height:320px">'
                for n in range(1, 5)
            )
            + '<button hx-get="/extra" hx-swap="outerHTML">Show the appendix</button><div style="height:900px"></div>'
            + '<div hx-get="/rows" hx-trigger="revealed" hx-swap="outerHTML">…</div>',
            npm("htmx.org/dist/htmx.min.js"),
        )
    },
    visits=(Visit("/", (Click("button"),)),),
)

JQUERY = Site(
    name="jquery-shop",
    about="jQuery as shops of 2012 have it: $.getJSON, append, a pager of links to #, backgrounds by .css()",
    pictures=Pictures(count=24, url="/media/catalog/{n}.jpg"),
    files={
        "index.html": page(
            "Shop",
            '<div id="banner" style="height:300px"></div><ul id="list"></ul><p><a href="#" id="prev">« Back</a> <a href="#" id="next">Next »</a></p>'
            + npm("jquery/dist/jquery.min.js")
            + script("""
$(function () {
  var page = 0;
  $("#banner").css("background-image", "url(/media/catalog/24.jpg)");
  function show() {
    $.getJSON("/api/pictures", { offset: page * 6, limit: 6, end: 23 }, function (answer) {
      $("#list").empty();
      $.each(answer.pictures, function (_, it) { $("<li>").append($("<img>", { src: it.src, alt: it.title, width: 200 })).appendTo("#list"); });
      $("#next").toggle(answer.next !== null);
    });
  }
  $("#next").on("click", function (event) { event.preventDefault(); page++; show(); });
  $("#prev").on("click", function (event) { event.preventDefault(); if (page) { page--; show(); } });
  show();
});
"""),
        )
    },
    visits=(Visit("/", (Click("#next", 3),)),),
)

ANGULAR = Site(
    name="angular-standalone",
    about="Angular, standalone and zoneless, with HttpClient and signals; NgOptimizedImage for half of them",
    pictures=Pictures(count=12),
    delay_s=0.25,
    files={
        "index.html": page(
            "Angular", "<app-root></app-root>", '<script type="module" src="/main.js"></script>'
        )
    },
    bundles={
        "main.ts": """
import "@angular/compiler";
import { Component, inject, provideZonelessChangeDetection, signal } from "@angular/core";
import { NgOptimizedImage } from "@angular/common";
import { HttpClient, provideHttpClient, withFetch } from "@angular/common/http";
import { bootstrapApplication } from "@angular/platform-browser";

@Component({
  selector: "app-root",
  imports: [NgOptimizedImage],
  template: `
    <h1>Angular</h1>
    @for (it of plain(); track it.id) { <img [src]="it.src" [alt]="it.title"> }
    @for (it of optimised(); track it.id) { <img [ngSrc]="it.src" [alt]="it.title" width="640" height="480" style="display:block"> }
  `,
})
class App {
  plain = signal<any[]>([]);
  optimised = signal<any[]>([]);
  constructor() {
    inject(HttpClient).get<any>("/api/pictures").subscribe((answer) => {
      this.plain.set(answer.pictures.slice(0, 6));
      this.optimised.set(answer.pictures.slice(6));
    });
  }
}
bootstrapApplication(App, { providers: [provideZonelessChangeDetection(), provideHttpClient(withFetch())] });
""",
    },
)

SITES = (REACT, VUE_HISTORY, SVELTE_MORE, SOLID_TABS, PREACT, LIT, CLOSED, ALPINE, HTMX, JQUERY, ANGULAR)
