"""By hand, without a library: what a person turns, drags, chooses, points at, or scrolls in a box of its own."""

from __future__ import annotations

from tests.benchmarks.rendered.kinds.components import PHOTO, SHOW
from tests.benchmarks.rendered.site import (
    Choose,
    Click,
    Drag,
    Hover,
    Pictures,
    Press,
    Scroll,
    Site,
    Visit,
    Wheel,
    npm,
    page,
    script,
)

SELECT = Site(
    name="product-form",
    about="A product's form: colours as hidden radio inputs with labels, a <select> of sizes; each swaps the picture",
    pictures=Pictures(count=13),
    files={
        "index.html": page(
            "Product",
            '<img id="main" width="400" alt="Product"><form action="/cart" method="post"><fieldset id="colours"></fieldset><select name="size"></select><button>Add to cart</button></form>'
            + script(
                PHOTO
                + """
const form = document.querySelector("form"), image = document.getElementById("main");
for (let n = 1; n <= 7; n++) colours.insertAdjacentHTML("beforeend", `<input type="radio" name="colour" value="${n}" id="c${n}" style="position:absolute;opacity:0;width:1px;height:1px"><label for="c${n}">Colour ${n}</label>`);
for (let n = 8; n <= 13; n++) form.size.add(new Option(`Size ${n}`, n));
image.src = photo(1);
form.addEventListener("change", (event) => { image.src = photo(event.target.value); });
"""
            ),
        )
    },
    visits=(
        Visit(
            "/",
            (
                Click("label", each=True),
                Choose("select"),
            ),
        ),
    ),
    wanted=frozenset(range(1, 14)),
)

TOM = Site(
    name="tom-select",
    about="Tom Select: a drop-down in place of a <select>; what is chosen shows its picture",
    pictures=Pictures(count=8),
    files={
        "index.html": page(
            "Rooms",
            '<select id="rooms"></select><p><img id="room" width="300" alt=""></p>'
            + npm("tom-select/dist/js/tom-select.complete.min.js")
            + script(
                PHOTO
                + """
new TomSelect("#rooms", { options: Array.from({ length: 8 }, (_, at) => ({ value: String(at + 1), text: `Room ${at + 1}` })), items: ["1"], controlInput: null, onInitialize: () => { room.src = photo(1); }, onChange: (it) => { room.src = photo(it); } });
"""
            ),
            npm("tom-select/dist/css/tom-select.css"),
        )
    },
    visits=(
        Visit(
            "/",
            tuple(
                step
                for n in range(2, 9)
                for step in (Click(".ts-control"), Click(f".option[data-value='{n}']"))
            ),
        ),
    ),
)

RANGE = Site(
    name="turntable",
    about="All round a thing, 12 frames by <input type=range>; another one by dragging",
    pictures=Pictures(count=22),
    files={
        "index.html": page(
            "Turntable",
            '<p><img id="a" width="300" alt="Shoe"><br><input type="range" min="1" max="12" value="1"></p>'
            '<div id="b" style="width:300px;height:225px;background-size:cover;cursor:grab;user-select:none"></div>'
            + script(
                PHOTO
                + """
const range = document.querySelector("input"), box = document.getElementById("b");
range.addEventListener("input", () => { a.src = photo(range.value); });
a.src = photo(1);
let from = null, frame = 0;
const show = () => { box.style.backgroundImage = `url(${photo(13 + ((Math.round(frame) % 10) + 10) % 10)})`; };
box.addEventListener("pointerdown", (event) => { from = event.clientX; box.setPointerCapture(event.pointerId); });
box.addEventListener("pointermove", (event) => { if (from === null) return; frame += (event.clientX - from) / 30; from = event.clientX; show(); });
box.addEventListener("pointerup", () => { from = null; });
show();
"""
            ),
        )
    },
    visits=(Visit("/", (Click("input"), Press("Home"), Press("ArrowRight", 11), Drag("#b", 140, 6))),),
)

HOVER = Site(
    name="mega-menu",
    about="A menu whose links lead to pages, and that shows pictures when the mouse is over it; one listener for all, on the document",
    pictures=Pictures(count=14),
    files={
        "index.html": page(
            "Shop",
            "<nav></nav><main></main>"
            + script(
                SHOW
                + """
const names = ["Shoes", "Coats", "Hats", "Bags"];
document.querySelector("nav").innerHTML = "<ul>" + names.map((name, at) => `<li data-at="${at}"><a href="/${name.toLowerCase()}.html">${name}</a><div class="panel"></div></li>`).join("") + "</ul>";
document.addEventListener("mouseover", (event) => { const it = event.target.closest?.("li"); if (it) show(it.querySelector(".panel"), 1 + 2 * it.dataset.at, 2 + 2 * it.dataset.at); });
document.querySelector("main").innerHTML = [9, 10, 11].map((n) => `<a class="card" href="/shoes.html" data-n="${n}"><img width="200" height="150" src="${photo(n)}" alt=""></a>`).join(" ");
for (const card of document.querySelectorAll(".card")) card.addEventListener("mouseenter", () => { card.firstChild.src = photo(Number(card.dataset.n) + 3); });
"""
            ),
            "<style>.panel { display: none } li:hover .panel { display: block }</style>",
        ),
        **{
            f"{name}.html": page(name, f"<h1>{name}</h1><p>None left.</p>")
            for name in ("shoes", "coats", "hats", "bags")
        },
    },
    visits=(Visit("/", (Hover("nav a"), Hover(".card"))),),
)

CHAT = Site(
    name="chat",
    about="A chat that begins at its end: older messages come when one scrolls up; in a box of its own",
    pictures=Pictures(count=24),
    delay_s=0.05,
    files={
        "index.html": page(
            "Chat",
            '<div id="box" style="height:500px;width:500px;overflow-y:auto"></div>'
            + script("""
let loading = false, from = 0;
async function older() {
  if (loading || from >= 24) return;
  loading = true;
  const { pictures } = await (await fetch(`/api/pictures?offset=${from}&limit=4`)).json();
  from += 4;
  const before = box.scrollHeight;
  for (const it of pictures) box.insertAdjacentHTML("afterbegin", `<p><img width="320" height="240" src="${it.src}" alt="${it.title}"></p>`);
  box.scrollTop += box.scrollHeight - before;
  loading = false;
}
box.addEventListener("scroll", () => { if (box.scrollTop < 50) older(); });
older().then(() => { box.scrollTop = box.scrollHeight; });
"""),
        )
    },
    visits=(Visit("/", (Wheel("#box", -1500, 12),)),),
)

BOXES = Site(
    name="boxes",
    about="A page that scrolls, and in it two boxes that do: a list without an end, and a panel with lazy pictures",
    pictures=Pictures(count=32),
    delay_s=0.05,
    files={
        "index.html": page(
            "Boxes",
            '<p style="height:1200px">Words</p><div id="feed" style="height:400px;width:500px;overflow-y:auto;float:left"></div>'
            '<aside id="panel" style="height:400px;width:300px;overflow-y:scroll"></aside><p style="height:1200px">More words</p>'
            + script(
                PHOTO
                + """
let loading = false, from = 0;
async function more() {
  if (loading || from >= 20) return;
  loading = true;
  const { pictures } = await (await fetch(`/api/pictures?offset=${from}&limit=4`)).json();
  from += 4;
  for (const it of pictures) feed.insertAdjacentHTML("beforeend", `<p><img width="320" height="240" src="${it.src}" alt="${it.title}"></p>`);
  loading = false;
}
feed.addEventListener("scroll", () => { if (feed.scrollTop + feed.clientHeight > feed.scrollHeight - 100) more(); });
more();
const seen = new IntersectionObserver((all) => { for (const { isIntersecting, target } of all) if (isIntersecting) target.src = photo(target.dataset.n); }, { root: panel });
for (let n = 21; n <= 32; n++) { panel.insertAdjacentHTML("beforeend", `<img width="200" height="150" data-n="${n}" alt=""><br>`); seen.observe(panel.querySelector(`[data-n="${n}"]`)); }
"""
            ),
        )
    },
    visits=(Visit("/", (Scroll("#feed"), Scroll("#panel"))),),
)

BAND = Site(
    name="narrow-band",
    about="IntersectionObserver with a rootMargin that leaves a narrow band in the middle; many small pictures",
    pictures=Pictures(count=40),
    files={
        "index.html": page(
            "Band",
            "<main></main>"
            + script(
                PHOTO
                + """
const seen = new IntersectionObserver((all) => { for (const { isIntersecting, target } of all) if (isIntersecting) target.src = photo(target.dataset.n); }, { rootMargin: "-30% 0px -30% 0px" });
for (let n = 1; n <= 40; n++) {
  const image = Object.assign(new Image(), { alt: `Photo ${n}` });
  image.dataset.n = n;
  document.querySelector("main").append(image);
  seen.observe(image);
}
"""
            ),
            "<style>main img { display: block; width: 160px; height: 120px; margin-bottom: 20px } main { padding: 500px 0 }</style>",
        )
    },
)

ROWS = Site(
    name="snap-rows",
    about="Rows of <x-row> and <figure> that snap as one scrolls sideways, each with lazy pictures; one is turned by dragging only",
    pictures=Pictures(count=30),
    files={
        "index.html": page(
            "Rows",
            '<x-row></x-row><figure></figure><div id="drag"><div></div></div>'
            + script(
                PHOTO
                + """
const fill = (row, from, root) => {
  const seen = new IntersectionObserver((all) => { for (const { isIntersecting, target } of all) if (isIntersecting) target.src = photo(target.dataset.n); }, { root });
  for (let n = from; n < from + 10; n++) {
    const image = Object.assign(new Image(), { alt: `Photo ${n}`, draggable: false });
    image.dataset.n = n;
    row.append(image);
    seen.observe(image);
  }
};
fill(document.querySelector("x-row"), 1, document.querySelector("x-row"));
fill(document.querySelector("figure"), 11, document.querySelector("figure"));
const track = drag.firstChild;
fill(track, 21, drag);
let from = null, x = 0;
drag.addEventListener("mousedown", (event) => { from = event.clientX; });
addEventListener("mousemove", (event) => { if (from === null) return; x = Math.min(0, Math.max(-2600, x + event.clientX - from)); from = event.clientX; track.style.transform = `translateX(${x}px)`; });
addEventListener("mouseup", () => { from = null; });
"""
            ),
            "<style>x-row, figure, #drag > div { display: flex; gap: 20px } x-row, figure { overflow-x: auto; scroll-snap-type: x mandatory; width: 600px } #drag { overflow: hidden; width: 600px; cursor: grab }"
            " img { flex: none; width: 280px; height: 210px; scroll-snap-align: start }</style>",
        )
    },
    visits=(
        Visit(
            "/", (Scroll("x-row", sideways=True), Scroll("figure", sideways=True), Drag("#drag", -280, 12))
        ),
    ),
)

MAP = Site(
    name="image-map",
    about="A map with areas; a chart of SVG with points; each shows a picture at a click",
    pictures=Pictures(count=11),
    files={
        "index.html": page(
            "Map",
            '<img id="plan" width="400" height="300" usemap="#rooms" alt="Plan"><map name="rooms"></map><svg width="400" height="60"></svg><p id="shown"></p>'
            + script(
                PHOTO
                + """
plan.src = photo(1);
const put = (n) => { shown.innerHTML = `<img src="${photo(n)}" alt="Room ${n}">`; };
for (let n = 2; n <= 6; n++) document.querySelector("map").insertAdjacentHTML("beforeend", `<area shape="rect" coords="${80 * (n - 2)},0,${80 * (n - 1)},300" href="#room-${n}" alt="Room ${n}">`);
addEventListener("hashchange", () => put(location.hash.split("-")[1]));
for (let n = 7; n <= 11; n++) document.querySelector("svg").insertAdjacentHTML("beforeend", `<circle cx="${40 + 60 * (n - 7)}" cy="30" r="20" data-n="${n}"/>`);
document.querySelector("svg").addEventListener("click", (event) => { if (event.target.dataset.n) put(event.target.dataset.n); });
"""
            ),
            "<style>circle { cursor: pointer }</style>",
        )
    },
    visits=(Visit("/", (*(Press("Tab"), Press("Enter")) * 5, Click("circle", each=True))),),
)

SLIDESHOW = Site(
    name="slideshow",
    about="A slide show that plays by itself, one picture a second, and has nothing to click at",
    pictures=Pictures(count=8),
    files={
        "index.html": page(
            "Show",
            '<h1>Welcome</h1><img id="shown" width="640" height="480" alt="">'
            + script(
                PHOTO
                + """
let n = 0;
const turn = () => { n = n % 8 + 1; shown.src = photo(n); };
turn();
setInterval(turn, 1000);
"""
            ),
        )
    },
    visits=(Visit("/", (Press("Shift", 14),)),),
)

KEYS = Site(
    name="story-keys",
    about="A story that is leafed through by the space bar, the arrow down, or the wheel; nothing to click at",
    pictures=Pictures(count=12),
    files={
        "index.html": page(
            "Story",
            "<main style='height:100vh;overflow:hidden'></main>"
            + script(
                PHOTO
                + """
let n = 0, last = 0;
const turn = (by) => { n = Math.min(12, Math.max(1, n + by)); document.querySelector("main").style.background = `url(${photo(n)})`; };
turn(1);
addEventListener("wheel", (event) => { if (Date.now() - last > 150) { last = Date.now(); turn(Math.sign(event.deltaY)); } });
addEventListener("keydown", (event) => { if (event.key === "ArrowDown" || event.key === " ") turn(1); });
"""
            ),
            "<style>body { margin: 0 }</style>",
        )
    },
    visits=(Visit("/", (Press("ArrowDown", 12),)),),
)

SITES = (SELECT, TOM, RANGE, HOVER, CHAT, BOXES, BAND, ROWS, MAP, SLIDESHOW, KEYS)
