"""Light boxes and galleries whose large pictures only their scripts know."""

from __future__ import annotations

from tests.benchmarks.rendered.kinds.components import PHOTO
from tests.benchmarks.rendered.site import Click, Pictures, Press, Site, Visit, npm, page, script

COUNT = 10
JQUERY = "jquery3/dist/jquery.min.js"
WIDE = Pictures(count=COUNT, url="/w{w}/{n}.jpg", widths=(240, 960))

FANCYBOX = Site(
    name="fancybox",
    about="Fancybox: opened by a click at a poster, with a list that an API brings",
    pictures=Pictures(count=COUNT),
    delay_s=0.1,
    files={
        "index.html": page(
            "Fancybox",
            '<h1>Album</h1><div id="poster" style="cursor:pointer;width:300px;height:200px;background:#ddd">Open the album</div>'
            + npm("@fancyapps/ui/dist/fancybox/fancybox.umd.js")
            + script("""
poster.addEventListener("click", async () => {
  const { pictures } = await (await fetch("/api/pictures")).json();
  Fancybox.show(pictures.map((it) => ({ src: it.src, type: "image", caption: it.title })), { Carousel: { Lazyload: { preload: 0 } } });
});
"""),
            npm("@fancyapps/ui/dist/fancybox/fancybox.css"),
        )
    },
    visits=(Visit("/", (Click("#poster"), Press("ArrowRight", COUNT))),),
)

VIEWERJS = Site(
    name="viewerjs",
    about="Viewer.js: thumbnails open large pictures whose addresses a function makes",
    pictures=WIDE,
    files={
        "index.html": page(
            "Viewer",
            '<ul id="photos"></ul>'
            + npm("viewerjs/dist/viewer.min.js")
            + script("""
for (let n = 1; n <= 10; n++) photos.insertAdjacentHTML("beforeend", `<li><img src="/w240/${n}.jpg" alt="Photo ${n}"></li>`);
new Viewer(photos, { url: (it) => it.src.replace("w240", "w960"), transition: false, navbar: false });
"""),
            npm("viewerjs/dist/viewer.min.css"),
        )
    },
    visits=(Visit("/", (Click("#photos img"), Press("ArrowRight", COUNT))),),
)

SPOTLIGHT = Site(
    name="spotlight",
    about="Spotlight: a button shows a gallery that is in no document; arrows are elements without words",
    pictures=Pictures(count=COUNT),
    files={
        "index.html": page(
            "Spotlight",
            "<h1>Album</h1><button id=open>Show</button>"
            + npm("spotlight.js/dist/spotlight.bundle.js")
            + script(
                PHOTO
                + """
document.getElementById("open").addEventListener("click", () => Spotlight.show(Array.from({ length: 10 }, (_, at) => ({ src: photo(at + 1) })), { preload: false }));
"""
            ),
        )
    },
    visits=(Visit("/", (Click("#open"), Press("ArrowRight", COUNT))),),
)

MAGNIFIC = Site(
    name="magnific-popup",
    about="Magnific Popup: a gallery of items in a script, opened from one link without an address",
    pictures=Pictures(count=COUNT),
    files={
        "index.html": page(
            "Magnific",
            "<h1>Album</h1><a id=album href=#>Pictures of the day</a>"
            + npm(JQUERY, "magnific-popup/dist/jquery.magnific-popup.min.js")
            + script(
                PHOTO
                + '$("#album").magnificPopup({ type: "image", gallery: { enabled: true, preload: [0, 0] }, items: Array.from({ length: 10 }, (_, at) => ({ src: photo(at + 1) })) });'
            ),
            npm("magnific-popup/dist/magnific-popup.css"),
        )
    },
    visits=(Visit("/", (Click("#album"), Press("ArrowRight", COUNT))),),
)

OWL = Site(
    name="owl-carousel",
    about="Owl Carousel: lazyLoad, three at a time, an API brings the items; its buttons are a bar each",
    pictures=Pictures(count=16),
    delay_s=0.1,
    files={
        "index.html": page(
            "Owl",
            '<div class="owl-carousel" style="width:900px"></div>'
            + npm(JQUERY, "owl.carousel/dist/owl.carousel.min.js")
            + script("""
$.getJSON("/api/pictures", ({ pictures }) => {
  $(".owl-carousel").html(pictures.map((it) => `<div><img class="owl-lazy" data-src="${it.src}" alt="${it.title}"></div>`).join("")).owlCarousel({ items: 3, lazyLoad: true, nav: true, smartSpeed: 100 });
});
"""),
            npm("owl.carousel/dist/assets/owl.carousel.min.css"),
        )
    },
    visits=(Visit("/", (Click(".owl-next", 16),)),),
)

BXSLIDER = Site(
    name="bxslider",
    about="bxSlider: each slide is filled as it comes, pager of thumbnails below",
    pictures=Pictures(count=COUNT),
    files={
        "index.html": page(
            "bxSlider",
            '<div style="width:640px"><div class="slides"></div></div>'
            + npm(JQUERY, "bxslider/dist/jquery.bxslider.min.js")
            + script(
                PHOTO
                + """
for (let n = 1; n <= 10; n++) $(".slides").append(`<div><img width="640" height="480" alt="Photo ${n}"></div>`);
const fill = (at) => { $(".slides > div:not(.bx-clone) img")[at].src = photo(at + 1); };
$(".slides").bxSlider({ speed: 100, onSliderLoad: fill, onSlideBefore: (_, __, at) => fill(at) });
"""
            ),
            npm("bxslider/dist/jquery.bxslider.min.css"),
        )
    },
    visits=(Visit("/", (Click(".bx-next", COUNT),)),),
)

NANOGALLERY = Site(
    name="nanogallery2",
    about="nanogallery2: albums within a gallery, thumbnails as backgrounds, a viewer for the large ones",
    pictures=WIDE,
    files={
        "index.html": page(
            "nanogallery2",
            '<div id="gallery"></div>'
            + npm(JQUERY, "nanogallery2/dist/jquery.nanogallery2.min.js")
            + script("""
const item = (n, album) => ({ src: `/w960/${n}.jpg`, srct: `/w240/${n}.jpg`, title: `Photo ${n}`, ID: String(n), albumID: album, kind: "image" });
$("#gallery").nanogallery2({ thumbnailHeight: 150, thumbnailWidth: 200, locationHash: false, items: [
  { srct: "/w240/1.jpg", title: "Holiday", ID: "a", kind: "album" }, item(1, "a"), item(2, "a"), item(3, "a"), item(4, "a"),
  ...[5, 6, 7, 8, 9, 10].map((n) => item(n, "0")),
] });
"""),
            npm("nanogallery2/dist/css/nanogallery2.min.css"),
        )
    },
    visits=(
        Visit("/", (Click(".nGY2GThumbnail >> nth=1"), Press("ArrowRight", 7))),
        Visit(
            "/",
            (Click(".nGY2GThumbnail >> nth=0"), Click(".nGY2GThumbnail >> nth=0"), Press("ArrowRight", 5)),
        ),
    ),
)

GALLERIA = Site(
    name="galleria",
    about="Galleria: data in a script, small thumbnails below, the large picture when its turn comes",
    pictures=WIDE,
    files={
        "index.html": page(
            "Galleria",
            '<div class="galleria" style="width:700px;height:500px"></div>'
            + npm(JQUERY, "galleria/dist/galleria.min.js")
            + script("""
Galleria.loadTheme("/node_modules/galleria/dist/themes/classic/galleria.classic.min.js");
Galleria.configure({ preload: 0, transition: "none", dataSource: Array.from({ length: 10 }, (_, at) => ({ image: `/w960/${at + 1}.jpg`, thumb: `/w240/${at + 1}.jpg` })) });
Galleria.run(".galleria");
"""),
        )
    },
    visits=(Visit("/", (Click(".galleria-image-nav-right", COUNT),)),),
)

SITES = (FANCYBOX, VIEWERJS, SPOTLIGHT, MAGNIFIC, OWL, BXSLIDER, NANOGALLERY, GALLERIA)
