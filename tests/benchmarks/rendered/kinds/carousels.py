"""Carousels: one picture after the other, most of them fetched when their turn comes."""

from __future__ import annotations

from tests.benchmarks.rendered.site import Click, Pictures, Press, Site, Visit, npm, page, script

COUNT = 12
NEXT = COUNT + 2
"""Clicks at the arrow: once round."""


def _visit(arrow: str) -> tuple[Visit, ...]:
    return (Visit("/", (Click(arrow, NEXT),)),)


SWIPER = Site(
    name="swiper-virtual",
    about="Swiper with virtual slides: only those around the shown one are in the document",
    pictures=Pictures(count=COUNT),
    files={
        "index.html": page(
            "Swiper",
            '<div class="swiper" style="width:640px;height:480px"><div class="swiper-wrapper"></div>'
            '<div class="swiper-button-prev"></div><div class="swiper-button-next"></div></div>'
            + npm("swiper/swiper-bundle.min.js")
            + script("""
const slides = Array.from({ length: 12 }, (_, at) => `<img src="/img/photo-${String(at + 1).padStart(2, "0")}.jpg" alt="Photo ${at + 1}">`);
new Swiper(".swiper", { speed: 100, navigation: { nextEl: ".swiper-button-next", prevEl: ".swiper-button-prev" }, virtual: { slides } });
"""),
            npm("swiper/swiper-bundle.min.css"),
        )
    },
    visits=_visit(".swiper-button-next"),
)

SPLIDE = Site(
    name="splide-nearby",
    about="Splide with lazyLoad: nearby; data-splide-lazy in slides that an API brings",
    pictures=Pictures(count=COUNT),
    delay_s=0.1,
    files={
        "index.html": page(
            "Splide",
            '<section class="splide" aria-label="Photos" style="width:640px"><div class="splide__track"><ul class="splide__list"></ul></div></section>'
            + npm("@splidejs/splide/dist/js/splide.min.js")
            + script("""
fetch("/api/pictures").then((it) => it.json()).then(({ pictures }) => {
  document.querySelector(".splide__list").innerHTML = pictures.map((it) => `<li class="splide__slide"><img data-splide-lazy="${it.src}" alt="${it.title}" width="640" height="480"></li>`).join("");
  new Splide(".splide", { lazyLoad: "nearby", preloadPages: 1, speed: 100 }).mount();
});
"""),
            npm("@splidejs/splide/dist/css/splide.min.css"),
        )
    },
    visits=_visit(".splide__arrow--next"),
)

KEEN = Site(
    name="keen-slider",
    about="Keen-Slider, slides loaded by its event slideChanged, arrows that are SVG",
    pictures=Pictures(count=COUNT),
    files={
        "index.html": page(
            "Keen",
            '<div style="position:relative;width:640px"><div id="slider" class="keen-slider" style="height:480px">'
            + "".join(
                f'<div class="keen-slider__slide" data-number="{n:02}"></div>' for n in range(1, COUNT + 1)
            )
            + '</div><svg class="arrow arrow--left" width="40" height="40" viewBox="0 0 24 24"><path d="M16.67 0l2.83 2.829-9.339 9.175 9.339 9.167-2.83 2.829-12.17-11.996z"/></svg>'
            '<svg class="arrow arrow--right" width="40" height="40" viewBox="0 0 24 24"><path d="M5 3l3.057-3 11.943 12-11.943 12-3.057-3 9-9z"/></svg></div>'
            + npm("keen-slider/keen-slider.js")
            + script("""
const load = (slider) => {
  const slide = slider.slides[slider.track.details.rel];
  if (!slide.firstChild) slide.append(Object.assign(new Image(640, 480), { src: `/img/photo-${slide.dataset.number}.jpg` }));
};
const slider = new KeenSlider("#slider", { loop: true, created: load, slideChanged: load, defaultAnimation: { duration: 100 } });
document.querySelector(".arrow--left").addEventListener("click", () => slider.prev());
document.querySelector(".arrow--right").addEventListener("click", () => slider.next());
"""),
            npm("keen-slider/keen-slider.min.css") + "<style>.arrow { cursor: pointer }</style>",
        )
    },
    visits=_visit(".arrow--right"),
)

GLIDE = Site(
    name="glide-background",
    about="Glide with backgrounds that are set as slides move in, bullets below",
    pictures=Pictures(count=COUNT),
    files={
        "index.html": page(
            "Glide",
            '<div class="glide" style="width:640px"><div class="glide__track" data-glide-el="track"><ul class="glide__slides">'
            + '<li class="glide__slide" style="height:480px"></li>' * COUNT
            + '</ul></div><div data-glide-el="controls"><button data-glide-dir="<">prev</button><button data-glide-dir=">">next</button></div>'
            '<div data-glide-el="controls[nav]">'
            + "".join(
                f'<button data-glide-dir="={n}" aria-label="Slide {n + 1}">•</button>' for n in range(COUNT)
            )
            + "</div></div>"
            + npm("@glidejs/glide/dist/glide.min.js")
            + script("""
const glide = new Glide(".glide", { animationDuration: 100 });
const slides = [...document.querySelectorAll(".glide__slide")];
const show = () => { slides[glide.index].style.background = `url(/img/photo-${String(glide.index + 1).padStart(2, "0")}.jpg) center / cover`; };
glide.on(["mount.after", "run"], show);
glide.mount();
"""),
            npm("@glidejs/glide/dist/css/glide.core.min.css"),
        )
    },
    visits=_visit("[data-glide-dir='>']"),
)

EMBLA = Site(
    name="embla-in-view",
    about="Embla with images that get their src in the event slidesInView; buttons in Spanish",
    pictures=Pictures(count=COUNT),
    files={
        "index.html": page(
            "Embla",
            '<div class="embla" style="overflow:hidden;width:640px"><div style="display:flex">'
            + "".join(
                f'<div style="flex:0 0 100%"><img data-nr="{n:02}" width="640" height="480" alt="Foto {n}"></div>'
                for n in range(1, COUNT + 1)
            )
            + "</div></div><button>Anterior</button><button>Siguiente</button>"
            + npm("embla-carousel/embla-carousel.umd.js")
            + script("""
const embla = EmblaCarousel(document.querySelector(".embla"), { loop: true });
const show = () => { for (const at of embla.slidesInView()) { const it = embla.slideNodes()[at].firstChild; it.src ||= `/img/photo-${it.dataset.nr}.jpg`; } };
embla.on("slidesInView", show);
const [before, after] = document.querySelectorAll("button");
before.addEventListener("click", () => embla.scrollPrev());
after.addEventListener("click", () => embla.scrollNext());
"""),
        )
    },
    visits=_visit("button:last-of-type"),
)

TINY = Site(
    name="tiny-slider",
    about="Tiny Slider with lazyload, its tns-lazy-img in static markup",
    pictures=Pictures(count=COUNT),
    files={
        "index.html": page(
            "Tiny",
            '<div style="width:640px"><div class="slider">'
            + "".join(
                f'<div><img class="tns-lazy-img" data-src="/img/photo-{n:02}.jpg" width="640" height="480" alt="Photo {n}"></div>'
                for n in range(1, COUNT + 1)
            )
            + "</div></div>"
            + npm("tiny-slider/dist/min/tiny-slider.js")
            + script('tns({ container: ".slider", items: 1, lazyload: true, speed: 100 });'),
            npm("tiny-slider/dist/tiny-slider.css"),
        )
    },
    visits=_visit("[data-controls=next]"),
)

FLICKITY = Site(
    name="flickity",
    about="Flickity with lazyLoad, cells from an API; its arrows are SVG in buttons with aria-label",
    pictures=Pictures(count=COUNT),
    delay_s=0.1,
    files={
        "index.html": page(
            "Flickity",
            '<div class="carousel" style="width:640px"></div>'
            + npm("flickity/dist/flickity.pkgd.min.js")
            + script("""
fetch("/api/pictures").then((it) => it.json()).then(({ pictures }) => {
  const carousel = document.querySelector(".carousel");
  carousel.innerHTML = pictures.map((it) => `<img data-flickity-lazyload="${it.src}" alt="${it.title}" style="width:640px;height:480px">`).join("");
  new Flickity(carousel, { lazyLoad: 1, wrapAround: true });
});
"""),
            npm("flickity/dist/flickity.min.css"),
        )
    },
    visits=_visit(".flickity-button.next"),
)

SLICK = Site(
    name="slick",
    about="Slick with lazyLoad: ondemand, data-lazy; plays by itself and by arrow keys",
    pictures=Pictures(count=COUNT),
    files={
        "index.html": page(
            "Slick",
            '<div class="slides" style="width:640px;margin:0 40px"></div>'
            + npm("jquery3/dist/jquery.min.js", "slick-carousel/slick/slick.min.js")
            + script("""
for (let n = 1; n <= 12; n++) $(".slides").append($("<div>").append($("<img>", { "data-lazy": "/img/photo-" + String(n).padStart(2, "0") + ".jpg", alt: "Photo " + n })));
$(".slides").slick({ lazyLoad: "ondemand", speed: 100, accessibility: true });
"""),
            npm("slick-carousel/slick/slick.css", "slick-carousel/slick/slick-theme.css"),
        )
    },
    visits=(Visit("/", (Click(".slick-next", NEXT), Press("ArrowRight"))),),
)

SITES = (SWIPER, SPLIDE, KEEN, GLIDE, EMBLA, TINY, FLICKITY, SLICK)
