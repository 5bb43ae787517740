"""Pictures in unusual places of a document: style sheets of scripts, objects, frames within frames, shadows, data."""

from __future__ import annotations

import base64

from tests.benchmarks.rendered.kinds.components import PHOTO, SHOW
from tests.benchmarks.rendered.pictures import picture
from tests.benchmarks.rendered.site import (
    Ask,
    Click,
    Hover,
    Pictures,
    Reply,
    Site,
    Visit,
    as_json,
    html,
    page,
    script,
)

STYLES = Site(
    name="styles",
    about="Style sheets that scripts make: variables, pseudo elements, image-set(), borders, lists, masks; one rule for :hover",
    pictures=Pictures(count=10),
    files={
        "index.html": page(
            "Styles",
            '<main><b class="a"></b><b class="b"></b><b class="c"></b><b class="d"></b><ul class="e"><li>One</li></ul><b class="f"></b><b class="g"></b><b class="h"></b><b class="i"></b></main>'
            + script(
                PHOTO
                + """
const sheet = new CSSStyleSheet();
const rules = [
  "b { display: inline-block; width: 200px; height: 150px; background-size: cover }",
  `:root { --hero: url(${photo(1)}) }`, ".a { background: var(--hero) }",
  `.b::before { content: ""; position: absolute; width: 200px; height: 150px; background: url(${photo(2)}) }`,
  `.c::after { content: url(${photo(3)}) }`,
  `.d { background-image: image-set(url(${photo(4)}) 1x, url(${photo(5)}) 2x) }`,
  `.e { list-style-image: url(${photo(6)}) }`,
  `.f { border: 20px solid; border-image: url(${photo(7)}) 30 }`,
  `.g { background: red; mask-image: url(${photo(8)}) }`,
  `.h { background: url(${photo(9)}) } .i:hover { background: url(${photo(10)}) }`,
];
sheet.replaceSync(rules.join("\\n"));
document.adoptedStyleSheets = [sheet];
"""
            ),
        )
    },
    visits=(Visit("/", (Hover(".i"),)),),
    wanted=frozenset({1, 2, 3, 4, 6, 7, 8, 9, 10}),
)

OBJECTS = Site(
    name="objects",
    about="<object>, <embed>, <svg image>, <input type=image>, a poster, a favourite in a template; all made by a script",
    pictures=Pictures(count=7),
    files={
        "index.html": page(
            "Objects",
            "<main></main><template><p></p></template>"
            + script(
                PHOTO
                + """
document.querySelector("main").innerHTML = `
  <object data="${photo(1)}" type="image/jpeg" width="200" height="150"></object>
  <object data="${photo(2)}" width="200" height="150"></object>
  <embed src="${photo(3)}" type="image/jpeg" width="200" height="150">
  <svg width="200" height="150"><image href="${photo(4)}" width="200" height="150"/></svg>
  <form><input type="image" src="${photo(5)}" alt="Go" width="200"></form>
  <video poster="${photo(6)}" width="200" height="150"></video>
  <iframe src="${photo(7)}" width="300" height="200"></iframe>`;
"""
            ),
        )
    },
)


def _framed(ask: Ask) -> Reply:
    first = ask.number("from", 1)
    body = script(
        PHOTO
        + f"""
const seen = new IntersectionObserver((all) => {{ for (const {{ isIntersecting, target }} of all) if (isIntersecting) target.src = photo(target.dataset.n); }});
for (let n = {first}; n < {first + 6}; n++) {{
  const image = Object.assign(new Image(300, 225), {{ alt: "" }});
  image.style.display = "block";
  image.dataset.n = n;
  document.body.append(image);
  seen.observe(image);
}}
const more = document.body.appendChild(Object.assign(document.createElement("button"), {{ textContent: "Show more" }}));
more.onclick = () => {{ more.remove(); for (let n = {first + 6}; n < {first + 9}; n++) document.body.append(Object.assign(new Image(300, 225), {{ src: photo(n) }})); }};
"""
    )
    return html(page("Album", body))


INNER = Site(
    name="inner-frame",
    about="An album in a frame that scrolls by itself, with a button for more at its end; another in srcdoc",
    pictures=Pictures(count=18),
    answers={"/album": _framed},
    files={
        "index.html": page(
            "Frames",
            "<main></main>"
            + script("""
document.querySelector("main").innerHTML = '<iframe id="a" src="/album?from=1" width="400" height="300"></iframe>';
fetch("/album?from=10").then((it) => it.text()).then((text) => {
  document.querySelector("main").append(Object.assign(document.createElement("iframe"), { id: "b", srcdoc: text, width: 400, height: 300 }));
});
"""),
        )
    },
)

SHADOWS = Site(
    name="nested-shadows",
    about="Closed shadow roots in open ones in closed ones; lazy pictures in the innermost, a button for more in the middle",
    pictures=Pictures(count=12),
    files={
        "index.html": page(
            "Shadows",
            "<x-outer></x-outer>"
            + script(
                PHOTO
                + """
customElements.define("x-photo", class extends HTMLElement {
  connectedCallback() {
    const root = this.attachShadow({ mode: "closed" });
    root.innerHTML = "<style>img { display: block; width: 400px; height: 300px }</style><img>";
    new IntersectionObserver((all) => { if (all.at(-1).isIntersecting) root.querySelector("img").src = photo(this.getAttribute("n")); }).observe(this);
  }
});
customElements.define("x-middle", class extends HTMLElement {
  connectedCallback() {
    const root = this.attachShadow({ mode: this.getAttribute("mode") });
    root.innerHTML = "<main></main><button>Show more</button>";
    let n = Number(this.getAttribute("from"));
    const more = () => { for (const end = n + 3; n < end; n++) root.querySelector("main").insertAdjacentHTML("beforeend", `<x-photo n="${n}"></x-photo>`); };
    more();
    root.querySelector("button").onclick = (event) => { more(); event.target.remove(); };
  }
});
customElements.define("x-outer", class extends HTMLElement {
  connectedCallback() { this.attachShadow({ mode: "open" }).innerHTML = '<x-middle mode="open" from="1"></x-middle><x-middle mode="closed" from="7"></x-middle>'; }
});
"""
            ),
        )
    },
    visits=(Visit("/", (Click("button", 1),)),),
    wanted=frozenset(range(1, 13)),
)


def _base64(ask: Ask) -> Reply:
    return as_json(
        {"pictures": [base64.b64encode(picture(ask.site.name, n, 320, "jpg")).decode() for n in range(7, 11)]}
    )


BLOBS = Site(
    name="data-blobs",
    about="XHR that answers a blob, one by one; others as base64 in JSON; JSONP; an import map",
    pictures=Pictures(count=6),
    drawn=4,
    answers={
        "/api/base64": _base64,
        "/jsonp": lambda ask: Reply(b'show({"pictures": [4, 5, 6]})', "text/javascript"),
        "/lib/photos.js": lambda ask: Reply(b"export const first = [1];", "text/javascript"),
    },
    files={
        "index.html": page(
            "Blobs",
            "<main></main>"
            + script(
                PHOTO
                + """
const put = (src) => document.querySelector("main").append(Object.assign(new Image(), { src }));
globalThis.show = ({ pictures }) => pictures.forEach((n) => put(photo(n)));
for (const n of [2, 3]) {
  const asked = new XMLHttpRequest();
  asked.open("GET", photo(n));
  asked.responseType = "blob";
  asked.onload = () => put(URL.createObjectURL(asked.response));
  asked.send();
}
document.head.append(Object.assign(document.createElement("script"), { src: "/jsonp?callback=show" }));
fetch("/api/base64").then((it) => it.json()).then(({ pictures }) => pictures.forEach((it) => put(`data:image/jpeg;base64,${it}`)));
"""
            )
            + script('import { first } from "photos"; first.forEach((n) => put(photo(n)));', module=True),
            '<script type="importmap">{ "imports": { "photos": "/lib/photos.js" } }</script>',
        )
    },
)

OPENED = Site(
    name="dialogs",
    about="<dialog>, popovers, <details> and hidden=until-found, filled when they open; 'more' is a bare <div>",
    pictures=Pictures(count=16),
    files={
        "index.html": page(
            "Dialogs",
            '<button id="opens">Gallery</button><dialog id="box"><form method="dialog"><button>Close</button></form></dialog>'
            '<button popovertarget="pop">Card</button><div id="pop" popover></div><details id="more"><summary>Details</summary></details>'
            '<section id="list"></section><div class="load">Show more</div>'
            + script(
                SHOW
                + """
opens.onclick = () => { show(box, 1, 3); box.showModal(); };
pop.addEventListener("beforetoggle", () => show(pop, 4, 5));
more.addEventListener("toggle", () => show(more, 6, 7));
let n = 8;
const load = () => { for (const end = n + 3; n < end; n++) list.append(Object.assign(new Image(200, 150), { src: photo(n) })); if (n > 16) document.querySelector(".load").remove(); };
load();
document.addEventListener("click", (event) => { if (event.target.className === "load") load(); });
"""
            ),
        )
    },
    visits=(
        Visit(
            "/",
            (
                Click("#opens"),
                Click("dialog button"),
                Click("[popovertarget]"),
                Click("summary"),
                Click(".load", 3),
            ),
        ),
    ),
)

SITES = (STYLES, OBJECTS, INNER, SHADOWS, BLOBS, OPENED)
