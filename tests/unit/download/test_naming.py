from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from crawler.crawlfile.image_paths import _is_name, extension_of, is_image_path
from crawler.download.formats import EXTENSIONS
from crawler.download.naming import image_path
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
        ("https://example.org/0?w=1600", "images/example.org/0.w1600.jpg"),
        ("https://example.org/0?w=1600&h=900", "images/example.org/0.w1600-h900.jpg"),
        ("https://example.org/cat.jpg?w=800&h=600", "images/example.org/cat.jpg.w800-h600.jpg"),
        ("https://example.org/cat.jpg?v=2&fm=webp", "images/example.org/cat.jpg.v=2-fm=webp.jpg"),
        ("https://example.org/cat.png?size=16", "images/example.org/cat.png.size16.jpg"),
        ("https://example.org/view.php?id=7", "images/example.org/view.php.id7.jpg"),
        ("https://example.org/logo.v2.jpg", "images/example.org/logo.v2.jpg"),
    ],
)
def test_plain_names_say_all_of_their_url(url: str, path: str) -> None:
    assert canonical(url) == url
    assert image_path(url, "jpg") == path


@pytest.mark.parametrize(
    ("url", "readable"),
    [
        ("https://example.org/cat.jpg?Size=1", "images/example.org/cat~.jpg"),
        ("https://example.org/cat.jpg?size=1&size", "images/example.org/cat~.jpg"),
        ("https://example.org/cat.jpg?a=1&b=2&c=3&d=4&e=5&f=6", "images/example.org/cat~.jpg"),
        ("https://example.org/cat.jpg?url=%2Fa", "images/example.org/cat~.jpg"),
        ("https://example.org/cat.jpg?t=a-b", "images/example.org/cat~.jpg"),
        ("https://example.org/cat.w300.jpg", "images/example.org/cat.w300~.jpg"),
        ("https://example.org/cat.v=2-w300.jpg", "images/example.org/cat.v=2-w300~.jpg"),
        ("https://example.org/?w=300", "images/example.org/image~.jpg"),
        ("https://example.org/Cat.jpg?w=300", "images/example.org/Cat~.jpg"),
        ("https://example.org/cat.jpg?", "images/example.org/cat~.jpg"),
        ("https://example.org/Photos/Cat.JPG", "images/example.org/Photos/Cat~.JPG"),
        ("https://example.org/cat.png", "images/example.org/cat~.jpg"),
        ("https://example.org/cat", "images/example.org/cat~.jpg"),
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
        ("https://example.org/a%5Cb.jpg", "images/example.org/a_b~.jpg"),
        ("https://example.org/..%2F..%2Fetc%2Fpasswd", "images/example.org/_._.._etc_passwd~.jpg"),
        ("https://example.org/..%5C..%5Ca.jpg", "images/example.org/_._.._a~.jpg"),
        ("https://example.org/com%C2%B9.jpg", "images/example.org/_com¹~.jpg"),
        ("https://example.org/CON.txt", "images/example.org/_CON.txt~.jpg"),
        ("https://example.org/nul%20", "images/example.org/_nul~.jpg"),
        ("https://example.org/con%20.jpg", "images/example.org/_con ~.jpg"),
        ("https://example.org/clock$.jpg", "images/example.org/_clock$~.jpg"),
        ("https://example.org/longna~1.jpg", "images/example.org/longna~1~.jpg"),
        ("https://example.org/progra~1/cat.jpg", "images/example.org/progra~1/cat~.jpg"),
        ("https://example.org/a%E2%80%8Bb%C2%ADc%EF%B8%8F.jpg", "images/example.org/a_b_c_~.jpg"),
        ("https://example.org/a.png%EF%B8%8F/b.jpg", "images/example.org/a.png_/b~.jpg"),
        ("https://example.org/a.heic/b.jpg", "images/example.org/a.heic_/b~.jpg"),
    ],
)  # fmt: skip
def test_altered_names_end_in_a_digest(url: str, readable: str) -> None:
    assert canonical(url) == url
    path = image_path(url, "jpg")
    assert SUFFIXED.search(path)
    assert re.sub(r"~[a-z2-7]{12}\.(?=[A-Za-z]+$)", "~.", path) == readable


@pytest.mark.parametrize(
    ("own", "extension"),
    [
        ("tiff", "tif"),
        ("jpe", "jpg"),
        ("jfif", "jpg"),
        ("apng", "png"),
        ("dib", "bmp"),
        ("svg", "svg"),
        ("heif", "heic"),
    ],
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
    assert len(path.encode()) < 900
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


@pytest.mark.parametrize(
    ("url", "readable"),
    [
        ("https://example.org/photos/cat.jpeg", "images/cat~.jpeg"),
        ("http://example.org/cat?x", "images/cat~.jpg"),
        ("https://example.org/", "images/image~.jpg"),
        ("https://example.org/..%2Fa.jpg", "images/_._a~.jpg"),
        ("https://example.org/con.jpg", "images/_con~.jpg"),
        (f"https://example.org/{'a' * 300}.jpg", f"images/{'a' * 200}~.jpg"),
    ],
)
def test_all_in_one_folder(url: str, readable: str) -> None:
    path = image_path(url, "jpg", layout="flat")
    assert re.sub(r"~[a-z2-7]{12}\.(?=[A-Za-z]+$)", "~.", path) == readable


def test_by_their_bytes() -> None:
    sha256 = "ab12" + "0" * 60
    for url in ("https://example.org/cat.jpeg", "https://example.org/dog"):
        for version in ("", "f" * 64):
            path = image_path(url, "jpg", layout="hash", sha256=sha256, version=version)
            assert path == f"images/ab/12/{sha256}.jpg"
    for wrong in ("", "AB" * 32, "../" * 21 + "a", sha256 + "\n"):
        with pytest.raises(ValueError, match="SHA-256"):
            image_path("https://example.org/cat.jpeg", "jpg", layout="hash", sha256=wrong)


def test_a_layout_that_is_none() -> None:
    with pytest.raises(ValueError, match="site, hash, flat"):
        image_path("https://example.org/cat.jpeg", "jpg", layout="tree")


def test_what_a_url_gave_later_is_beside_what_it_gave_first() -> None:
    url = "https://example.org/a/cat.jpg"
    later, latest = (image_path(url, "jpg", version=version * 64) for version in "ab")
    assert re.fullmatch(r"images/example\.org/a/cat~[a-z2-7]{12}\.jpg", later)
    assert len({image_path(url, "jpg"), later, latest}) == 3
    asked = image_path(url + "?x", "jpg")
    assert re.fullmatch(
        re.escape(asked.removesuffix(".jpg")) + r"~[a-z2-7]{12}\.jpg",
        image_path(url + "?x", "jpg", version="a" * 64),
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
            "a.w3.png",
            "a.w3",
            "a.png.w3.png",
            "a.w3-h4.png",
            "a.b=1.png",
            "a.b=1",
            "a.w3.h4.png",
        ],
        *["é", "e\u0301", "%C3%A9", "%c3%a9", "%2F", "%2f", "%41", "%61", "%FF", "%ff", "\U0001f600"],
        *[
            "..%2f",
            "..%5c",
            "%2e%2e%2fa",
            "nul%20",
            "com%C2%B9",
            "CON.txt",
            "a%C2%AD",
            "a%E2%80%8B",
            "a.png%EF%B8%8F",
        ],
        *[
            "longna~1.png",
            "~1",
            "a.heic",
            "%E2%80%AEgnp.a",
            "%F3%A0%81%81",
            "a.%C5%BFvg",
            "%EF%AC%80.ti%EF%AC%80",
        ],
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
    st.sampled_from(
        ["", "", "", "?", "?a", "?A", "?b=1", "?w=3", "?w=3&h=4", "?w=3-h4", "?w3", "?w=", "?w=03", "?W=3"]
    ),
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


LAYOUTS = st.sampled_from(["site", "flat"])
VERSIONS = st.sampled_from(["", "0" * 64, "a" * 64])


@given(URLS, URLS, VERSIONS, VERSIONS, KINDS, KINDS, LAYOUTS)
@example("https://a/a.png", "https://a/a.png", "", "a" * 64, "png", "png", "site")
@example("https://a/a.png", "https://a/A.png", "a" * 64, "a" * 64, "png", "png", "flat")
def test_two_versions_of_any_urls_never_meet(
    one: str, other: str, version: str, other_version: str, kind: str, other_kind: str, layout: str
) -> None:
    assume((one, version) != (other, other_version))
    first, second = (
        as_a_careless_disk_sees_it(image_path(url, extension, layout=layout, version=told))
        for url, extension, told in ((one, kind, version), (other, other_kind, other_version))
    )
    assert first != second
    assert not first.startswith(second + "/")
    assert not second.startswith(first + "/")


@given(URLS, VERSIONS, KINDS)
def test_a_versioned_name_is_none_that_a_url_could_ask_for(url: str, version: str, kind: str) -> None:
    """A URL that spells another's path out gets another one."""
    path = image_path(url, kind, version=version)
    folders = path.removeprefix("images/")
    spelt = canonical(f"https://{folders}")
    if spelt and spelt != url:
        assert as_a_careless_disk_sees_it(image_path(spelt, kind)) != as_a_careless_disk_sees_it(path)


@given(URLS, KINDS, LAYOUTS, VERSIONS)
def test_paths_are_safe_everywhere(url: str, kind: str, layout: str, version: str) -> None:
    path = image_path(url, kind, layout=layout, version=version)
    assert path == image_path(url, kind, layout=layout, version=version)
    assert is_image_path(path)
    segments = path.split("/")
    assert segments[0] == "images"
    assert PurePosixPath(path).parts == tuple(segments)
    for segment in segments:
        assert segment not in {"", ".", ".."}
        assert not re.search(r'[\x00-\x1f\x7f<>:"/\\|?*]', segment)
        assert segment.partition(".")[0].rstrip(" ").lower() not in RESERVED
        assert not re.search("[\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe0f\ufeff]", segment)
        assert not segment.startswith((".", " "))
        assert not segment.endswith((".", " "))
        assert len(segment.encode()) <= 240
        assert unicodedata.normalize("NFC", segment) == segment
    assert len(path.encode()) <= 900
    assert len(segments) <= 16


@given(
    st.text("CcoOnNlpt$1²9-_ .é\u017fK", max_size=16),
    st.sampled_from(["jpg", "JPEG", "tiff", "php", "jp\u017f"]),
)
def test_a_name_that_is_plain_is_judged_as_any_other(stem: str, extension: str) -> None:
    name = f"{stem}.{extension}"
    assert is_image_path(f"images/{name}") == (extension_of(name) != "" and _is_name(name))
