"""Documents within documents, and pictures made of tiles."""

from __future__ import annotations

from tests.benchmarks.rendered.site import ELSEWHERE, Click, Pictures, Site, Visit, npm, page, script


def _inner(first: int, last: int) -> str:
    """A document that shows some of the pictures by script."""
    return page(
        f"{first} to {last}",
        "<main></main>"
        + script(
            """
for (let n = FIRST; n <= LAST; n++) document.querySelector("main").append(Object.assign(new Image(200), { src: `/img/photo-${String(n).padStart(2, "0")}.jpg`, alt: `Photo ${n}` }));
""".replace("FIRST", str(first)).replace("LAST", str(last))
        ),
    )


SAME = Site(
    name="frames",
    about="Frames of the same origin: static with scripts inside, made by script, lazy, and one by srcdoc",
    pictures=Pictures(count=15),
    files={
        "index.html": page(
            "Frames",
            '<iframe src="/one.html" width="900" height="300"></iframe><div id="here"></div>'
            + script("""
const here = document.getElementById("here");
here.append(Object.assign(document.createElement("iframe"), { src: "/two.html", width: 900, height: 300 }));
here.append(Object.assign(document.createElement("iframe"), { srcdoc: '<script>for (let n = 8; n < 11; n++) document.write(`<img width="200" src="/img/photo-${String(n).padStart(2, "0")}.jpg">`)<\\/script>', width: 900, height: 300 }));
here.append(Object.assign(document.createElement("div"), { style: "height:3000px" }));
here.append(Object.assign(document.createElement("iframe"), { src: "/three.html", loading: "lazy", width: 900, height: 300 }));
"""),
        ),
        "one.html": _inner(1, 4),
        "two.html": _inner(5, 7),
        "three.html": _inner(11, 15),
    },
)

OTHER = Site(
    name="frame-elsewhere",
    about="A frame of another origin, whose scripts fetch from there (a widget of a supplier)",
    pictures=Pictures(count=8, elsewhere=True),
    delay_s=0.1,
    files={
        "index.html": page(
            "Widget",
            f'<h1>Reviews</h1><iframe src="{ELSEWHERE}/widget.html" width="900" height="600"></iframe>',
        ),
        "elsewhere/widget.html": page(
            "Reviews",
            "<main></main>"
            + script(
                """
fetch("ELSEWHERE/api/pictures").then((it) => it.json()).then(({ pictures }) => {
  for (const it of pictures) document.querySelector("main").append(Object.assign(new Image(200), { src: it.src, alt: it.title }));
});
""".replace("ELSEWHERE", ELSEWHERE)
            ),
        ),
    },
)

LEAFLET = Site(
    name="leaflet-tiles",
    about="Leaflet with tiles of its own, sixteen at the one zoom there is",
    pictures=Pictures(count=16, url="/tiles/{n}.png", widths=(256,)),
    files={
        "index.html": page(
            "Map",
            '<div id="map" style="width:1024px;height:700px"></div>'
            + npm("leaflet/dist/leaflet.js")
            + script("""
const Plan = L.TileLayer.extend({ getTileUrl: ({ x, y }) => `/tiles/${y * 4 + x + 1}.png` });
const map = L.map("map", { crs: L.CRS.Simple, minZoom: 0, maxZoom: 0 }).setView([-512, 512], 0);
new Plan("", { bounds: [[-1024, 0], [0, 1024]], noWrap: true }).addTo(map);
"""),
            npm("leaflet/dist/leaflet.css"),
        )
    },
)

SEADRAGON = Site(
    name="openseadragon",
    about="OpenSeadragon in its sequence mode: scans of a book, leafed through by its button",
    pictures=Pictures(count=8, url="/scans/{n}.jpg", widths=(900,)),
    files={
        "index.html": page(
            "Book",
            '<div id="viewer" style="width:900px;height:650px"></div>'
            + npm("openseadragon/build/openseadragon/openseadragon.min.js")
            + script("""
OpenSeadragon({
  id: "viewer",
  prefixUrl: "/node_modules/openseadragon/build/openseadragon/images/",
  sequenceMode: true,
  preserveViewport: true,
  tileSources: Array.from({ length: 8 }, (_, at) => ({ type: "image", url: `/scans/${at + 1}.jpg` })),
});
"""),
        )
    },
    visits=(Visit("/", (Click("[title='Next page']", 7),)),),
)

SITES = (SAME, OTHER, LEAFLET, SEADRAGON)
