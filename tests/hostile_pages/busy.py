"""Pages whose scripts never come to an end."""

from __future__ import annotations

from tests.hostile_pages.kinds import Hostile, with_script

_LOOP = "for (;;) ;"
_SPIN = "const spin = (ms) => { const end = performance.now() + ms; while (performance.now() < end) ; };"
_FIRST = ("img/asked.png",)
_FEED = '<div style="height: 5000px"></div>'

PAGES = (
    Hostile(
        name="loop-at-start",
        what="an endless loop, before anything else is read",
        page=with_script(_LOOP),
        left_out=("render-time",),
        images=_FIRST,
    ),
    Hostile(
        name="loop-after-load",
        what="… and after loading, once an image was added",
        page=with_script(
            f"onload = () => {{ new Image().src = 'img/late.png'; setTimeout(() => {{ {_LOOP} }}, 300); }}"
        ),
        left_out=("render-time",),
        images=(*_FIRST, "img/late.png"),
    ),
    Hostile(
        name="loop-in-click",
        what="… in what 'load more' does",
        page=with_script(
            f"document.querySelector('button').onclick = () => {{ {_LOOP} }};",
            "<button>Load more</button>",
        ),
        left_out=("render-time",),
        images=_FIRST,
    ),
    Hostile(
        name="loop-in-scroll",
        in_ci=False,
        what="… when it is scrolled",
        page=with_script(f"addEventListener('scroll', () => {{ {_LOOP} }});", _FEED),
        left_out=("render-time",),
        images=_FIRST,
    ),
    Hostile(
        name="loop-in-frames",
        in_ci=False,
        what="90 ms of work for each frame that is drawn, for ever",
        page=with_script(f"{_SPIN} const draw = () => {{ spin(90); requestAnimationFrame(draw); }}; draw();"),
        images=_FIRST,
    ),
    Hostile(
        name="loop-in-timers",
        in_ci=False,
        what="ten thousand timers that all are always due",
        page=with_script("for (let n = 0; n < 10000; n++) setInterval(() => n * n, 0);"),
        images=_FIRST,
    ),
    Hostile(
        name="loop-in-observer",
        what="an observer of changes that changes what it observes",
        page=with_script(
            "const box = document.body; let n = 0;"
            "new MutationObserver(() => box.setAttribute('data-n', n++)).observe(box, {attributes: true});"
            "setTimeout(() => box.setAttribute('data-n', n++), 200);"
        ),
        left_out=("render-time",),
        images=_FIRST,
    ),
    Hostile(
        name="loop-in-microtasks",
        in_ci=False,
        what="promises that make promises",
        page=with_script("const again = () => Promise.resolve().then(again); setTimeout(again, 200);"),
        left_out=("render-time",),
        images=_FIRST,
    ),
    Hostile(
        name="loop-in-worker",
        what="two workers in endless loops",
        page=with_script(
            f"for (let n = 0; n < 2; n++) new Worker(URL.createObjectURL(new Blob(['{_LOOP}'])));"
        ),
        images=_FIRST,
    ),
    Hostile(
        name="loop-in-shared-worker",
        in_ci=False,
        what="a shared worker in an endless loop",
        page=with_script("new SharedWorker('worker.js');"),
        parts={"worker.js": _LOOP},
        images=_FIRST,
    ),
    Hostile(
        name="loop-in-service-worker",
        what="a service worker in an endless loop: it outlives its page",
        page=with_script("navigator.serviceWorker?.register('worker.js');"),
        parts={"worker.js": f"oninstall = () => {{ {_LOOP} }}; {_LOOP}"},
        images=_FIRST,
        never=("worker.js",),
    ),
    Hostile(
        name="loop-in-getters",
        in_ci=False,
        what="endless loops in all that a snapshot may touch, as the page's own world has it",
        page=with_script(
            f"const loop = {{ get() {{ {_LOOP} }}, configurable: true }};"
            "for (const [of, name] of [[Element, 'outerHTML'], [Element, 'innerHTML'], [HTMLElement, 'innerText'],"
            " [Element, 'className'], [HTMLImageElement, 'src'], [HTMLImageElement, 'currentSrc'],"
            " [Node, 'textContent'], [Element, 'shadowRoot'], [Document, 'documentElement'],"
            " [Document, 'scrollingElement'], [Element, 'scrollHeight']])"
            " Object.defineProperty(of.prototype, name, loop);"
            f"Element.prototype.getHTML = Element.prototype.getAttribute = () => {{ {_LOOP} }};"
        ),
        images=_FIRST,
    ),
    Hostile(
        name="loop-in-unload",
        what="endless loops when it is to be closed",
        page=with_script(
            f"for (const name of ['beforeunload', 'pagehide', 'unload', 'visibilitychange', 'blur'])"
            f" addEventListener(name, () => {{ {_LOOP} }});"
            f"document.addEventListener('visibilitychange', () => {{ {_LOOP} }});"
        ),
        images=_FIRST,
    ),
    Hostile(
        name="loop-of-requests",
        what="requests that nothing goes on without, one after the other",
        page=with_script(
            "for (let n = 0;; n++) { const one = new XMLHttpRequest(); one.open('GET', 'data?' + n, false);"
            " try { one.send(); } catch {} }"
        ),
        parts={"data": "{}"},
        left_out=("render-requests", "render-time"),
        images=_FIRST,
    ),
    Hostile(
        name="loop-in-pattern",
        in_ci=False,
        what="a regular expression that takes for ever",
        page=with_script("setTimeout(() => /^(a+)+$/.test('a'.repeat(60) + 'b'), 100);"),
        left_out=("render-time",),
        images=_FIRST,
    ),
    Hostile(
        name="loop-in-wasm",
        in_ci=False,
        what="an endless loop in WebAssembly",
        page=with_script(
            # (module (func (loop (br 0))) (start 0))
            "const code = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 8, 1, 0, 10, 9, 1,"
            " 7, 0, 3, 64, 12, 0, 11, 11]); setTimeout(() => new WebAssembly.Instance(new WebAssembly.Module(code)), 200);"
        ),
        left_out=("render-time",),
        images=_FIRST,
    ),
    Hostile(
        name="loop-in-custom-element",
        what="an element whose constructor never comes back, the second time",
        page=with_script(
            "let made = 0; customElements.define('x-image', class extends HTMLElement {"
            f" constructor() {{ super(); if (made++) {{ fetch('made'); {_LOOP} }} }} }});"
            "const one = document.querySelector('x-image'); let n = 0;"
            "setInterval(() => one.setAttribute('src', `img/of-element.png?${n++ % 3}`), 20);",
            "<x-image src=img/of-element.png></x-image>",
        ),
        images=_FIRST,
        never=("made",),
    ),
    Hostile(
        name="styles-without-end",
        in_ci=False,
        what="selectors and filters that take the renderer seconds for each change",
        page=with_script(
            "for (let n = 0; n < 4000; n++) document.body.append(document.createElement('i'));"
            "setInterval(() => { document.body.classList.toggle('a'); document.body.offsetHeight; }, 5);",
            "<svg width=1000 height=800><filter id=f><feTurbulence numOctaves=500 baseFrequency=.9 />"
            "<feGaussianBlur stdDeviation=200 /></filter><rect width=1000 height=800 filter=url(#f) /></svg>",
            "<style>.a:has(i ~ i ~ i ~ i) i:nth-last-child(2n + 1 of i) { color: red }"
            " i { display: inline-block; backdrop-filter: blur(9px) }</style>",
        ),
        images=_FIRST,
    ),
    Hostile(
        name="debugger",
        in_ci=False,
        what="a thousand halts for a debugger",
        page=with_script("for (let n = 0; n < 1000; n++) { debugger; }"),
        images=_FIRST,
    ),
)
