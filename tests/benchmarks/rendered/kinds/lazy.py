"""Loaders that wait until a picture comes into view."""

from __future__ import annotations

from tests.benchmarks.rendered.site import Pictures, Scroll, Site, Visit, npm, page, script

TALL = (
    "<style>main img, main div { display: block; width: 480px; height: 360px; margin-bottom: 40px }</style>"
)
PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"

LOZAD = Site(
    name="lozad",
    about="lozad: data-src and data-background-image in the markup; the second half under keys that a function looks up",
    pictures=Pictures(count=20),
    files={
        "index.html": page(
            "Lozad",
            "<main>"
            + "".join(
                f'<img class="lozad" data-src="/img/photo-{n:02}.jpg" alt="Photo {n}">' for n in range(1, 7)
            )
            + "".join(
                f'<div class="lozad" data-background-image="/img/photo-{n:02}.jpg"></div>'
                for n in range(7, 11)
            )
            + "".join(f'<img class="keyed" data-key="{n}" alt="Photo {n}">' for n in range(11, 21))
            + "</main>"
            + npm("lozad/dist/lozad.min.js")
            + script("""
lozad().observe();
lozad(".keyed", { rootMargin: "50px", load: (it) => { it.src = "/img/photo-" + it.dataset.key.padStart(2, "0") + ".jpg"; } }).observe();
"""),
            TALL,
        )
    },
)

VANILLA = Site(
    name="vanilla-lazyload",
    about="vanilla-lazyload: data-src, data-srcset, data-bg; more from an API, then update()",
    pictures=Pictures(count=18, url="/pics/{w}/{n}.jpg", widths=(320, 640)),
    delay_s=0.2,
    files={
        "index.html": page(
            "Lazy",
            "<main>"
            + "".join(f'<img class="lazy" data-src="/pics/640/{n}.jpg" alt="{n}">' for n in (1, 2, 3))
            + "".join(
                f'<img class="lazy" data-srcset="/pics/320/{n}.jpg 320w, /pics/640/{n}.jpg 640w" alt="{n}">'
                for n in (4, 5, 6)
            )
            + "".join(f'<div class="lazy" data-bg="/pics/640/{n}.jpg"></div>' for n in (7, 8))
            + "</main>"
            + npm("vanilla-lazyload/dist/lazyload.min.js")
            + script("""
const lazy = new LazyLoad();
fetch("/api/pictures?offset=8").then((it) => it.json()).then(({ pictures }) => {
  for (const it of pictures) {
    const image = Object.assign(new Image(), { className: "lazy", alt: it.title });
    image.dataset.src = it.src;
    document.querySelector("main").append(image);
  }
  lazy.update();
});
"""),
            TALL,
        )
    },
)

LAZYSIZES = Site(
    name="lazysizes",
    about="lazysizes with data-srcset and data-sizes=auto, in a picture element, and the plugin bgset; made by a template in the page",
    pictures=Pictures(count=16, url="/cdn/{n}_{w}x.jpg", widths=(320, 640, 1280)),
    files={
        "index.html": page(
            "Lazysizes",
            "<main></main>"
            + script("""
const srcset = (n) => [320, 640, 1280].map((w) => `/cdn/${n}_${w}x.jpg ${w}w`).join(", ");
const plain = (n) => `<img class="lazyload" data-sizes="auto" data-srcset="${srcset(n)}" alt="Photo ${n}">`;
const picture = (n) => `<picture><source data-srcset="${srcset(n)}" media="(min-width: 1px)"><img class="lazyload" data-src="/cdn/${n}_640x.jpg" alt="Photo ${n}"></picture>`;
const background = (n) => `<div class="lazyload" data-sizes="auto" data-bgset="${srcset(n)}"></div>`;
const kinds = [plain, picture, background, plain];
document.querySelector("main").innerHTML = Array.from({ length: 16 }, (_, at) => kinds[at % 4](at + 1)).join("");
""")
            + npm("lazysizes/plugins/bgset/ls.bgset.min.js", "lazysizes/lazysizes.min.js"),
            TALL,
        )
    },
)

BLAZY = Site(
    name="blazy",
    about="bLazy in a container that scrolls by itself; a page of another template beside it",
    pictures=Pictures(count=14),
    files={
        "index.html": page(
            "bLazy",
            '<a href="/plain.html">Plain</a><main id="box" style="height:500px;overflow-y:scroll"></main>'
            + npm("blazy/blazy.min.js")
            + script("""
const box = document.getElementById("box");
for (let n = 1; n <= 12; n++) box.insertAdjacentHTML("beforeend", `<img class="b-lazy" data-picture="/img/photo-${String(n).padStart(2, "0")}.jpg" alt="Photo ${n}">`);
new Blazy({ container: "#box", src: "data-picture", offset: 50 });
"""),
            TALL,
        ),
        "plain.html": page(
            "Plain", "".join(f'<img src="/img/photo-{n}.jpg" alt="Photo {n}">' for n in (13, 14))
        ),
    },
    visits=(Visit("/", (Scroll("#box"),)), Visit("/plain.html")),
)

REACT_LAZY = Site(
    name="react-lazy-image",
    about="react-lazy-load-image-component: placeholders until they come near",
    pictures=Pictures(count=15),
    delay_s=0.1,
    files={"index.html": page("Lazy", '<div id="root"></div><script type="module" src="/app.js"></script>')},
    bundles={
        "app.jsx": """
import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { LazyLoadImage } from "react-lazy-load-image-component";

function Gallery() {
  const [pictures, set] = useState([]);
  useEffect(() => { fetch("/api/pictures").then((it) => it.json()).then((it) => set(it.pictures)); }, []);
  return pictures.map((it) => <p key={it.id}><LazyLoadImage src={it.src} alt={it.title} width={480} height={360} effect="blur" /></p>);
}
createRoot(document.getElementById("root")).render(<Gallery />);
"""
    },
)

DWELL = Site(
    name="dwell",
    about="By hand: a picture is fetched when it was in view for a quarter of a second; who scrolls fast sees none",
    pictures=Pictures(count=12),
    files={
        "index.html": page(
            "Dwell",
            "<main></main>"
            + script("""
const main = document.querySelector("main"), waits = new Map();
const observer = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    clearTimeout(waits.get(target));
    if (isIntersecting) waits.set(target, setTimeout(() => {
      observer.unobserve(target);
      target.append(Object.assign(new Image(), { src: `/img/photo-${target.id}.jpg`, alt: `Photo ${target.id}` }));
    }, 250));
  }
}, { threshold: 0.3 });
for (let n = 1; n <= 12; n++) {
  const place = Object.assign(document.createElement("div"), { id: String(n).padStart(2, "0") });
  main.append(place);
  observer.observe(place);
}
"""),
            TALL,
        )
    },
)

NATIVE = Site(
    name="native-lazy",
    about="loading=lazy on images that a script has made, with low-quality placeholders that are data: URLs",
    pictures=Pictures(count=16, url="/n/{n}.png"),
    files={
        "index.html": page(
            "Native",
            "<main></main>"
            + script(
                """
document.querySelector("main").innerHTML = Array.from({ length: 16 }, (_, at) =>
  `<div style="background: url(PIXEL)"><img loading="lazy" width="480" height="360" src="/n/${at + 1}.png" alt="Photo ${at + 1}"></div>`).join("");
""".replace("PIXEL", PIXEL)
            ),
            TALL,
        )
    },
)

SITES = (LOZAD, VANILLA, LAZYSIZES, BLAZY, REACT_LAZY, DWELL, NATIVE)
