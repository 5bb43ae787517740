"""Walls of pictures that scripts lay out."""

from __future__ import annotations

from tests.benchmarks.rendered.site import Click, Pictures, Site, Visit, npm, page, script

MASONRY = Site(
    name="masonry",
    about="Masonry and imagesLoaded: bricks from an API, shown when their images are there; a button appends more",
    pictures=Pictures(count=24, url="/wall/{n}.jpg"),
    delay_s=0.2,
    files={
        "index.html": page(
            "Masonry",
            '<div id="wall"></div><button id="more">Load more photos</button>'
            + npm("masonry-layout/dist/masonry.pkgd.min.js", "imagesloaded/imagesloaded.pkgd.min.js")
            + script("""
const wall = document.getElementById("wall"), button = document.getElementById("more");
const masonry = new Masonry(wall, { itemSelector: ".brick", columnWidth: 220 });
let next = "/api/pictures?limit=8";
async function more() {
  const answer = await (await fetch(next)).json();
  const bricks = answer.pictures.map((it) => {
    const brick = Object.assign(document.createElement("div"), { className: "brick", style: "visibility:hidden" });
    brick.innerHTML = `<img src="${it.src}" alt="${it.title}" width="210" height="${120 + (it.id % 4) * 30}">`;
    return brick;
  });
  wall.append(...bricks);
  imagesLoaded(bricks, () => { bricks.forEach((it) => (it.style.visibility = "")); masonry.appended(bricks); });
  next = answer.next;
  button.hidden = !next;
}
button.addEventListener("click", more);
more();
"""),
        )
    },
    visits=(Visit("/", (Click("#more", 2),)),),
)

ISOTOPE = Site(
    name="isotope-filter",
    about="Isotope with filters; images get their src at the filter that shows them first",
    pictures=Pictures(count=18),
    files={
        "index.html": page(
            "Isotope",
            '<p><button data-filter=".animals">Animals</button><button data-filter=".plants">Plants</button>'
            '<button data-filter=".stones">Stones</button></p><div class="grid"></div>'
            + npm("isotope-layout/dist/isotope.pkgd.min.js")
            + script("""
const grid = document.querySelector(".grid"), kinds = ["animals", "plants", "stones"];
for (let n = 1; n <= 18; n++) grid.insertAdjacentHTML("beforeend", `<div class="item ${kinds[n % 3]}"><img data-nr="${String(n).padStart(2, "0")}" width="200" height="150"></div>`);
const isotope = new Isotope(grid, { itemSelector: ".item", layoutMode: "fitRows" });
function show(filter) {
  isotope.arrange({ filter });
  for (const { element } of isotope.filteredItems) { const image = element.firstChild; image.src ||= `/img/photo-${image.dataset.nr}.jpg`; }
}
document.querySelectorAll("button").forEach((it) => it.addEventListener("click", () => show(it.dataset.filter)));
show(".animals");
"""),
        )
    },
    visits=(Visit("/", (Click("button", each=True),)),),
)

JUSTIFIED = Site(
    name="justified-endless",
    about="Justified Gallery (jQuery 3), whose rows go on when the window is scrolled to its end",
    pictures=Pictures(count=30),
    delay_s=0.15,
    files={
        "index.html": page(
            "Justified",
            '<div id="gallery"></div>'
            + npm("jquery3/dist/jquery.min.js", "justifiedGallery/dist/js/jquery.justifiedGallery.min.js")
            + script("""
var next = "/api/pictures?limit=10", busy = false;
function more() {
  if (busy || !next) return;
  busy = true;
  $.getJSON(next, function (answer) {
    $.each(answer.pictures, function (_, it) { $("#gallery").append('<a href="#"><img alt="' + it.title + '" src="' + it.src + '"></a>'); });
    $("#gallery").justifiedGallery(next === "/api/pictures?limit=10" ? { rowHeight: 400, margins: 6 } : "norewind");
    next = answer.next;
    busy = false;
  });
}
$(window).scroll(function () { if ($(window).scrollTop() + $(window).height() > $(document).height() - 100) more(); });
more();
"""),
            npm("justifiedGallery/dist/css/justifiedGallery.min.css"),
        )
    },
)

SITES = (MASONRY, ISOTOPE, JUSTIFIED)
