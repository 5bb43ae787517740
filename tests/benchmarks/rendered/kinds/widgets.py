"""Tabs, accordions, frames of Turbo, swatches, banners: what has to be opened first."""

from __future__ import annotations

from http import HTTPStatus

from tests.benchmarks.rendered.api import api
from tests.benchmarks.rendered.site import (
    Ask,
    Click,
    Pictures,
    Reply,
    Site,
    Visit,
    as_json,
    html,
    npm,
    page,
    script,
)

REACT_ROOT = '<div id="root"></div><script type="module" src="/app.js"></script>'

RADIX = Site(
    name="radix-tabs",
    about="Radix: tabs that change at mousedown, an accordion; closed ones are not in the document",
    pictures=Pictures(count=16),
    files={"index.html": page("Radix", REACT_ROOT)},
    bundles={
        "app.jsx": """
import { createRoot } from "react-dom/client";
import * as Accordion from "@radix-ui/react-accordion";
import * as Tabs from "@radix-ui/react-tabs";

const photo = (n) => <img key={n} src={`/img/photo-${String(n).padStart(2, "0")}.jpg`} alt={`Photo ${n}`} width="200" />;
const four = (from) => [0, 1, 2, 3].map((it) => photo(from + it));

createRoot(document.getElementById("root")).render(
  <main>
    <Tabs.Root defaultValue="one">
      <Tabs.List><Tabs.Trigger value="one">Outside</Tabs.Trigger><Tabs.Trigger value="two">Inside</Tabs.Trigger></Tabs.List>
      <Tabs.Content value="one">{four(1)}</Tabs.Content>
      <Tabs.Content value="two">{four(5)}</Tabs.Content>
    </Tabs.Root>
    <Accordion.Root type="single" collapsible>
      {["Garden", "Kitchen"].map((name, at) => (
        <Accordion.Item key={name} value={name}>
          <Accordion.Header><Accordion.Trigger>{name}</Accordion.Trigger></Accordion.Header>
          <Accordion.Content>{four(9 + at * 4)}</Accordion.Content>
        </Accordion.Item>
      ))}
    </Accordion.Root>
  </main>
);
"""
    },
    visits=(Visit("/", (Click("[role=tab]", each=True), Click("h3 button", each=True))),),
)

HEADLESS = Site(
    name="headless-ui",
    about="Headless UI: tab group, disclosure, and a dialog behind a button",
    pictures=Pictures(count=12),
    files={"index.html": page("Headless", REACT_ROOT)},
    bundles={
        "app.jsx": """
import { useState } from "react";
import { createRoot } from "react-dom/client";
import { Dialog, DialogPanel, Disclosure, DisclosureButton, DisclosurePanel, Tab, TabGroup, TabList, TabPanel, TabPanels } from "@headlessui/react";

const three = (from) => [0, 1, 2].map((it) => <img key={it} src={`/img/photo-${String(from + it).padStart(2, "0")}.jpg`} alt="" width="200" />);

function App() {
  const [open, set] = useState(false);
  return (
    <main>
      <TabGroup>
        <TabList><Tab>Front</Tab><Tab>Back</Tab></TabList>
        <TabPanels><TabPanel>{three(1)}</TabPanel><TabPanel>{three(4)}</TabPanel></TabPanels>
      </TabGroup>
      <Disclosure><DisclosureButton>Details</DisclosureButton><DisclosurePanel>{three(7)}</DisclosurePanel></Disclosure>
      <button id="zoom" onClick={() => set(true)}>Enlarge</button>
      <Dialog open={open} onClose={() => set(false)}><DialogPanel>{three(10)}<button id="close" onClick={() => set(false)}>Close</button></DialogPanel></Dialog>
    </main>
  );
}
createRoot(document.getElementById("root")).render(<App />);
"""
    },
    visits=(
        Visit(
            "/",
            (Click("[role=tab]", each=True), Click("button[aria-expanded]"), Click("#zoom"), Click("#close")),
        ),
    ),
)


def _frame(ask: Ask) -> Reply:
    name = ask.path.rpartition("/")[2]
    first = int(name) * 4 + 1
    images = "".join(
        f'<img src="{ask.site.pictures.src(n)}" alt="Photo {n}">' for n in range(first, first + 4)
    )
    return html(f'<turbo-frame id="frame-{name}">{images}</turbo-frame>')


TURBO = Site(
    name="turbo-frames",
    about="Hotwire: turbo-frames with src, one of them lazy, one by a link with data-turbo-frame; a Stimulus controller",
    pictures=Pictures(count=16),
    delay_s=0.15,
    answers={f"/frames/{n}": _frame for n in range(3)},
    files={
        "index.html": page(
            "Turbo",
            '<turbo-frame id="frame-0" src="/frames/0"></turbo-frame><div style="height:1500px"></div>'
            '<turbo-frame id="frame-1" src="/frames/1" loading="lazy"><p>…</p></turbo-frame>'
            '<a href="/frames/2" data-turbo-frame="frame-2">Archive</a><turbo-frame id="frame-2"></turbo-frame>'
            '<div data-controller="slides"><img data-slides-target="image" alt="" width="300"><button data-action="slides#next">→</button></div>',
            '<script type="module" src="/app.js"></script>',
        )
    },
    bundles={
        "app.js": """
import "@hotwired/turbo";
import { Application, Controller } from "@hotwired/stimulus";

Application.start().register("slides", class extends Controller {
  static targets = ["image"];
  connect() { this.number = 12; this.next(); }
  next() { this.number = this.number === 16 ? 13 : this.number + 1; this.imageTarget.src = `/img/photo-${this.number}.jpg`; }
});
"""
    },
    visits=(Visit("/", (Click("a"), Click("button", 4))),),
)

SWATCHES = Site(
    name="swatches",
    about="A product by hand: colours as spans, each changes the picture as the mouse comes; details with a toggle event",
    pictures=Pictures(count=10),
    files={
        "index.html": page(
            "Product",
            '<img id="main" src="/img/photo-01.jpg" alt="Product"><p id="colours"></p><details><summary>In use</summary><p id="use"></p></details>'
            + script("""
const name = (n) => `/img/photo-${String(n).padStart(2, "0")}.jpg`;
for (let n = 1; n <= 7; n++) {
  const swatch = Object.assign(document.createElement("span"), { className: "swatch", title: `Colour ${n}`, style: "display:inline-block;width:30px;height:30px;border:1px solid" });
  swatch.addEventListener("mouseenter", () => { document.getElementById("main").src = name(n); });
  document.getElementById("colours").append(swatch);
}
document.querySelector("details").addEventListener("toggle", () => {
  document.getElementById("use").innerHTML = [8, 9, 10].map((n) => `<img src="${name(n)}" alt="In use ${n}">`).join("");
});
"""),
        )
    },
    visits=(Visit("/", (Click(".swatch", each=True), Click("summary"))),),
)

CONSENT = Site(
    name="consent",
    about="CookieConsent over the page; the pictures are fetched only when something was chosen (its default, to hide from robots, is off)",
    pictures=Pictures(count=12),
    delay_s=0.1,
    files={
        "index.html": page(
            "News",
            "<h1>News</h1><main></main>"
            + npm("vanilla-cookieconsent/dist/cookieconsent.umd.js")
            + script("""
CookieConsent.run({
  hideFromBots: false,
  onConsent: async () => {
    const { pictures } = await (await fetch("/api/pictures")).json();
    for (const it of pictures) document.querySelector("main").append(Object.assign(new Image(300), { src: it.src, alt: it.title }));
  },
  categories: { necessary: { enabled: true, readOnly: true }, analytics: {} },
  language: { default: "en", translations: { en: {
    consentModal: { title: "We use cookies", description: "Some are needed.", acceptAllBtn: "Accept all", acceptNecessaryBtn: "Reject all", showPreferencesBtn: "Manage preferences" },
    preferencesModal: { title: "Preferences", acceptAllBtn: "Accept all", acceptNecessaryBtn: "Reject all", savePreferencesBtn: "Save", sections: [] },
  } } },
});
"""),
            npm("vanilla-cookieconsent/dist/cookieconsent.css"),
        )
    },
    visits=(Visit("/", (Click("[data-role=necessary]"),)),),
)


def _members(ask: Ask) -> Reply:
    """The API, for who has the cookie that the page sets."""
    if "visitor=yes" not in (ask.headers.get("Cookie") or ""):
        return as_json({"error": "no cookie"}, HTTPStatus.FORBIDDEN)
    return api(ask)


COOKIE = Site(
    name="cookie-gate",
    about="A script sets a cookie and reloads, once, as localStorage says; the API answers only who has the cookie",
    pictures=Pictures(count=10),
    answers={"/api/pictures": _members},
    files={
        "index.html": page(
            "Gate",
            "<main></main><noscript>Please enable JavaScript and cookies.</noscript>"
            + script("""
if (!localStorage.getItem("seen")) {
  localStorage.setItem("seen", "1");
  document.cookie = "visitor=yes; path=/; max-age=3600";
  location.reload();
} else {
  fetch("/api/pictures").then((it) => it.json()).then(({ pictures }) => {
    for (const it of pictures) document.querySelector("main").append(Object.assign(new Image(300), { src: it.src, alt: it.title }));
  });
}
"""),
        )
    },
)

SITES = (RADIX, HEADLESS, TURBO, SWATCHES, CONSENT, COOKIE)
