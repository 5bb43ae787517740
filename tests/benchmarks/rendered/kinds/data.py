"""Where scripts get their pictures from, and what they do with them."""

from __future__ import annotations

import json

from tests.benchmarks.rendered.api import told
from tests.benchmarks.rendered.pictures import css_colour
from tests.benchmarks.rendered.site import (
    ELSEWHERE,
    Ask,
    Pictures,
    Reply,
    Site,
    Visit,
    as_json,
    page,
    script,
)

SHOW = """
const show = (list) => { for (const it of list) document.querySelector("main").append(Object.assign(new Image(300), { src: it.src, alt: it.title })); };
"""


def _graphql(ask: Ask) -> Reply:
    """One query: ``pictures(first, after)``."""
    if ask.method != "POST":
        return as_json({"errors": [{"message": "POST, please"}]}, 405)
    variables = json.loads(ask.body)["variables"]
    first, after = int(variables["first"]), int(variables["after"])
    nodes = [told(ask.site, n) for n in sorted(ask.site.pictures.numbers)[after : after + first]]
    return as_json({"data": {"pictures": {"nodes": nodes, "end": after + first}}})


GRAPHQL = Site(
    name="graphql",
    about="graphql-request: POSTs of queries, page after page",
    pictures=Pictures(count=15, url="/asset/{n}"),
    delay_s=0.2,
    answers={"/graphql": _graphql},
    files={"index.html": page("GraphQL", '<main></main><script type="module" src="/app.js"></script>')},
    bundles={
        "app.js": """
import { GraphQLClient, gql } from "graphql-request";
const client = new GraphQLClient(location.origin + "/graphql");
const query = gql`query Pictures($first: Int!, $after: Int!) { pictures(first: $first, after: $after) { nodes { id title src } end } }`;
for (let after = 0; after < 15; ) {
  const { pictures } = await client.request(query, { first: 5, after });
  for (const it of pictures.nodes) document.querySelector("main").append(Object.assign(new Image(300), { src: it.src, alt: it.title }));
  after = pictures.end;
}
"""
    },
)

CORS = Site(
    name="cors-preflight",
    about="An API at another origin that has to be asked by a preflight first, and the pictures lie there too",
    pictures=Pictures(count=12, elsewhere=True),
    delay_s=0.15,
    files={
        "index.html": page(
            "CORS",
            "<main></main>"
            + script(
                SHOW
                + """
fetch("ELSEWHERE/api/pictures", { headers: { "X-Wants": "json" } }).then((it) => it.json()).then((it) => show(it.pictures));
""".replace("ELSEWHERE", ELSEWHERE)
            ),
        )
    },
)

BLOBS = Site(
    name="blobs",
    about="Pictures by XMLHttpRequest and fetch, shown as blobs; their URLs have no ending",
    pictures=Pictures(count=10, url="/download/{n}"),
    files={
        "index.html": page(
            "Blobs",
            "<main></main>"
            + script("""
const show = (blob) => document.querySelector("main").append(Object.assign(new Image(300), { src: URL.createObjectURL(blob) }));
for (let n = 1; n <= 5; n++) {
  const request = new XMLHttpRequest();
  request.open("GET", `/download/${n}`);
  request.responseType = "blob";
  request.onload = () => show(request.response);
  request.send();
}
for (let n = 6; n <= 10; n++) fetch(`/download/${n}`).then((it) => it.blob()).then(show);
"""),
        )
    },
)

CANVAS = Site(
    name="canvas",
    about="Six pictures drawn onto canvases from files, four that exist nowhere but on a canvas",
    pictures=Pictures(count=6),
    drawn=4,
    files={
        "index.html": page(
            "Canvas",
            "<main></main>"
            + script(
                """
const canvas = () => Object.assign(document.createElement("canvas"), { width: 320, height: 240 });
for (let n = 1; n <= 6; n++) {
  const image = Object.assign(new Image(), { src: `/img/photo-0${n}.jpg`, onload() {
    const it = canvas();
    it.getContext("2d").drawImage(image, 0, 0, 320, 240);
    document.querySelector("main").append(it);
  } });
}
for (const colour of COLOURS) {
  const it = canvas(), context = it.getContext("2d");
  context.fillStyle = colour;
  context.fillRect(0, 0, 320, 240);
  context.fillStyle = "white";
  for (let bar = 0; bar < 8; bar++) context.fillRect(40 + bar * 30, 200 - bar * 15, 20, 20 + bar * 15);
  document.querySelector("main").append(it);
}
"""
            ).replace("COLOURS", json.dumps([css_colour(n) for n in range(7, 11)])),
        )
    },
)

BACKGROUNDS = Site(
    name="backgrounds",
    about="Backgrounds by element.style, by a custom property, and by a style element that a script writes",
    pictures=Pictures(count=12),
    files={
        "index.html": page(
            "Backgrounds",
            "<main></main>"
            + script("""
const name = (n) => "/img/photo-" + String(n).padStart(2, "0") + ".jpg", main = document.querySelector("main");
const box = (n) => main.appendChild(Object.assign(document.createElement("div"), { className: "box b" + n }));
for (let n = 1; n <= 4; n++) box(n).style.backgroundImage = `url(${name(n)})`;
for (let n = 5; n <= 8; n++) box(n).style.setProperty("--picture", `url(${name(n)})`);
const style = document.head.appendChild(document.createElement("style"));
for (let n = 9; n <= 12; n++) { box(n); style.textContent += `.b${n} { background-image: url(${name(n)}) }`; }
"""),
            "<style>.box { width: 300px; height: 220px; background: var(--picture, none) center / cover }</style>",
        )
    },
)

CSS_IN_JS = Site(
    name="css-in-js",
    about="Backgrounds by Emotion and styled-components, whose rules are inserted and in no text of the page",
    pictures=Pictures(count=12),
    delay_s=0.1,
    files={
        "index.html": page("CSS in JS", '<div id="root"></div><script type="module" src="/app.js"></script>')
    },
    bundles={
        "app.jsx": """
import { css } from "@emotion/css";
import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import styled from "styled-components";

const Card = styled.div`width: 300px; height: 220px; background: url(${(it) => it.$src}) center / cover;`;
const hero = (src) => css`width: 300px; height: 220px; &::before { content: ""; display: block; height: 100%; background: url(${src}) center / cover; }`;

function App() {
  const [pictures, set] = useState([]);
  useEffect(() => { fetch("/api/pictures").then((it) => it.json()).then((it) => set(it.pictures)); }, []);
  return pictures.map((it) => it.id % 2 ? <Card key={it.id} $src={it.src} /> : <div key={it.id} className={hero(it.src)} />);
}
createRoot(document.getElementById("root")).render(<App />);
"""
    },
)

SRCSET = Site(
    name="srcset-by-script",
    about="srcset and picture made by script, up to double density; the largest is what a crawl should take",
    pictures=Pictures(count=10, url="/r/{w}/{n}.jpg", widths=(320, 640, 1280)),
    files={
        "index.html": page(
            "Responsive",
            "<main></main>"
            + script("""
const widths = [320, 640, 1280], main = document.querySelector("main");
for (let n = 1; n <= 10; n++) {
  const image = new Image();
  if (n % 2) Object.assign(image, { sizes: "300px", srcset: widths.map((w) => `/r/${w}/${n}.jpg ${w}w`).join(", "), src: `/r/320/${n}.jpg` });
  else {
    const picture = main.appendChild(document.createElement("picture"));
    picture.innerHTML = `<source media="(max-width: 500px)" srcset="/r/320/${n}.jpg"><source srcset="/r/640/${n}.jpg 1x, /r/1280/${n}.jpg 2x">`;
    image.src = `/r/320/${n}.jpg`;
    picture.append(image);
    continue;
  }
  main.append(image);
}
"""),
        )
    },
)

POLLS = Site(
    name="polls-for-ever",
    about="A live page that asks for news each 300 ms, and never is quiet; pictures come with the third answer",
    pictures=Pictures(count=8),
    answers={"/news": lambda ask: as_json({"since": ask.number("since", 0)})},
    files={
        "index.html": page(
            "Live",
            '<main><img src="/img/photo-01.jpg" alt="Photo 1"></main>'
            + script(
                SHOW
                + """
let since = 0;
setInterval(async () => {
  await fetch("/news?since=" + since++);
  if (since === 3) show((await (await fetch("/api/pictures?offset=1")).json()).pictures);
}, 300);
"""
            ),
        )
    },
)

SLOW = Site(
    name="slow-api",
    about="An API that answers after 1.5 s, twice in a row, and a spinner until then",
    pictures=Pictures(count=8),
    delay_s=1.5,
    files={
        "index.html": page(
            "Slow",
            '<main></main><p id="spinner">Loading…</p>'
            + script(
                SHOW
                + """
(async () => {
  const { total } = await (await fetch("/api/pictures?limit=1")).json();
  show((await (await fetch("/api/pictures?limit=" + total)).json()).pictures);
  document.getElementById("spinner").remove();
})();
"""
            ),
        )
    },
)

SERVICE_WORKER = Site(
    name="service-worker",
    about="Workbox: registers a service worker, and fetches its pictures when that is in control",
    pictures=Pictures(count=10),
    delay_s=0.1,
    files={
        "index.html": page(
            "Offline first",
            "<main></main>"
            + script(
                SHOW
                + """
const load = () => fetch("/api/pictures").then((it) => it.json()).then((it) => show(it.pictures));
if ("serviceWorker" in navigator) navigator.serviceWorker.register("/sw.js").then(() => navigator.serviceWorker.ready, () => 0).then(load);
else load();
"""
            ),
        )
    },
    bundles={
        "sw.js": """
import { clientsClaim } from "workbox-core";
import { registerRoute } from "workbox-routing";
import { CacheFirst, NetworkFirst } from "workbox-strategies";
self.skipWaiting();
clientsClaim();
registerRoute(({ url }) => url.pathname.startsWith("/api/"), new NetworkFirst({ cacheName: "api" }));
registerRoute(({ request }) => request.destination === "image", new CacheFirst({ cacheName: "images" }));
"""
    },
)

WORKER = Site(
    name="web-worker",
    about="A worker fetches the list and posts it to the page",
    pictures=Pictures(count=9),
    delay_s=0.1,
    files={
        "index.html": page(
            "Worker",
            "<main></main>" + script(SHOW + 'new Worker("/worker.js").onmessage = ({ data }) => show(data);'),
        ),
        "worker.js": 'fetch("/api/pictures").then((it) => it.json()).then((it) => postMessage(it.pictures));',
    },
)

OLD = Site(
    name="document-write",
    about="Scripts of 1999: document.write in a loop, roll-overs that are preloaded, an image map of its own",
    pictures=Pictures(count=13, url="/images/pic{n}.jpg"),
    files={
        "index.html": page(
            "Homepage",
            script("""
for (var i = 1; i <= 6; i++) document.write('<a href="page' + (i % 2 + 1) + '.html"><img src="images/pic' + i + '.jpg" name="b' + i + '"><\\/a>');
var over = new Array();
for (var i = 7; i <= 12; i++) { over[i] = new Image(); over[i].src = "images/pic" + i + ".jpg"; }
"""),
        ),
        "page1.html": page("One", '<img src="images/pic13.jpg">'),
        "page2.html": page("Two", '<img src="images/pic1.jpg">'),
    },
    visits=(Visit("/"), Visit("/page1.html"), Visit("/page2.html")),
)

SITES = (
    GRAPHQL,
    CORS,
    BLOBS,
    CANVAS,
    BACKGROUNDS,
    CSS_IN_JS,
    SRCSET,
    POLLS,
    SLOW,
    SERVICE_WORKER,
    WORKER,
    OLD,
)
