from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from crawler.download.naming import image_path
from crawler.download.verify import EXTENSIONS
from crawler.urls import canonical

SUFFIXED = re.compile(r"~[a-z2-7]{12}\.[A-Za-z]+$")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://example.org/photos/cat.jpg", "images/example.org/photos/cat.jpg"),
        ("https://example.org/cat.jpeg", "images/example.org/cat.jpeg"),
        ("http://example.org/cat.jpg", "images/example.org_80/cat.jpg"),
        ("http://example.org:8080/cat.jpg", "images/example.org_8080/cat.jpg"),
        ("https://example.org:8443/cat.jpg", "images/example.org_8443_https/cat.jpg"),
        ("https://[2001:db8::1]/cat.jpg", "images/ipv6_2001-db8--1/cat.jpg"),
        ("http://127.0.0.1:5000/cat.jpg", "images/127.0.0.1_5000/cat.jpg"),
        ("https://example.org/caf%C3%A9/%E7%8C%AB.jpg", "images/example.org/café/猫.jpg"),
        ("https://example.org/a%20b/c%20d.jpg", "images/example.org/a b/c d.jpg"),
        ("https://xn--bcher-kva.example/cat.jpg", "images/xn--bcher-kva.example/cat.jpg"),
        ("https://example.org/~user/cat-1_2.min.jpg", "images/example.org/~user/cat-1_2.min.jpg"),
    ],
)
def test_plain_names_say_all_of_their_url(url: str, path: str) -> None:
    assert canonical(url) == url
    assert image_path(url, "jpg") == path


@pytest.mark.parametrize(
    ("url", "readable"),
    [
        ("https://example.org/cat.jpg?size=1", "images/example.org/cat~.jpg"),
        ("https://example.org/cat.jpg?", "images/example.org/cat~.jpg"),
        ("https://example.org/Photos/Cat.JPG", "images/example.org/Photos/Cat~.JPG"),
        ("https://example.org/cat.png", "images/example.org/cat~.jpg"),
        ("https://example.org/cat", "images/example.org/cat~.jpg"),
        ("https://example.org/view.php?id=7", "images/example.org/view.php~.jpg"),
        ("https://example.org/", "images/example.org/image~.jpg"),
        ("https://example.org/a//b/cat.jpg", "images/example.org/a/b/cat~.jpg"),
        ("https://example.org/%7Euser/cat.jpg", "images/example.org/~user/cat~.jpg"),
        ("https://example.org/caf%c3%a9.jpg", "images/example.org/café~.jpg"),
        ("https://example.org/cafe%CC%81.jpg", "images/example.org/café~.jpg"),
        ("https://example.org/%FF.jpg", "images/example.org/%FF~.jpg"),
        ("https://example.org/a%2Fb.jpg", "images/example.org/a_b~.jpg"),
        ("https://example.org/%00%0A.jpg", "images/example.org/__~.jpg"),
        ("https://example.org/a%E2%80%AEgpj.jpg", "images/example.org/a_gpj~.jpg"),
        ("https://example.org/a:b*c.jpg", "images/example.org/a_b_c~.jpg"),
        ("https://example.org/con.jpg", "images/example.org/_con~.jpg"),
        ("https://example.org/aux/lpt1/com0.x/cat.jpg", "images/example.org/_aux/_lpt1/_com0.x/cat~.jpg"),
        ("https://example.org/.hidden/.cat.jpg", "images/example.org/_hidden/_cat~.jpg"),
        ("https://example.org/dots.../cat.jpg", "images/example.org/dots/cat~.jpg"),
        ("https://example.org/%20/cat.jpg", "images/example.org/cat~.jpg"),
        ("https://example.org/cat.jpg/dog.jpg", "images/example.org/cat.jpg_/dog~.jpg"),
        ("https://example.org/cat.TIFF/dog.jpg", "images/example.org/cat.TIFF_/dog~.jpg"),
        ("https://example.org/cat~abcdefghijkl.jpg", "images/example.org/cat~abcdefghijkl~.jpg"),
        ("https://host_80/cat.jpg", "images/host_80/cat~.jpg"),
        ("https://ipv6_--1/cat.jpg", "images/ipv6_--1/cat~.jpg"),
        ("https://example.org./cat.jpg", "images/example.org/cat~.jpg"),
        ("https://nul/cat.jpg", "images/_nul/cat~.jpg"),
        ("https://example.org/stra%C3%9Fe.jpg", "images/example.org/straße~.jpg"),
    ],
)  # fmt: skip
def test_altered_names_end_in_a_digest(url: str, readable: str) -> None:
    assert canonical(url) == url
    path = image_path(url, "jpg")
    assert SUFFIXED.search(path)
    assert re.sub(r"~[a-z2-7]{12}\.(?=[A-Za-z]+$)", "~.", path) == readable


@pytest.mark.parametrize(
    ("own", "extension"),
    [("tiff", "tif"), ("jpe", "jpg"), ("jfif", "jpg"), ("apng", "png"), ("dib", "bmp"), ("svg", "svg")],
)
def test_an_extension_that_means_the_same_stays(own: str, extension: str) -> None:
    assert image_path(f"https://example.org/a.{own}", extension) == f"images/example.org/a.{own}"


def test_long_names_keep_their_start_and_their_kind() -> None:
    path = image_path(f"https://example.org/{'a' * 400}.jpg", "jpg")
    assert path.startswith("images/example.org/" + "a" * 200 + "~")
    assert len(path.rpartition("/")[2].encode()) <= 240
    many_bytes = image_path(canonical(f"https://example.org/{'猫' * 80}/{'猫' * 80}.jpg") or "", "jpg")
    assert all(len(segment.encode()) <= 240 for segment in many_bytes.split("/"))


def test_deep_paths_lose_their_middle() -> None:
    deep = "/".join(f"d{number}" for number in range(40))
    path = image_path(f"https://example.org/{deep}/cat.jpg", "jpg")
    assert path.startswith("images/example.org/d0/d1/d2/d3/d4/d5/~/d34/")
    assert SUFFIXED.search(path)
    wide = "/".join(letter * 190 for letter in "abcdefgh")
    path = image_path(f"https://example.org/{wide}/cat.jpg", "jpg")
    assert len(path.encode()) < 1100
    assert "/" + "a" * 190 + "/" in path
    assert "/" + "h" * 190 + "/" in path


def test_an_extension_of_no_format_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="exe"):
        image_path("https://example.org/a.jpg", "exe")


def test_every_kept_format_can_be_named() -> None:
    for extension in EXTENSIONS.values():
        assert (
            image_path(f"https://example.org/a.{extension}", extension) == f"images/example.org/a.{extension}"
        )


# --- properties: no two URLs share a file, no file is another's folder

WORDS = st.sampled_from(
    [
        *[
            "",
            ".",
            "..",
            "~",
            "_",
            "a",
            "A",
            "a.",
            "a%20",
            "%20a",
            "a%00",
            "a_b",
            "a:b",
            "image",
            "con",
            "con.png",
        ],
        *[
            "a.png",
            "b.png",
            "b.PNG",
            "a.jpg",
            "a.png_",
            "a~aaaaaaaaaaaa.png",
            "x" * 300,
            "x" * 301,
            "~user",
            "%7Euser",
        ],
        *["é", "e\u0301", "%C3%A9", "%c3%a9", "%2F", "%2f", "%41", "%61", "%FF", "%ff", "\U0001f600"],
        *["ß", "ss", "\u017f", "s", "\u0130", "i", "\u212a", "K", "k"],  # what folding the case makes one
    ]
)
SEGMENTS = (
    WORDS
    | st.text(max_size=12).map(lambda text: text.replace("/", ""))
    | st.text(st.sampled_from("aA.~%é2Ff"), max_size=6)
)
HOSTS = st.sampled_from(
    [
        *["example.org", "example.org.", "con", "127.0.0.1:1", "x" * 60 + "." + "y" * 60],
        *["a", "a:0", "a:80", "a:443", "a:8080", "a_80", "a_8080", "a_8080_https"],
        *["[::1]", "[::1]:8080", "ipv6_--1", "ipv6_--1_80"],
    ]
)
URLS = st.builds(
    lambda scheme, host, segments, query: canonical(f"{scheme}://{host}/{'/'.join(segments)}{query}"),
    st.sampled_from(["http", "https"]),
    HOSTS,
    st.lists(SEGMENTS, max_size=5) | st.lists(SEGMENTS, min_size=10, max_size=16),
    st.sampled_from(["", "", "", "?", "?a", "?A", "?b=1"]),
).filter(bool)
RESERVED = {
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{port}{number}" for port in ("com", "lpt") for number in range(10)),
}
KINDS = st.sampled_from(sorted(EXTENSIONS.values()))


def as_a_careless_disk_sees_it(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


@given(URLS, URLS, KINDS, KINDS)
@example("https://a/a.png", "https://a/a.png/b.png", "png", "png")
@example("https://a/a", "https://a/a/b.png", "png", "png")
@example("https://a_8080/b.png", "http://a:8080/b.png", "png", "png")
@example("https://a/%C3%A9.png", "https://a/e%CC%81.png", "png", "png")
@example("https://a/b.jpg", "https://a/b.jpg?", "jpg", "jpg")
def test_two_urls_never_meet(one: str, other: str, kind: str, other_kind: str) -> None:
    assume(one != other)
    first, second = (
        as_a_careless_disk_sees_it(image_path(url, extension))
        for url, extension in ((one, kind), (other, other_kind))
    )
    assert first != second
    assert not first.startswith(second + "/")
    assert not second.startswith(first + "/")


@given(URLS, KINDS)
def test_paths_are_safe_everywhere(url: str, kind: str) -> None:
    path = image_path(url, kind)
    assert path == image_path(url, kind)
    segments = path.split("/")
    assert segments[0] == "images"
    assert PurePosixPath(path).parts == tuple(segments)
    for segment in segments:
        assert segment not in {"", ".", ".."}
        assert not re.search(r'[\x00-\x1f\x7f<>:"/\\|?*]', segment)
        assert segment.partition(".")[0].lower() not in RESERVED
        assert not segment.startswith((".", " "))
        assert not segment.endswith((".", " "))
        assert len(segment.encode()) <= 240
        assert unicodedata.normalize("NFC", segment) == segment
    assert len(path.encode()) <= 1100
    assert len(segments) <= 16
