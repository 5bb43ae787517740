from __future__ import annotations

import re
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.sizes import _may_have_marks, size_of
from crawler.urls import canonical, host_key
from tests.support.cpu_time import cpu_below

E = "https://e.org"
PHOTON = "https://i0.wp.com/e.org/wp-content/uploads/a"
CLOUDINARY = "https://res.cloudinary.com/demo/image/upload"
COMMONS = "https://upload.wikimedia.org/wikipedia/commons"
CDN = "/cdn-cgi/image"
FLICKR = "https://live.staticflickr.com/65535/53412345678_abcdef0123"
GOOGLE = "https://lh3.googleusercontent.com/AbC"

FAMILIES = {  # one picture each, the smallest first
    "imgix": [f"{E}/a.jpg?w=300", f"{E}/a.jpg?w=300&dpr=2&q=40", f"{E}/a.jpg?fit=crop&w=1600", f"{E}/a.jpg"],
    "shopify": [f"{E}/a.jpg?v=1&width=300", f"{E}/a.jpg?v=1&width=800&height=600&crop=center", f"{E}/a.jpg?v=1"],
    "height": [f"{E}/a.jpg?h=300", f"{E}/a.jpg?h=600px", f"{E}/a.jpg"],
    "akamai": [f"{E}/a.jpg?imwidth=320", f"{E}/a.jpg?imwidth=1024", f"{E}/a.jpg"],
    "demandware": [f"{E}/a.jpg?sw=320&sh=320&sm=fit", f"{E}/a.jpg?sw=1024&sh=1024&sm=fit", f"{E}/a.jpg"],
    "next": [f"{E}/_next/image?url=%2Fa.jpg&w=640&q=75", f"{E}/_next/image?url=%2Fa.jpg&w=3840&q=75"],
    "unsplash": [f"{E}/photo-1234?w=400&ixid=abc&q=80", f"{E}/photo-1234?w=1400&ixid=def&q=60", f"{E}/photo-1234"],
    "photon": [f"{PHOTON}-300x200.jpg?resize=150%2C150", f"{PHOTON}.jpg?fit=300,200", f"{PHOTON}.jpg?w=400&zoom=2"],
    "oss": [f"{E}/a.jpg?x-oss-process=image/resize,w_300/quality,q_80", f"{E}/a.jpg"],
    "qiniu": [f"{E}/a.jpg?imageView2/2/w/300/q/80", f"{E}/a.jpg?imageView2/1/w/600/h/600", f"{E}/a.jpg"],
    "squarespace": [f"{E}/a.jpg?format=300w", f"{E}/a.jpg?format=2500w"],
    "twitter": [f"https://pbs.twimg.com/media/F1?format=jpg&name={name}" for name in ("small", "large", "orig")],
    "contentful": [f"{E}/a.jpg?fm=jpg&fl=progressive&w=300&fit=thumb", f"{E}/a.jpg?fm=webp&w=900"],
    "reddit": [f"{E}/a.jpg?width=300&s={'0f' * 20}", f"{E}/a.jpg?width=600&s={'1e' * 20}"],
    "substack": [f"{CLOUDINARY}/w_{w},c_limit,f_auto,fl_progressive:steep/v1/a.jpg" for w in (300, 900)],
    "signed": [f"{E}/a.jpg?w=300&s={'0f' * 16}", f"{E}/a.jpg?w=600&s={'1e' * 16}"],
    "s3": [f"{E}/a.jpg?w=300&X-Amz-Signature=1&X-Amz-Date=2", f"{E}/a.jpg?w=600&X-Amz-Signature=3&X-Amz-Date=4"],
    "gravatar": [f"https://secure.gravatar.com/avatar/ab{query}" for query in ("", "?s=96", "?s=512")],
    "scene7": [f"{E}/is/image/Co/x?wid=300&fmt=jpeg&qlt=80", f"{E}/is/image/Co/x", f"{E}/is/image/Co/x?wid=2000"],
    "folder": [f"{E}/300x200/p/a.jpg", f"{E}/1024x0/p/a.jpg", f"{E}/p/a.jpg"],
    "pximg": [f"{E}/c/250x250_80_a2/img/a.jpg", f"{E}/c/600x1200_90/img/a.jpg", f"{E}/img/a.jpg"],
    "resize": [f"{E}/resize/300/a.jpg", f"{E}/resize/900x600/a.jpg", f"{E}/a.jpg"],
    "thumbor": [f"{E}/{'x' * 27}=/fit-in/300x200/u/a.jpg", f"{E}/{'y' * 27}=/900x600/u/a.jpg"],
    "imgproxy": [f"{E}/{'x' * 43}/rs:fit:300:200:0/plain/a.jpg", f"{E}/{'y' * 43}/rs:fit:900:600:0/plain/a.jpg"],
    "medium": [f"{E}/v2/resize:fit:320/1*a.png", f"{E}/v2/resize:fit:1400/1*a.png"],
    "cloudinary": [
        f"{CLOUDINARY}/c_fill,h_200,w_300/f_auto,q_auto/v1/a.jpg",
        f"{CLOUDINARY}/w_400,dpr_2.0/v1/a.jpg",
        f"{CLOUDINARY}/s--abcdefgh--/w_1600/v1/a.jpg",
        f"{CLOUDINARY}/v1/a.jpg",
    ],
    "cloudflare": [f"{E}{options}/p/a.jpg" for options in (f"{CDN}/width=300,quality=75", f"{CDN}/w=900,f=auto", "")],
    "cloudflare, of another host": [f"{E}{CDN}/w={w}/https://b.org/a.jpg" for w in (300, 900)],
    "drupal": [f"{E}/files/styles/{style}/public/a.jpg?itok={style}" for style in ("max_325x325", "max_1300x1300")],
    "wix": [
        f"{E}/media/ab_1.jpg/v1/fill/w_74,h_50,al_c,q_80,usm_0.66_1.00_0.01,blur_2/ab_1.jpg",
        f"{E}/media/ab_1.jpg/v1/fill/w_300,h_200,al_c,q_80/cat.jpg",
        f"{E}/media/ab_1.jpg/v1/fit/w_900,h_600,q_90,enc_avif,quality_auto/a%20cat.jpg",
        f"{E}/media/ab_1.jpg",
    ],
    "fandom": [f"{E}/a.png/revision/latest/scale-to-width-down/{w}?cb=1" for w in (200, 1000)],
    "blogger": [f"{E}/-a/b/c/d/w320-h240-no/x.jpg", f"{E}/-a/b/c/d/s1600/x.jpg"],
    "blogspot": [f"https://1.bp.blogspot.com/-a/b/c/d/{size}/x.jpg" for size in ("s72-c", "s320", "s1600")],
    "google": [f"{GOOGLE}=w300-h200-no", GOOGLE, f"{GOOGLE}=s1600", f"{GOOGLE}=s0"],
    "google elsewhere": [f"{E}/AbC=s300-c-k", f"{E}/AbC=s1600"],
    "wordpress": [f"{E}/up/a-150x150.jpg", f"{E}/up/a-1024x683.jpg", f"{E}/up/a.jpg"],
    "wordpress, scaled": [f"{E}/uploads/a-300x200.jpg", f"{E}/uploads/a-scaled.jpg", f"{E}/uploads/a.jpg"],
    "webp for jpeg": [f"{E}/a-300x200.jpg.webp", f"{E}/a-1024x683.jpg.webp", f"{E}/a.jpg.webp"],
    "shopify's names": [f"{E}/cdn/shop/a{mark}.jpg" for mark in ("_small", "_300x", "_x400_crop_top", "_300x@2x", "")],
    "mediawiki": [f"{COMMONS}/thumb/a/ab/X.svg/{px}px-X.svg.png" for px in (120, 800)] + [f"{COMMONS}/a/ab/X.svg"],
    "ebay": [f"{E}/images/g/AbC/s-l{px}.jpg" for px in (140, 500, 1600)],
    "amazon": [f"https://m.media-amazon.com/I/71a{mark}.jpg" for mark in ("._US40_", "._AC_SX679_", "._SL1500_", "")],
    "flickr": [f"{FLICKR}{mark}.jpg" for mark in ("_s", "_n", "", "_z", "_b")],
    "youtube": [f"https://i.ytimg.com/vi/Ab/{name}.jpg" for name in ("default", "mqdefault", "maxresdefault")],
}  # fmt: skip

NO_MARKS = [
    "?id=300", "/a.jpg?page=200", "/a.jpg?size=large", "/a.jpg?w=3", "/chart?w=3&h=7", "/a.jpg?width=auto",
    "/a.jpg?w=99999", "/photo?w=123", "/img.php?w=123", "/img.php?size=123", "/a.jpg?q=80", "/a.jpg?dpr=2",
    "/a.jpg?resize=50%25", "/2024/05/a.jpg", "/1024/a.jpg", "/photo-1920.jpg", "/12x8/a.jpg", "/300x200", "/300x200/",
    "/300x250/a.jpg", "/logo-90x34.gif", "/1200x300/logo.gif", "/top-728x90.png", "/a_300x200.jpg",
    "/a-300x.jpg", "/s20/a.jpg", "/s1024x/a.jpg", "/w300/a.jpg",
    "/a@2x.png", "/a_large.jpg", "/a_b.jpg", "/a-scaled.jpg", "/-300x200.jpg", "/a-300x200.html", "/a-300x200.svg",
    "/w_300,x_20,c_crop/a.jpg", "/w_300,l_logo/a.jpg", "/cdn-cgi/image/width=300,blur=9/a.jpg", "/=s1600",
    "/cdn-cgi/image/width=auto/a.jpg", "/thumb/a/ab/X.pdf/page1-220px-X.pdf.jpg", "/a/ab/X.jpg/220px-X.jpg",
    "/thumb/X.jpg/220px-Y.jpg", "/styles/large/public/a.jpg", "/width/30000/a.jpg", "/a=b1600", "/%2e=s1600",
    "/a.jpg?x-oss-process=image/rotate,90", "/vi/ab/hqdefault.jpg", "/board-9x9.png", "/v/s-l.jpg",
    "/wp-content/uploads/print-24x36.jpg", "/tile-60x60.jpg",
]  # fmt: skip
ONE_EACH = [  # the same marks, and other pictures
    ("/a.jpg?w=300", "/b.jpg?w=300"),
    ("/a.jpg?w=300&v=1", "/a.jpg?w=600&v=2"),
    ("/a.jpg?w=300&rect=0,0,9,9", "/a.jpg?w=600&rect=9,9,9,9"),
    ("/a.jpg?w=300&crop=0,0,9,9", "/a.jpg?w=600&crop=9,9,9,9"),
    ("/i?hash=abc&w=300", "/i?hash=def&w=300"),
    ("/i.php?id=1&w=300", "/i.php?id=2&w=300"),
    ("/chart?w=300&h=200&d=1", "/chart?w=600&h=400&d=2"),
    ("/300x200/1.jpg", "/300x200/2.jpg"),
    ("/x/300x200/1.jpg", "/y/300x200/1.jpg"),
    ("/a-300x200.jpg", "/a-300x200.png"),
    ("/AbC=s1600", "/AbD=s1600"),
    ("/render.png?mode=front&width=300", "/render.png?mode=back&width=300"),
    ("/render.png?f=front&width=300", "/render.png?f=back&width=300"),
    ("/render.png?format=portrait&width=300", "/render.png?format=landscape&width=300"),
    ("/w_300/f_1/a.jpg", "/w_300/f_2/a.jpg"),
    ("/thumb/a/ab/X.jpg/220px-X.jpg", "/thumb/a/ac/X.jpg/220px-X.jpg"),
    ("/a.jpg?w=300", "/a.jpg?w=300&page=2"),
]


@pytest.mark.parametrize("name", FAMILIES)
def test_sizes_of_one_picture_are_told_apart_and_in_their_order(name: str) -> None:
    found = [size_of(url) for url in FAMILIES[name]]
    assert len({one.picture for one in found}) == 1
    sizes = [one.px for one in found]
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize("rest", NO_MARKS)
def test_what_is_no_size_is_a_picture_of_its_own(rest: str) -> None:
    url = canonical(f"{E}{rest}")
    assert url is not None
    assert size_of(url) == (url, inf)


@pytest.mark.parametrize(("one", "other"), ONE_EACH)
def test_two_pictures_are_never_one(one: str, other: str) -> None:
    assert size_of(E + one).picture != size_of(E + other).picture


_WORDS = """
a b 1 12 300x200 1024x0 c fit-in resize 300 s1600 w640-h480 w_300,c_fill f_auto q_auto thumb X.jpg 220px-X.jpg cdn-cgi
image width=300 styles max_650x650 public rs:fit:300:200 a-300x200.jpg a-300x200-600x400.jpg AbC=s1600 .=s100 %2E=s99
s-l300.jpg a.jpg a_300x.jpg vi default.jpg hqdefault.jpg is . .. cdn
shop -300x200.jpg photo-1 scale-to-width-down AbC=s0
"""
_ITEMS = """
w=300 w=1600 h=200 width=x size=300x200 resize=9,9 q=80 fm=webp dpr=2 zoom=2 v=1 id=7 token=ab format=300w s=80
rect=1,2 =
"""
_HOSTS = st.sampled_from(
    [
        "e.org",
        "lh3.googleusercontent.com",
        "cdn.shopify.com",
        "live.staticflickr.com",
        "i.ytimg.com",
        "gravatar.com",
        "i0.wp.com",
    ]
)
_URLS = st.builds(
    lambda host, path, query: canonical(f"https://{host}/{'/'.join(path)}" + (f"?{'&'.join(query)}" if query else "")),
    _HOSTS,
    st.lists(st.sampled_from([*_WORDS.split(), ""]) | st.text(max_size=12), max_size=6),
    st.lists(st.sampled_from([*_ITEMS.split(), ""]) | st.text(max_size=12), max_size=4),
).filter(bool)  # fmt: skip


@given(_URLS)
def test_a_picture_is_canonical_of_the_same_host_and_a_size_of_itself(url: str) -> None:
    picture, px = size_of(url)
    assert canonical(picture) == picture
    assert host_key(picture) == host_key(url)
    assert size_of(picture).picture == picture
    assert px == inf or px >= 16
    assert picture == url or px < inf, "what has no marks is itself"


@given(st.text())
def test_what_is_no_url_is_no_size(text: str) -> None:
    assert size_of(text).picture == text or text.startswith("http")


@given(
    name=st.text("abcxyz0123456789._~", min_size=1, max_size=10),
    other=st.text("abcxyz0123456789._~", max_size=10),
)
def test_other_names_are_other_pictures_whatever_their_marks(name: str, other: str) -> None:
    """Marks added to two URLs don't make them one, unless these are sizes of one already."""
    pictures = [canonical(f"{E}/p/{each}.jpg") for each in (name, other)]
    same = len({size_of(str(url)).picture for url in pictures}) == 1
    for marked in ("{}/300x200/p/{}.jpg", "{}/p/{}.jpg?w=300", "{}/p/{}-300x200.jpg"):
        sizes = [size_of(str(canonical(marked.format(E, each)))) for each in (name, other)]
        assert (sizes[0].picture == sizes[1].picture) == same


@pytest.mark.parametrize(
    "part",
    [
        "/300x200",
        "-300x200",
        "/w_300",
        "&w=300",
        "/s--a",
        "_300x",
        "/c",
        "._AC_",
        "=s1",
        "/fit-in",
        "1x",
        "-s1",
    ],
)
def test_time_is_linear(part: str) -> None:
    url = f"https://m.media-amazon.com/a{part * 20_000}.jpg"
    with cpu_below(0.5):
        size_of(url)
        size_of(url.replace("&", "?", 1))


_ONE_EXPRESSION = re.compile(
    r"[?=]|\dx\d|/[sw]\d|[/,][wh]_\d|/s-l\d|\dpx-|[a-z]:[a-z\d]|/(?:resize|width|scale-to|styles|cdn-cgi|is/image)"
    r"|\._|-scaled\.|shop|google|ggpht|blogspot|gravatar|githubuser|flickr|ytimg|youtube"
)


@given(st.text("shopgle?=._-scaled.x0123:/,whs-lpxresizeab", max_size=12))
def test_what_may_have_marks_is_told_as_by_one_slow_expression(rest: str) -> None:
    url = f"https://{rest}"
    assert _may_have_marks(url) is (_ONE_EXPRESSION.search(url, 8) is not None)
