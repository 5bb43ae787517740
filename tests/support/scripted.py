"""A site on loopback whose pictures only scripts bring, and which notes what it is asked for."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.sites import in_thread, png

_TEXT = "<p>Words that a person reads, many enough that nobody takes the page for an empty one. " * 3
_HOME = """
<h1>Home</h1>{text}<img src=/img/static.png alt="In the page">
<a href=/list>list</a> <a href=/lazy>lazy</a> <a href=/more>more</a> <a href=/shadow>shadow</a>
<a href=/plain/1>plain</a>
<a href="#/route">A route</a>
<script>
const show = () => {
  if (location.hash === "#/route")
    document.body.append(Object.assign(new Image(), {src: "/img/route.png", alt: "Route"}));
};
addEventListener("hashchange", show);
show();
</script>"""
_LAZY = """
{text}<div id=pictures></div>
<script>
const seen = new IntersectionObserver((all) => {
  for (const {isIntersecting, target} of all)
    if (isIntersecting) target.src = `/img/lazy${target.dataset.n}.png`;
});
for (let n = 0; n < 6; n++) {
  pictures.insertAdjacentHTML("beforeend", `<p style="height: 900px"></p><img data-n=${n} width=200 height=100>`);
  seen.observe(pictures.lastElementChild);
}
</script>"""
_MORE = """
{text}<div id=more></div><button id=load>Mehr laden</button>
<script>
let next = 0;
document.getElementById("load").addEventListener("click", async () => {
  for (const name of await (await fetch(`/api/more.json?from=${next}`)).json())
    document.getElementById("more").append(Object.assign(new Image(), {src: `/img/${name}.png`, alt: `More ${name}`}));
  next += 2;
  if (next >= 6) document.getElementById("load").remove();
});
</script>"""
_SHADOW = """
{text}<x-picture></x-picture>
<script>
customElements.define("x-picture", class extends HTMLElement {
  connectedCallback() {
    const inside = this.attachShadow({mode: "closed"});
    inside.innerHTML = "<figure><img src=/img/shadow.png><figcaption>In the shadow</figcaption></figure>";
  }
});
</script>"""
_DRAWN = """
{text}<x-drawn></x-drawn>
<script>
const drawn = (colour, label) => {
  const canvas = Object.assign(document.createElement("canvas"), {width: 120, height: 90});
  canvas.setAttribute("aria-label", label);
  const pen = canvas.getContext("2d");
  pen.fillStyle = colour;
  pen.fillRect(10, 10, 80, 60);
  return canvas;
};
const blob_of = (canvas) => new Promise((done) => canvas.toBlob(done));
const shadow = document.querySelector("x-drawn").attachShadow({mode: "open"});
(async () => {
  for (const [place, name] of [[document.body, "open"], [shadow, "shadow"]]) {
    place.append(drawn(name === "open" ? "red" : "green", `canvas ${name}`));
    const blob = await blob_of(drawn(name === "open" ? "blue" : "black", ""));
    place.append(Object.assign(new Image(), {src: URL.createObjectURL(blob), alt: `blob ${name}`}));
  }
})();
</script>"""
_SLIDES = """
{text}<img id=shown><a id=download>Download</a>
<script>
(async () => {
  for (const n of [0, 1, 2, 3]) {
    shown.src = `/img/slide${n}.png`;
    download.href = shown.src;
    await new Promise((done) => setTimeout(done, 100));
  }
  shown.remove();
})();
</script>"""
_CHOSEN = """
{text}<img id=shown>
<form action=/cart method=post>
<input type=radio name=colour value=red id=red hidden><label for=red>Red</label>
<input type=radio name=colour value=blue id=blue hidden><label for=blue>Blue</label>
<select name=size></select><button>Add to cart</button></form>
<form action=/account method=post><input type=email><select name=secret></select></form>
<input type=range min=0 max=3 value=0>
<script>
for (const select of document.querySelectorAll("select"))
  for (const n of [0, 1]) select.add(new Option(n, select.name + n));
const show = (it) => { shown.src = `/img/${it.type === "range" ? "frame" : ""}${it.value}.png`; };
document.addEventListener("change", (event) => show(event.target));
</script>"""
_NUMBERS = """
{text}<main></main>
<script>
const render = (at) => {
  const numbers = [1, 2, 3].map((n) => `<button class=number>${n}</button>`).join("");
  const further = "<div class=further>Show more</div>";
  document.querySelector("main").innerHTML = `<img src=/img/number${at}.png>${numbers}${further}`;
};
document.addEventListener("click", ({target}) => {
  if (target.className === "number") render(target.textContent);
  if (target.className === "further")
    target.replaceWith(Object.assign(new Image(), {src: "/img/further.png"}));
});
render(1);
</script>"""
_POINTED = """
{text}<nav><a href=/plain/1>One</a> <a href=/plain/2>Two</a></nav><section><div></div></section>
<script>
const add = (where, name) => where.append(Object.assign(new Image(), {src: `/img/${name}.png`}));
document.addEventListener("mouseover", ({target}) => {
  if (target.localName === "a") add(document.body, `over${target.textContent}`);
});
const box = document.querySelector("section");
box.style = "overflow-y: scroll; height: 200px; width: 300px";
box.firstChild.style = "height: 700px";
box.onscroll = () => { if (box.scrollTop > 400) add(box, "boxed"); };
document.body.insertAdjacentHTML("beforeend", "<p style='height: 800px'>");
</script>"""
_STILL = """
<p>Wheel</p><div style="cursor: grab; width: 300px; height: 200px"></div>
<script>
let n = 0, from = null;
const show = (name) => { document.querySelector("p").innerHTML = `<img src=/img/${name}.png>`; };
addEventListener("wheel", () => { if (n < 2) show(`wheel${n++}`); });
const thing = document.querySelector("div");
thing.addEventListener("pointerdown", ({clientX}) => { from = clientX; });
thing.addEventListener("pointermove", ({clientX}) => {
  if (from === null || from - clientX < 60) return;
  from = null;
  show("dragged");
});
</script>"""
PAGES = {
    "/list": "<div id=root></div><script src=/app.js></script>",
    "/made": _TEXT + "<img src=/img/made.png>",
    **{
        path: page.replace("{text}", _TEXT)
        for path, page in {
            "/": _HOME,
            "/lazy": _LAZY,
            "/more": _MORE,
            "/shadow": _SHADOW,
            "/drawn": _DRAWN,
            "/slides": _SLIDES,
            "/chosen": _CHOSEN,
            "/numbers": _NUMBERS,
            "/pointed": _POINTED,
            "/still": _STILL,
        }.items()
    },
}
for _n in range(1, 9):
    PAGES[f"/plain/{_n}"] = (
        _TEXT
        + f"<img src=/img/plain{_n}.png>"
        + f"<a href=/plain/{_n + 1}>next</a><script>window.visited = {_n}</script>"
    )
APP = """
(async () => {
  const told = await (await fetch("/graphql", {method: "POST", headers: {"content-type": "application/json"},
    body: JSON.stringify({query: "{ pictures { name } }"})})).json();
  for (const {name} of told.data.pictures)
    root.insertAdjacentHTML(
      "beforeend",
      `<figure><img src="/img/${name}.png" alt="Alt of ${name}"><figcaption>Caption of ${name}</figcaption></figure>`,
    );
  root.insertAdjacentHTML("beforeend", '<a href="/made">made by a script</a>');
  fetch("/private/secret.json").catch(() => 0);
  navigator.sendBeacon("/beacon", "x");
  try { new WebSocket(`ws://${location.host}/socket`) } catch {}
})();
"""
LISTED = tuple(f"listed{n}" for n in range(4))
IMAGES = frozenset(
    {"static", "route", "shadow", "made", *LISTED}
    | {f"lazy{n}" for n in range(6)}
    | {f"more{n}" for n in range(6)}
    | {f"plain{n}" for n in range(1, 9)}
)
"""The names of all pictures that a person gets to see, beginning at the home page."""
TOUCHED = {
    "chosen": frozenset({"red", "blue", "size0", "size1", *(f"frame{n}" for n in (1, 2, 3))}),
    "numbers": frozenset({"further", *(f"number{n}" for n in range(1, 4))}),
    "pointed": frozenset({"overOne", "overTwo", "boxed"}),
    "still": frozenset({"dragged", *(f"wheel{n}" for n in range(2))}),
}
"""By page, what comes when a person chooses, clicks at what is made anew, points at it, scrolls in a box, drags, or
turns the wheel.
"""
BY_SCRIPTS = frozenset(name for name in IMAGES if not name.startswith(("static", "plain", "made")))


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, robots: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.robots = robots
        self.mutex = threading.Lock()
        self.asked: Counter[str] = Counter()
        """How often which path was asked for, with its query."""
        self.arrivals: list[tuple[float, str]] = []

    @property
    def url(self) -> str:
        return "http://{}:{}/".format(*self.server_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._note()
        if self.path == "/graphql":
            self._answer(
                _json({"data": {"pictures": [{"name": name} for name in LISTED]}}), "application/json"
            )
        else:
            self._answer(b"", "text/plain", 204)

    def do_GET(self) -> None:
        self._note()
        path, _, query = self.path.partition("?")
        if path == "/robots.txt" and self.server.robots:
            self._answer(self.server.robots.encode(), "text/plain")
        elif path in PAGES:
            self._answer(("<!DOCTYPE html><title>T</title><body>" + PAGES[path]).encode(), "text/html")
        elif path == "/app.js":
            self._answer(APP.encode(), "text/javascript")
        elif path == "/api/more.json":
            first = int(query.partition("=")[2])
            self._answer(_json([f"more{n}" for n in range(first, first + 2)]), "application/json")
        elif path == "/private/secret.json":
            self._answer(b"{}", "application/json")
        elif path.startswith("/img/"):
            self._answer(png(random.Random(path)), "image/png")
        else:
            self._answer(b"none", "text/plain", 404)

    def _note(self) -> None:
        with self.server.mutex:
            self.server.asked[self.path] += 1
            self.server.arrivals.append((time.monotonic(), self.path))

    def _answer(self, body: bytes, content_type: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


@contextmanager
def serving(robots: str = "User-agent: *\nDisallow: /private/\n") -> Iterator[Server]:
    with in_thread(Server(robots)) as server:
        yield server
