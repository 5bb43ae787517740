"""Sites of component libraries: what is fetched when one of their parts is opened, turned or chosen."""

from __future__ import annotations

from tests.benchmarks.rendered.site import (
    Click,
    Hover,
    Pictures,
    Press,
    Site,
    Visit,
    Wheel,
    npm,
    page,
    script,
)

PHOTO = 'const photo = (n) => `/img/photo-${String(n).padStart(2, "0")}.jpg`;\n'
SHOW = (
    PHOTO
    + """const show = (into, from, to) => {
  if (into.querySelector("img")) return;
  for (let n = from; n <= to; n++) into.append(Object.assign(new Image(200, 150), { src: photo(n), alt: `Photo ${n}` }));
};
"""
)

BOOTSTRAP = Site(
    name="bootstrap",
    about="Bootstrap: a carousel, tabs, a collapse, a modal and an offcanvas that are filled by its events",
    pictures=Pictures(count=18),
    files={
        "index.html": page(
            "Bootstrap",
            '<div id="slides" class="carousel slide" style="width:640px"><div class="carousel-inner">'
            + "".join(
                f'<div class="carousel-item{" active" * (n == 1)}" data-n="{n}"><img width="640" height="480" alt=""></div>'
                for n in range(1, 7)
            )
            + '</div><button class="carousel-control-prev" data-bs-target="#slides" data-bs-slide="prev"><span class="carousel-control-prev-icon"></span></button>'
            '<button class="carousel-control-next" data-bs-target="#slides" data-bs-slide="next"><span class="carousel-control-next-icon"></span></button></div>'
            '<ul class="nav nav-tabs"><li><button class="nav-link active" data-bs-toggle="tab" data-bs-target="#a">A</button></li>'
            '<li><button class="nav-link" data-bs-toggle="tab" data-bs-target="#b" data-n="7">B</button></li></ul>'
            '<div class="tab-content"><div id="a" class="tab-pane active">Words</div><div id="b" class="tab-pane" data-n="7"></div></div>'
            '<a data-bs-toggle="collapse" href="#c">Details</a><div id="c" class="collapse" data-n="10"></div>'
            '<button data-bs-toggle="modal" data-bs-target="#m">Enlarge</button>'
            '<div id="m" class="modal" tabindex="-1"><div class="modal-dialog"><div class="modal-content"><button class="btn-close" data-bs-dismiss="modal"></button><div class="modal-body" data-n="13"></div></div></div></div>'
            '<button data-bs-toggle="offcanvas" data-bs-target="#o">Menu</button>'
            '<div id="o" class="offcanvas offcanvas-start" tabindex="-1"><button class="btn-close" data-bs-dismiss="offcanvas"></button><div data-n="16"></div></div>'
            + npm("bootstrap/dist/js/bootstrap.bundle.min.js")
            + script(
                SHOW
                + """
const slide = (it) => { it.querySelector("img").src = photo(it.dataset.n); };
slide(document.querySelector(".carousel-item"));
document.getElementById("slides").addEventListener("slide.bs.carousel", (event) => slide(event.relatedTarget));
const fill = (box) => { const n = Number(box.dataset.n); show(box, n, n + 2); };
document.addEventListener("shown.bs.tab", () => fill(document.getElementById("b")));
document.addEventListener("shown.bs.collapse", () => fill(document.getElementById("c")));
document.addEventListener("show.bs.modal", () => fill(document.querySelector(".modal-body")));
document.addEventListener("show.bs.offcanvas", () => fill(document.querySelector("#o [data-n]")));
"""
            ),
            npm("bootstrap/dist/css/bootstrap.min.css"),
        )
    },
    visits=(
        Visit(
            "/",
            (
                Click(".carousel-control-next", 10),
                Click("[data-bs-target='#b']"),
                Click("[href='#c']"),
                Click("[data-bs-target='#m']"),
                Click(".modal .btn-close"),
                Click("[data-bs-target='#o']"),
            ),
        ),
    ),
)

UIKIT = Site(
    name="uikit",
    about="UIkit: a slider with lazy images, a switcher, an accordion, a drop-down at the mouse; all by attributes",
    pictures=Pictures(count=18),
    files={
        "index.html": page(
            "UIkit",
            '<main class="uk-container"></main>'
            + npm("uikit/dist/js/uikit.min.js", "uikit/dist/js/uikit-icons.min.js")
            + script(
                SHOW
                + """
const slides = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => `<li style="width:100%"><img data-src="${photo(n)}" width="640" height="480" alt="" uk-img="loading: lazy"></li>`).join("");
document.querySelector("main").innerHTML = `
  <div uk-slider style="width:640px"><div class="uk-position-relative"><ul class="uk-slider-items">${slides}</ul>
  <a href uk-slidenav-previous uk-slider-item="previous"></a><a href uk-slidenav-next uk-slider-item="next"></a></div></div>
  <ul uk-tab id="tabs"><li><a href>One</a></li><li><a href>Two</a></li></ul><ul class="uk-switcher"><li>Words</li><li id="two"></li></ul>
  <ul uk-accordion><li><a class="uk-accordion-title" href>Garden</a><div class="uk-accordion-content" id="garden"></div></li></ul>
  <div><button class="uk-button" type="button">Hover</button><div uk-dropdown id="drop"></div></div>`;
UIkit.util.on("#two", "shown", () => show(two, 9, 12));
UIkit.util.on("[uk-accordion]", "beforeshow", () => show(garden, 13, 15));
UIkit.util.on("#drop", "beforeshow", () => show(drop, 16, 18));
"""
            ),
            npm("uikit/dist/css/uikit.min.css"),
        )
    },
    visits=(
        Visit(
            "/",
            (
                Click("[uk-slider-item=next]", 9),
                Click("#tabs li:last-child a"),
                Click(".uk-accordion-title"),
                Hover(".uk-button"),
            ),
        ),
    ),
)

SHOELACE = Site(
    name="shoelace",
    about="Shoelace: a carousel, tabs, details, a dialog, a select; custom elements with shadow roots",
    pictures=Pictures(count=20),
    files={
        "index.html": page(
            "Shoelace",
            '<main></main><script type="module" src="/app.js"></script>',
            npm("@shoelace-style/shoelace/dist/themes/light.css"),
        )
    },
    bundles={
        "app.js": """
import "@shoelace-style/shoelace/dist/components/carousel/carousel.js";
import "@shoelace-style/shoelace/dist/components/carousel-item/carousel-item.js";
import "@shoelace-style/shoelace/dist/components/tab-group/tab-group.js";
import "@shoelace-style/shoelace/dist/components/tab/tab.js";
import "@shoelace-style/shoelace/dist/components/tab-panel/tab-panel.js";
import "@shoelace-style/shoelace/dist/components/details/details.js";
import "@shoelace-style/shoelace/dist/components/dialog/dialog.js";
import "@shoelace-style/shoelace/dist/components/button/button.js";
import "@shoelace-style/shoelace/dist/components/select/select.js";
import "@shoelace-style/shoelace/dist/components/option/option.js";
"""
        + SHOW
        + """
const main = document.querySelector("main");
main.innerHTML = `
  <sl-carousel navigation style="width:640px;--aspect-ratio:4/3">${[1, 2, 3, 4, 5, 6].map((n) => `<sl-carousel-item data-n="${n}"></sl-carousel-item>`).join("")}</sl-carousel>
  <sl-tab-group><sl-tab slot="nav" panel="a">A</sl-tab><sl-tab slot="nav" panel="b">B</sl-tab><sl-tab-panel name="a">Words</sl-tab-panel><sl-tab-panel name="b"></sl-tab-panel></sl-tab-group>
  <sl-details summary="Details"></sl-details>
  <sl-dialog label="Photo"></sl-dialog><sl-button>Enlarge</sl-button>
  <sl-select value="14"><sl-option value="14">Red</sl-option>${[15, 16, 17, 18, 19, 20].map((n) => `<sl-option value="${n}">Colour ${n}</sl-option>`).join("")}</sl-select><img id="chosen" alt="" src="${photo(14)}">`;
const carousel = main.querySelector("sl-carousel");
const slide = (n) => show(carousel.querySelector(`[data-n="${n}"]`), n, n);
slide(1);
carousel.addEventListener("sl-slide-change", (event) => slide(event.detail.index + 1));
main.addEventListener("sl-tab-show", (event) => { if (event.detail.name === "b") show(main.querySelector("[name=b]"), 7, 9); });
main.querySelector("sl-details").addEventListener("sl-show", (event) => show(event.target, 10, 11));
const dialog = main.querySelector("sl-dialog");
main.querySelector("sl-button").addEventListener("click", () => { show(dialog, 12, 13); dialog.show(); });
main.querySelector("sl-select").addEventListener("sl-change", (event) => { chosen.src = photo(event.target.value); });
""",
    },
    visits=(
        Visit(
            "/",
            (
                Click("sl-carousel .carousel__navigation-button--next", 7),
                Click("sl-tab[panel=b]"),
                Click("sl-details summary"),
                Click("sl-button"),
                Press("Escape"),
                *(
                    step
                    for n in range(15, 21)
                    for step in (Click("sl-select .select__combobox"), Click(f"sl-option[value='{n}']"))
                ),
            ),
        ),
    ),
)

REVEAL = Site(
    name="reveal",
    about="reveal.js: slides with backgrounds and data-src, some of them below others; leafed through by key",
    pictures=Pictures(count=14),
    files={
        "index.html": page(
            "Slides",
            '<div class="reveal"><div class="slides"></div></div>'
            + npm("reveal.js/dist/reveal.js")
            + script(
                PHOTO
                + """
const slide = (n) => n % 2 ? `<section><img data-name="${n}" width="320" alt="Photo ${n}"></section>` : `<section data-name="${n}"><h2>Slide ${n}</h2></section>`;
const below = (...all) => `<section>${all.map(slide).join("")}</section>`;
document.querySelector(".slides").innerHTML = [slide(1), slide(2), slide(3), below(4, 5, 6, 7), slide(8), slide(9), below(10, 11, 12), slide(13), slide(14)].join("");
const load = ({ currentSlide: it }) => {
  if (it.dataset.name) it.style.background = `url(${photo(it.dataset.name)})`;
  else it.firstChild.src = photo(it.firstChild.dataset.name);
};
Reveal.initialize({ transition: "none" }).then(() => load({ currentSlide: Reveal.getCurrentSlide() }));
Reveal.on("slidechanged", load);
"""
            ),
            npm("reveal.js/dist/reveal.css"),
        )
    },
    visits=(Visit("/", (Press("Space", 14),)),),
)

FULLPAGE = Site(
    name="fullpage",
    about="fullPage.js: sections that move with the wheel or by key, the document itself does not scroll; slides in one of them",
    pictures=Pictures(count=12),
    files={
        "index.html": page(
            "fullPage",
            '<div id="fullpage"></div>'
            + npm("fullpage.js/dist/fullpage.min.js")
            + script(
                PHOTO
                + """
const section = (n) => `<div class="section" data-n="${n}"><h2>Part ${n}</h2></div>`;
document.getElementById("fullpage").innerHTML = [1, 2, 3, 4, 5, 6, 7, 8].map(section).join("") + `<div class="section">${[9, 10, 11, 12].map((n) => `<div class="slide" data-n="${n}"></div>`).join("")}</div>`;
const load = (it) => { if (it.dataset.n) it.style.backgroundImage = `url(${photo(it.dataset.n)})`; };
new fullpage("#fullpage", { scrollingSpeed: 200, credits: { enabled: false }, licenseKey: "gplv3-license",
  afterLoad: (_, there) => { load(there.item); const first = there.item.querySelector(".slide"); if (first) load(first); }, afterSlideLoad: (_, __, slide) => load(slide.item) });
"""
            ),
            npm("fullpage.js/dist/fullpage.min.css"),
        )
    },
    visits=(Visit("/", (Wheel("body", 300, 9), Click(".fp-next", 4))),),
)

KNOCKOUT = Site(
    name="knockout-pages",
    about="Knockout: pages by number, as buttons; the list of one replaces that of the other",
    pictures=Pictures(count=28),
    delay_s=0.1,
    files={
        "index.html": page(
            "Knockout",
            '<div data-bind="foreach: pictures"><img data-bind="attr: { src: src, alt: title }" width="200"></div>'
            '<p data-bind="foreach: numbers"><button data-bind="text: $data, click: $root.turn, css: { current: $data === $root.number() }"></button></p>'
            + npm("knockout/build/output/knockout-latest.js")
            + script("""
const model = { pictures: ko.observableArray(), numbers: [1, 2, 3, 4, 5, 6, 7], number: ko.observable(1) };
model.turn = async (n) => {
  model.number(n);
  model.pictures((await (await fetch(`/api/pictures?limit=4&offset=${4 * (n - 1)}`)).json()).pictures);
};
ko.applyBindings(model);
model.turn(1);
"""),
        )
    },
    visits=(Visit("/", (Click("p button", each=True),)),),
)

BACKBONE = Site(
    name="backbone-pages",
    about="Backbone: a view that is rendered anew whenever its page changes, the numbers below it as well; handlers are delegated",
    pictures=Pictures(count=32),
    files={
        "index.html": page(
            "Backbone",
            '<main id="app"></main>'
            + npm(
                "jquery3/dist/jquery.min.js", "underscore/underscore-umd-min.js", "backbone/backbone-min.js"
            )
            + script(
                PHOTO
                + """
const View = Backbone.View.extend({
  el: "#app",
  events: { "click .number": "turn" },
  initialize() { this.listenTo(this.model, "change", this.render); this.render(); },
  turn(event) { this.model.set("at", Number(event.currentTarget.textContent)); },
  render() {
    const at = this.model.get("at"), four = [1, 2, 3, 4].map((n) => 4 * (at - 1) + n);
    const numbers = _.range(1, 9).map((n) => n === at ? `<b>${n}</b> ` : `<button class="number">${n}</button> `);
    this.$el.html(four.map((n) => `<img src="${photo(n)}" alt="Photo ${n}" width="200">`).join("") + "<p>" + numbers.join("") + "</p>");
  },
});
new View({ model: new Backbone.Model({ at: 1 }) });
"""
            ),
        )
    },
    visits=(Visit("/", tuple(Click(f"button:text-is('{n}')") for n in range(2, 9))),),
)

LIST_JS = Site(
    name="list-js",
    about="List.js: a table with pages as links without an address, made anew at each; tags as filters",
    pictures=Pictures(count=24),
    files={
        "index.html": page(
            "List",
            '<div id="things"><ul class="list"></ul><ul class="pagination"></ul></div>'
            + npm("list.js/dist/list.min.js")
            + script(
                PHOTO
                + """
const values = Array.from({ length: 24 }, (_, at) => ({ name: `Thing ${at + 1}`, image: photo(at + 1) }));
new List("things", { item: '<li><img class="image" width="150"><span class="name"></span></li>', valueNames: ["name", { name: "image", attr: "src" }], page: 4, pagination: { outerWindow: 1, innerWindow: 1 } }, values);
"""
            ),
        )
    },
    visits=(Visit("/", tuple(Click(f"a.page:text-is('{n}')") for n in range(2, 7))),),
)

TIPPY = Site(
    name="tippy",
    about="Tippy: cards with a picture at each of ten names, when the mouse is over it",
    pictures=Pictures(count=10),
    files={
        "index.html": page(
            "People",
            "<h1>People</h1><p id=names></p>"
            + npm("@popperjs/core/dist/umd/popper.min.js", "tippy.js/dist/tippy-bundle.umd.min.js")
            + script(
                PHOTO
                + """
for (let n = 1; n <= 10; n++) names.insertAdjacentHTML("beforeend", ` <b data-n="${n}">Person ${n}</b>,`);
tippy("b", { allowHTML: true, onShow: (it) => it.setContent(`<img width="120" height="90" src="${photo(it.reference.dataset.n)}" alt="">`) });
"""
            ),
        )
    },
    visits=(Visit("/", (Hover("b"),)),),
)

SITES = (BOOTSTRAP, UIKIT, SHOELACE, REVEAL, FULLPAGE, KNOCKOUT, BACKBONE, LIST_JS, TIPPY)
