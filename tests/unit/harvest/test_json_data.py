"""What pages leave for scripts: in JSON, in scripts, in attributes; what of it is an image, and what is not."""

from __future__ import annotations

import html
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.harvest.candidates import Candidate
from crawler.harvest.cuts import Cut
from crawler.harvest.extensions import KEPT_FORMATS
from crawler.harvest.html import parse
from crawler.harvest.images import found_on
from crawler.harvest.js_literals import NotALiteralError, read_at
from crawler.harvest.parser_base import Element
from crawler.harvest.pictures import Located, pictures
from tests.support.cpu_time import cpu_below


def on(page: str) -> list[Candidate | Cut]:
    return [item for item in found_on(parse(page)) if isinstance(item, Cut) or item.found_in == "json"]


def references(page: str) -> list[str]:
    return [item.slug if isinstance(item, Cut) else item.reference for item in on(page)]


def island(value: object) -> str:
    return f"<script type=application/json>{json.dumps(value)}</script>"


def best(value: object) -> list[str]:
    candidates = [item for item in on(island(value)) if isinstance(item, Candidate)]
    found = [Located(item.reference, item) for item in candidates]
    return [picture.taken.url for picture in pictures(found, formats=KEPT_FORMATS, forbidden=lambda _: "")]


def pushed(*pieces: str) -> str:
    return "".join(f"<script>self.__next_f.push([1,{json.dumps(piece)}])</script>" for piece in pieces)


# --- where data are ---------------------------------------------------------------------------------------

NUXT_3 = [
    ["ShallowReactive", 1],
    {"data": 2},
    ["Reactive", 3],
    {"hero": 4, "again": 4},
    {"image": 5, "alt": 6},
    "/h/1",
    "A",
]
ASTRO = {"img": [0, {"src": [0, "/astro.jpg"]}], "images": [1, [[0, "/x/1"]]]}
SVELTE = (
    "kit.start(app, {data: [null,{type:'data',data:{image:'/k/1'}}], form: null}); __sveltekit_1 = {base: ''}"
)
NUXT_2 = '(function(a,b){return {data:[{image:a,n:b}]}}("\\u002Fi\\u002F1",void 0))'
TURBO = '[{"_1":2},"image","/r/1"]\n'
IN_TEXT = json.dumps({"text": json.dumps({"image": "/n/1", "html": '<img src="/n/2.png">'})})
SVELTE_FETCHED = json.dumps({"body": '{"image":"/s/1"}'})
ARTICLES = '2:I[1,["x.png"]]\n3:T9,é<p>ab\n\n4:{"cover":"https://e.org/c"}\n:HL["/pre","image"]\n'


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ('<script id="__NEXT_DATA__" type="application/json">{"props":{"hero":{"src":"/n.jpg"}}}</script>', ["/n.jpg"]),
        ('<script type="application/vnd.shop+json; charset=utf-8">["/a.png"]</script>', ["/a.png"]),
        ('<script type="text/x-magento-init">{"*":{"g":{"data":[{"img":"/i/1"}]}}}</script>', ["/i/1"]),
        (f'<script id="__NUXT_DATA__" type="application/json">{json.dumps(NUXT_3)}</script>', ["/h/1"]),
        (f"<script>window.__NUXT__={NUXT_2};</script>", ["/i/1"]),
        ('<script>window.__NUXT__=((a)=>({data:{photo:a}}))("/q/1")</script>', ["/q/1"]),
        ("<script>window.__INITIAL_STATE__ = {user: {avatar: '/u/1', since: new Date(5)}, }; f()</script>", ["/u/1"]),
        ('<script>window["__APOLLO_STATE__"]={"Image:1":{"__typename":"Image","url":"https://c.e/1"}};</script>', ["https://c.e/1"]),
        ("<script>self.__PRELOADED_STATE__ = JSON.parse('{\\\"photo\\\":\\\"\\/p\\/1\\\"}')</script>", ["/p/1"]),
        ('<script>window.__remixContext = {"state":{"logo":"/l.svg"}};</script>', ["/l.svg"]),
        (f"<script>__x.streamController.enqueue({json.dumps(TURBO)});</script>", ["/r/1"]),
        (f"<script>{SVELTE}</script>", ["/k/1"]),
        (f'<script type="application/json" data-sveltekit-fetched>{SVELTE_FETCHED}</script>', ["/s/1"]),
        (f'<astro-island props="{html.escape(json.dumps(ASTRO))}"></astro-island>', ["/astro.jpg", "/x/1"]),
        ('<script>var meta = {"product":{"image":"//cdn.e.org/x.jpg?v=1"}};</script>', ["//cdn.e.org/x.jpg?v=1"]),
        ('<form data-product_variations=\'[{"image":{"src":"/b.jpg"}}]\'></form>', ["/b.jpg"]),
        (f"<div data-page='{json.dumps({'props': {'avatar': '/m/7'}})}'></div>", ["/m/7"]),
        ("<div data-x='%7B%22image%22%3A%22/e/1%22%7D'></div><p data-y=\"['/a/1.jpg']\"></p>", ["/e/1", "/a/1.jpg"]),
        (pushed('{"src":"/a.png"}'), ["/a.png"]),
        (pushed('1:["$","img",null,{"src":"/in', '2","alt":""}]\n' + ARTICLES), ["/in2", "https://e.org/c", "/pre"]),
        ('<script type="application/json">{"a": {{ x }} }</script>', ["json-broken"]),
        ('<script type="application/json"> </script><script type="text/template">{{#if}}</script>', []),
        (f'<script type="application/json">{IN_TEXT}</script>', ["/n/1", "/n/2.png"]),
        ('<script type="application/json">["[code]<img src=/n/3>", "{"]</script>', ["/n/3"]),
        ('<script type="importmap">{"imports":{"a":"/a.png"}}</script>', []),
        ('<script type="speculationrules">{"prefetch":[{"urls":["/a.png"]}]}</script>', []),
        ("<script>var e={'./img/x.png':1}; f({src:'x.png'}); a == {'src':'y.png'}; x.y={src:'/z.png'}</script>", []),
        (pushed('1:{"image":"/cut.p'), ["json-broken"]),
    ],
)  # fmt: skip
def test_data_are_found_where_frameworks_leave_them(page: str, expected: list[str]) -> None:
    assert references(page) == expected


# --- what names an image ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        {"image": "/a"}, {"imageUrl": "https://e.org/a"}, {"heroImage": {"url": "/a"}}, {"img": ["/a"]},
        {"thumbnail": "//e.org/a"}, {"profile_pic_url": "/a"}, {"images": {"front": "/a"}}, {"x": "/deep/a.png?w=1"},
        {"x": [{"y": "img/a.webp"}]}, {"src": "/a", "alt": ""}, {"type": "image", "url": "/a"}, {"bg": "/a.jpg"},
        {'image({"w":1})': "/a"}, {"image": {"data": {"attributes": {"url": "/a"}}}}, {"src": "a.gif"},
        {"srcSet": "/a 2x"}, {"content": "/a", "property": "og:image"}, {"image2": "/a"}, {"avatar_200": "/a"},
        {"images": {"edges": [{"node": {"src": "/a"}}]}}, {"cover": "https://e.org/a"}, {"image": "/with space.jpg"},
    ],
)  # fmt: skip
def test_what_names_an_image(value: object) -> None:
    assert len(references(island(value))) == 1


@pytest.mark.parametrize(
    "value",
    [
        {"imageAlt": "/a"}, {"image_id": "/a"}, {"image": "plain words"}, {"icon": "fa-star"}, {"image": "image/png"},
        {"src": "/main.js"}, {"src": "/a"}, {"url": "/a"}, {"image": "/{width}/a.png"}, {"image": "{{a}}.png"},
        {"photos": "/photos"}, {"images": "/images"}, {"cover": "/books"}, {"x": "./img/a.png"}, {"x": "@/a/b.png"},
        {"hasImage": "/a"}, {"backgroundColor": "/a"}, {"image": "/a.html"}, {"poster": "/a.mp4"}, {"id": "a/b.png"},
        {"name": "b/a.png"}, {"text": "see /a.png for more"}, {"image": "/"}, {"image": "#a"}, {"image": "https://e.org/"},
        {"image": True}, {"x": "a.png"}, {"src": "https://tube.example/embed/1", "width": 560, "height": 315},
        {"image": {"author": {"url": "/u/1"}}}, {"/a.png": 1}, {"image": "$L5"}, {"html": "<img src=a.png>"},
    ],
)  # fmt: skip
def test_what_names_none(value: object) -> None:
    assert references(island(value)) == []


def test_sizes_of_one_picture_are_one() -> None:
    woo = {
        "src": "/m.jpg",
        "srcset": "/s.jpg 300w",
        "full_src": "/f.jpg",
        "full_src_w": 1200,
        "thumb_src": "/t.jpg",
    }
    sizes = {
        "thumbnail": {"source_url": "/t.jpg", "width": 150},
        "full": {"source_url": "/f.jpg", "width": 900},
    }
    spotify = [{"url": f"https://i.e/{n}", "width": n, "height": n} for n in (64, 640, 300)]
    strapi = {"url": "/o/1", "width": 999, "formats": {"small": {"url": "/s/1", "width": 500}}}

    assert best([{"image": woo}]) == ["/f.jpg"]
    assert best({"image": {**woo, "full_src_w": None}}) == ["/f.jpg"], "no width, but it is the full one"
    assert best({"media_details": {"sizes": sizes}}) == ["/f.jpg"]
    assert best({"images": spotify}) == ["https://i.e/640"]
    assert best({"image": strapi}) == ["/o/1"]
    assert best({"image": {"large": "/l/1", "small": "/s/1"}}) == ["/l/1"]
    assert best([{"thumb": "/t/1.jpg", "img": "/i/1.jpg", "full": "/f/1.jpg"}]) == ["/f/1.jpg"]
    unsplash = {
        name: f"https://i.e/p?q={n}" for n, name in enumerate(("raw", "full", "regular", "small", "thumb"))
    }
    assert best({"photo": {"id": "x", "urls": unsplash}}) == ["https://i.e/p?q=0"]
    assert best({"id": "x", "urls": unsplash}) == ["https://i.e/p?q=0"]


def test_uploads_of_wordpress_have_one_address() -> None:
    """Its ``file`` is a path in a folder of the server, and its ``link`` a page about the image."""
    thumbnail = {
        "file": "j-150x150.jpg",
        "width": 150,
        "height": 150,
        "source_url": "https://e.org/u/j-150x150.jpg",
    }
    full = {"file": "j.jpg", "width": 1200, "height": 800, "source_url": "https://e.org/u/j.jpg"}
    details = {
        "width": 1200,
        "height": 800,
        "file": "2024/01/j.jpg",
        "sizes": {"thumbnail": thumbnail, "full": full},
    }
    said = {"link": "https://e.org/att/", "media_type": "image", "source_url": "https://e.org/u/j.jpg"}

    assert best([{**said, "media_details": details}]) == ["https://e.org/u/j.jpg"]
    assert best([said]) == ["https://e.org/u/j.jpg"]
    assert best([{"file": "/v/real.jpg", "type": "image"}]) == ["/v/real.jpg"]


def test_pictures_of_their_own_stay_apart() -> None:
    shop = {"images": ["/1.jpg", "/2.jpg"], "featured_image": "/1.jpg", "logo": "/l.png"}
    sides = {"images": [{"url": "/1", "width": 10, "height": 20}, {"url": "/2", "width": 20, "height": 20}]}

    assert best(shop) == ["/1.jpg", "/2.jpg", "/l.png"]
    assert best(sides) == ["/1", "/2"]
    assert best({"image": "/1", "image2": "/2", "secondaryImage": "/3"}) == ["/1", "/2", "/3"]


def test_what_is_said_of_an_image_comes_along() -> None:
    value = {"image": {"src": "/a", "alt": "A", "title": "B &amp; C", "caption": "<b>D</b>"}}
    (item,) = on(f"<h1>Of another</h1>{island(value)}")

    assert isinstance(item, Candidate)
    assert (item.element.attributes["alt"], item.element.attributes["title"]) == ("A", "B & C")
    assert (item.element.caption, item.element.heading) == ("D", "")


# --- limits -----------------------------------------------------------------------------------------------


def test_what_is_over_the_limits_is_counted() -> None:
    found = references(island([f"/{n}.png" for n in range(10)] + [[]] * 100_000))
    assert (found[:10], found[10:]) == ([f"/{n}.png" for n in range(10)], ["json-cut"])
    large = Element(name="script", attributes={"type": "application/json"}, number=1, text=" " * 2**23 + "[]")
    assert list(found_on([large])) == [Cut("json-cut")]


@pytest.mark.parametrize(
    "part",
    [
        "[", "{", '{"a":', '"', "\\", ",", "/*", "//", "={", '={"a":', "a={b:", '={a:"', "window.a={'", "(",
        "a=(function(",
        '=JSON.parse("', 'self.__next_f.push([1,"', "data:[", "__sveltekit data:[{", "[0,[1,", "T", "1:T9,", "`${",
        "new a(",
        "void ", "\\u{", '"image":"/a.png",', "&quot;",
    ],
)  # fmt: skip
def test_hostile_data_cost_little(part: str) -> None:
    text = part * (2**18 // len(part))
    with cpu_below(3):
        for media_type in ("", "application/json"):
            script = Element(
                name="script", attributes={"type": media_type}, number=1, text="window.__A__={" + text
            )
            list(found_on([script, Element(name="p", attributes={"data-a": "{" + text}, number=2)]))


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats(-9, 9) | st.text(max_size=8) | st.sampled_from(["/a.png", "/b"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["image", "src", "sizes", "srcset", "width", "images", "alt", "type"]), inner)
    ),
    max_leaves=10,
)  # fmt: skip


@given(_JSON)
def test_any_json_gives_strings_of_it(document: object) -> None:
    text = json.dumps(document)
    for item in on(f"<script type=application/json>{text.replace('</', '<')}</script>"):
        assert isinstance(item, Candidate)
        assert json.dumps(item.reference)[1:-1] in text


_PARTS = st.sampled_from(
    ["{", "}", "[", "]", "(", ")", ",", ":", '"', "'", "`", "\\", "=", "window.__A__=", "1:", "a",
     "self.__next_f.push([1,",
     "image", "/a.png", "function(", "return", "JSON.parse(", "/*", "\ud800", "\\ud800", "0", "-", "T5,", "data:[",
     "__sveltekit"]
)  # fmt: skip


@given(st.lists(_PARTS, max_size=30).map("".join))
def test_nothing_raises(text: str) -> None:
    for media_type in ("", "application/json", "x"):
        element = Element(
            name="script",
            attributes={"type": media_type, "data-a": "{" + text, "props": text},
            number=1,
            text=text,
        )
        list(found_on([element, Element(name="astro-island", attributes={"props": "[" + text}, number=2)]))


@given(_JSON)
def test_json_is_a_literal(document: object) -> None:
    text = json.dumps(document)
    value, end = read_at(text, 0)
    assert end == len(text)
    assert json.dumps(value) == json.dumps(document) or "e" in text


@pytest.mark.parametrize(
    "code", ["", "f", "{a:1", "{a b}", "[1 2]", "function(){}", "{f(){}}", "1+1", "`${a}`", "{...a}", "a=>b"]
)
def test_code_is_no_literal(code: str) -> None:
    try:
        value, end = read_at(code, 0)
    except NotALiteralError:
        return
    assert code[end:] or value is None, "a name, or a literal with code behind it"
