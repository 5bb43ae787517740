"""Light boxes: thumbnails in the page, pictures in a window above it."""

from __future__ import annotations

from tests.benchmarks.rendered.site import Click, Pictures, Press, Site, Visit, npm, page, script

SIZES = (160, 1200)
"""Of thumbnails, and of what opens."""

PHOTOSWIPE = Site(
    name="photoswipe",
    about="PhotoSwipe 5 as modules: its slides come from an array that the page fetches; opens at a click",
    pictures=Pictures(count=12, url="/photos/{w}/{n}.jpg", widths=SIZES),
    delay_s=0.15,
    files={
        "index.html": page(
            "PhotoSwipe",
            '<div id="thumbs"></div>'
            + script(
                """
import PhotoSwipeLightbox from "/node_modules/photoswipe/dist/photoswipe-lightbox.esm.min.js";
const { pictures } = await (await fetch("/api/pictures")).json();
const lightbox = new PhotoSwipeLightbox({
  dataSource: pictures.map((it) => ({ src: it.sizes[1200], width: it.width, height: it.height, alt: it.title })),
  pswpModule: () => import("/node_modules/photoswipe/dist/photoswipe.esm.min.js"),
});
lightbox.init();
pictures.forEach((it, at) => {
  const thumb = Object.assign(new Image(160, 120), { src: it.sizes[160], alt: it.title, onclick: () => lightbox.loadAndOpen(at) });
  document.getElementById("thumbs").append(thumb);
});
""",
                module=True,
            ),
            npm("photoswipe/dist/photoswipe.css"),
        )
    },
    visits=(Visit("/", (Click("#thumbs img"), Press("ArrowRight", 11))),),
)

GLIGHTBOX = Site(
    name="glightbox",
    about="GLightbox with elements given by script, opened by a button; nothing of them in the page before",
    pictures=Pictures(count=10),
    files={
        "index.html": page(
            "GLightbox",
            '<button id="open">View the album</button>'
            + npm("glightbox/dist/js/glightbox.min.js")
            + script("""
const elements = Array.from({ length: 10 }, (_, at) => ({ href: "/img/photo-" + String(at + 1).padStart(2, "0") + ".jpg", type: "image" }));
const box = GLightbox({ elements, openEffect: "none", slideEffect: "none" });
document.getElementById("open").addEventListener("click", () => box.open());
"""),
            npm("glightbox/dist/css/glightbox.min.css"),
        )
    },
    visits=(Visit("/", (Click("#open"), Press("ArrowRight", 9))),),
)

LIGHTGALLERY = Site(
    name="lightgallery",
    about="lightGallery in its dynamic mode with thumbnails, opened by a link to #",
    pictures=Pictures(count=12, url="/photos/{w}/{n}.jpg", widths=SIZES),
    files={
        "index.html": page(
            "lightGallery",
            '<a href="#" id="open">Open the gallery</a>'
            + npm("lightgallery/lightgallery.min.js", "lightgallery/plugins/thumbnail/lg-thumbnail.min.js")
            + script("""
const open = document.getElementById("open");
const gallery = lightGallery(open, {
  dynamic: true,
  plugins: [lgThumbnail],
  dynamicEl: Array.from({ length: 12 }, (_, at) => ({ src: `/photos/1200/${at + 1}.jpg`, thumb: `/photos/160/${at + 1}.jpg`, subHtml: `Photo ${at + 1}` })),
});
open.addEventListener("click", (event) => { event.preventDefault(); gallery.openGallery(0); });
"""),
            npm("lightgallery/css/lightgallery-bundle.min.css"),
        )
    },
    visits=(Visit("/", (Click("#open"), Press("ArrowRight", 11))),),
)

FSLIGHTBOX = Site(
    name="fslightbox",
    about="fslightbox: anchors with data-fslightbox from an API, then refreshFsLightbox()",
    pictures=Pictures(count=10, url="/photos/{w}/{n}.jpg", widths=SIZES),
    delay_s=0.1,
    files={
        "index.html": page(
            "fslightbox",
            '<div id="list"></div>'
            + npm("fslightbox/index.js")
            + script("""
fetch("/api/pictures").then((it) => it.json()).then(({ pictures }) => {
  document.getElementById("list").innerHTML = pictures
    .map((it) => `<a data-fslightbox="all" href="${it.sizes[1200]}"><img src="${it.sizes[160]}" alt="${it.title}"></a>`).join("");
  refreshFsLightbox();
});
"""),
        )
    },
    visits=(Visit("/", (Click("#list a"), Press("ArrowRight", 9))),),
)

SIMPLELIGHTBOX = Site(
    name="simplelightbox",
    about="SimpleLightbox on static anchors around thumbnails: a crawl needs no browser for it",
    pictures=Pictures(count=10, url="/photos/{w}/{n}.jpg", widths=SIZES),
    files={
        "index.html": page(
            "SimpleLightbox",
            '<div class="gallery">'
            + "".join(
                f'<a href="/photos/1200/{n}.jpg"><img src="/photos/160/{n}.jpg" alt="Photo {n}"></a>'
                for n in range(1, 11)
            )
            + "</div>"
            + npm("simplelightbox/dist/simple-lightbox.min.js")
            + script('new SimpleLightbox(".gallery a");'),
            npm("simplelightbox/dist/simple-lightbox.min.css"),
        )
    },
    visits=(Visit("/", (Click(".gallery a"), Press("ArrowRight", 9))),),
)

BASICLIGHTBOX = Site(
    name="basiclightbox",
    about="basicLightbox: static thumbnails, and at a click on each an image whose URL the script makes up",
    pictures=Pictures(count=8, url="/photos/{w}/{n}.jpg", widths=SIZES),
    files={
        "index.html": page(
            "basicLightbox",
            '<div id="thumbs">'
            + "".join(f'<img src="/photos/160/{n}.jpg" alt="Photo {n}" data-n="{n}">' for n in range(1, 9))
            + "</div>"
            + npm("basiclightbox/dist/basicLightbox.min.js")
            + script("""
document.getElementById("thumbs").addEventListener("click", ({ target }) => {
  if (target.dataset.n) basicLightbox.create(`<img src="/photos/1200/${target.dataset.n}.jpg" alt="">`).show();
});
document.addEventListener("keydown", ({ key }) => { if (key === "Escape") document.querySelector(".basicLightbox")?.click(); });
"""),
            npm("basiclightbox/dist/basicLightbox.min.css"),
        )
    },
    visits=(
        Visit("/", tuple(step for n in range(1, 9) for step in (Click(f"[data-n='{n}']"), Press("Escape")))),
    ),
)

SITES = (PHOTOSWIPE, GLIGHTBOX, LIGHTGALLERY, FSLIGHTBOX, SIMPLELIGHTBOX, BASICLIGHTBOX)
