"""What image files say of their own use, in every format that has a place for it; and bytes of the hostile."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.download import cbor, isobmff, jumbf, metadata, tiff_tags, xmp
from crawler.download.verify import verify
from crawler.models import OptOut, Purpose
from tests.support import credentials
from tests.support.cpu_time import cpu_below
from tests.support.credentials import PLUS, assertion, store
from tests.support.images import samples

NO_TRAINING = f"{PLUS}DMI-PROHIBITED-AIMLTRAINING"
PACKET = credentials.xmp(NO_TRAINING)
EXAMPLE = {
    "cawg.ai_training": "allowed",
    "cawg.ai_generative_training": "notAllowed",
    "cawg.data_mining": "constrained",
}
"""Of the CAWG assertion's own text, version 1.1."""
INFO = "may only be mined on days whose names end in 'y'"
MANIFESTS = store(assertion(EXAMPLE, infos={"cawg.data_mining": INFO}))


def told(data: bytes) -> tuple[OptOut, ...]:
    return verify(data, max_pixels=10**6).opt_outs


@pytest.mark.parametrize(
    "make",
    [
        credentials.jpeg_xmp,
        credentials.jpeg_extended_xmp,
        credentials.png_xmp,
        lambda packet: credentials.png_xmp(packet, compressed=True),
        lambda packet: credentials.webp(b"XMP ", packet),
        credentials.gif,
        lambda packet: credentials.tiff(700, packet),
        credentials.avif,
        credentials.heic,
        credentials.svg_xmp,
    ],
    ids=["jpeg", "extended", "png", "compressed", "webp", "gif", "tiff", "avif", "heic", "svg"],
)
def test_xmp_is_found_where_each_format_has_it(make: Callable[[bytes], bytes]) -> None:
    (found,) = told(make(PACKET))
    assert (found.signal, found.text, found.forbids) == ("data-mining", NO_TRAINING, (Purpose.TRAIN,))
    assert "plus:DataMining" in found.place
    assert told(make(PACKET.replace(b"DataMining", b"DataMoaning"))) == ()


@pytest.mark.parametrize(
    "make",
    [
        credentials.jpeg_c2pa,
        lambda manifests: credentials.jpeg_c2pa(manifests, most=100),
        lambda manifests: credentials.png((b"caBX", manifests)),
        lambda manifests: credentials.webp(b"C2PA", manifests),
        lambda manifests: credentials.gif(manifests, c2pa=True),
        lambda manifests: credentials.tiff(52545, manifests),
        lambda manifests: credentials.with_uuid_box(credentials.avif(b"<x/>"), manifests),
        lambda manifests: credentials.with_uuid_box(credentials.heic(b"<x/>"), manifests),
        credentials.svg_c2pa,
    ],
    ids=["jpeg", "segments", "png", "webp", "gif", "tiff", "avif", "heic", "svg"],
)
def test_assertions_are_found_where_each_format_has_them(make: Callable[[bytes], bytes]) -> None:
    (found,) = told(make(MANIFESTS))
    assert found.signal == "training-mining"
    assert found.place == "c2pa cawg.training-mining"
    assert found.text == (
        "cawg.ai_training=allowed, cawg.ai_generative_training=notAllowed, cawg.data_mining=constrained"
        f" ({INFO})"
    )
    assert found.forbids == (Purpose.SEARCH, Purpose.TRAIN), "constrained is not allowed"


def test_all_samples_say_nothing() -> None:
    for name, data in samples().items():
        assert told(data) == (), name
        assert verify(data, max_pixels=10**6).unread_metadata == 0


def test_files_that_speak_are_sound_and_heard() -> None:
    for name, data in credentials.samples().items():
        assert told(data), name


# --- XMP --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["element", "resource", "attribute"])
@pytest.mark.parametrize("prefix", ["plus", "rights"])
def test_a_property_may_be_written_in_several_ways(form: str, prefix: str) -> None:
    (found,) = xmp.in_packet(credentials.xmp(NO_TRAINING, form=form, prefix=prefix))
    assert found.text == NO_TRAINING
    assert found.forbids == (Purpose.TRAIN,)


def test_constraints_are_told_along() -> None:
    value = f"{PLUS}DMI-PROHIBITED-SEECONSTRAINT"
    (found,) = xmp.in_packet(credentials.xmp(value, constraints="Not on  &lt;Sundays&gt;."))
    assert found.text == f"{value}; plus:OtherConstraints: Not on <Sundays>."
    assert found.forbids == (Purpose.SEARCH, Purpose.TRAIN)


def test_of_another_name_space_it_is_something_else() -> None:
    packet = PACKET.replace(b"http://ns.useplus.org/ldf/xmp/1.0/", b"http://example.org/")
    assert xmp.in_packet(packet) == []


@pytest.mark.parametrize("encoding", ["UTF-16", "UTF-16LE", "UTF-16BE"])
def test_packets_in_other_encodings(encoding: str) -> None:
    text = PACKET.decode().partition("?>")[2]
    declared = f'<?xml version="1.0" encoding="{encoding}"?>{text}'.encode(encoding)
    assert len(xmp.in_packet(declared)) == 1


def test_no_packet_declares_a_document_type_and_what_is_broken_is_read_up_to_there() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'
    assert xmp.in_packet(bomb + PACKET.partition(b"?>")[2]) == []
    assert len(xmp.in_packet(PACKET.replace(b"</rdf:RDF>", b"<"))) == 1
    assert xmp.in_packet(PACKET.replace(b"<x:xmpmeta", b"<<x:xmpmeta")) == []


def test_values_are_bounded() -> None:
    many = b"".join(
        b"<p:DataMining>" + b"%d" % number + b"x" * 9000 + b"</p:DataMining>" for number in range(100)
    )
    packet = b'<r xmlns:p="http://ns.useplus.org/ldf/xmp/1.0/">' + many + b"</r>"
    found = xmp.in_packet(packet)
    assert len(found) == 16
    assert {len(one.text) for one in found} == {500}


# --- Content Credentials ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uses", "forbidden"),
    [
        ({"cawg.data_mining": "notAllowed"}, {"search", "train"}),
        ({"cawg.ai_inference": "notAllowed"}, {"train"}),
        ({"cawg.ai_training": "notAllowed"}, {"train"}),
        ({"cawg.ai_generative_training": "constrained"}, {"train"}),
        # the names of C2PA 1.4
        ({"c2pa.ai_generative_training": "notAllowed"}, {"train"}),
        (dict.fromkeys(("cawg.data_mining", "cawg.ai_inference", "cawg.ai_training"), "allowed"), set()),
        ({"com.example.dreaming": "notAllowed"}, set()),
        ({"cawg.ai_training": "perhaps"}, set()),
        ({}, set()),
    ],
)
def test_uses(uses: dict[str, str], forbidden: set[str]) -> None:
    (found,) = jumbf.in_store(store(assertion(uses)))
    assert {str(purpose) for purpose in found.forbids} == forbidden


@pytest.mark.parametrize(
    ("label", "counts"),
    [
        ("cawg.training-mining", True),
        ("cawg.training-mining__1", True),
        ("cawg.training-mining.v2__3", True),
        ("c2pa.training-mining", True),
        ("org.example.training-mining", False),
    ],
)
def test_labels(label: str, *, counts: bool) -> None:
    found = jumbf.in_store(store(assertion({"cawg.ai_training": "notAllowed"}, label=label)))
    assert [one.place for one in found] == ([f"c2pa {label}"] if counts else [])


def test_what_an_ingredient_says_is_recorded_and_forbids_nothing() -> None:
    no = assertion({"cawg.ai_training": "notAllowed"})
    ingredient, own = jumbf.in_store(store(no, assertion({"cawg.ai_training": "allowed"})))
    assert ingredient.place == "c2pa, of an ingredient, cawg.training-mining"
    assert ingredient.forbids == own.forbids == ()
    assert jumbf.in_store(store(b"", no))[0].forbids == (Purpose.TRAIN,)


def test_older_shapes_of_the_map() -> None:
    bare = credentials.superbox(
        "cawg.training-mining",
        credentials.box(b"cbor", credentials.cbor({"cawg.ai_training": {"use": "notAllowed"}})),
    )
    json = credentials.superbox(
        "c2pa.training-mining",
        credentials.box(b"json", b'{"entries": {"c2pa.data_mining": {"use": "notAllowed"}}}'),
    )
    assert [one.forbids for one in jumbf.in_store(store(bare + json))] == [
        (Purpose.TRAIN,),
        (Purpose.SEARCH, Purpose.TRAIN),
    ]


def test_what_can_t_be_read_says_so() -> None:
    broken = credentials.superbox("cawg.training-mining", credentials.box(b"cbor", b"\xbf\x61"))
    (found,) = jumbf.in_store(store(broken))
    assert (found.text, found.forbids) == ("unreadable", ())


@pytest.mark.parametrize(
    ("data", "value"),
    [
        # RFC 8949, appendix A
        ("00", 0),
        ("1818", 24),
        ("1903e8", 1000),
        ("3863", -100),
        ("f93c00", 1.0),
        ("fb3ff199999999999a", 1.1),
        ("f4", False),
        ("f5", True),
        ("f6", None),
        ("c074323031332d30332d32315432303a30343a30305a", "2013-03-21T20:04:00Z"),
        ("4401020304", b"\1\2\3\4"),
        ("62c3bc", "\u00fc"),
        ("83010203", [1, 2, 3]),
        ("a26161016162820203", {"a": 1, "b": [2, 3]}),
        ("9f018202039f0405ffff", [1, [2, 3], [4, 5]]),
        ("7f657374726561646d696e67ff", "streaming"),
        ("bf61610161629f0203ffff", {"a": 1, "b": [2, 3]}),
        ("a201020304", {}),
    ],
)
def test_cbor(data: str, value: object) -> None:
    assert cbor.decoded(bytes.fromhex(data)) == value


@pytest.mark.parametrize(
    "data", ["", "18", "62c3", "83", "ff", "8201ff", "1c", "a1", "81" * 20 + "00", "9b" + "ff" * 8]
)
def test_what_is_no_cbor(data: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        cbor.decoded(bytes.fromhex(data))


# --- limits, and hostile bytes ----------------------------------------------------------------------------


def test_metadata_that_is_too_large_is_counted() -> None:
    padding = b" " * (metadata.MAX_BYTES + 1)
    info = verify(credentials.webp(b"XMP ", padding + PACKET), max_pixels=10**6)
    assert (info.opt_outs, info.unread_metadata) == ((), 1)
    bomb = verify(credentials.png_xmp(padding + PACKET, compressed=True), max_pixels=10**6)
    assert (bomb.opt_outs, bomb.unread_metadata) == ((), 1)


def _walks() -> dict[str, Callable[[bytes], object]]:
    return {
        **{
            name: (lambda data, name=name: metadata.opt_outs_in(name, data))
            for name in ("jpeg", "png", "webp", "tiff", "avif")
        },
        "gif": lambda data: metadata.opt_outs_in_gif(data, range(0, len(data), 3)),
        "svg": metadata.opt_outs_in_svg,
        "xmp": xmp.in_packet,
        "jumbf": jumbf.in_store,
    }


GOOD = {
    "jpeg": credentials.jpeg_c2pa(MANIFESTS),
    "png": credentials.png_xmp(PACKET),
    "webp": credentials.webp(b"C2PA", MANIFESTS),
    "tiff": credentials.tiff(700, PACKET),
    "avif": credentials.with_uuid_box(credentials.avif(PACKET), MANIFESTS),
    "gif": credentials.gif(PACKET),
    "svg": credentials.svg_c2pa(MANIFESTS),
    "xmp": PACKET,
    "jumbf": MANIFESTS,
}


@pytest.mark.parametrize("name", GOOD)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_whatever_the_bytes_are_nothing_raises(name: str, data: st.DataObject) -> None:
    changed = bytearray(GOOD[name])
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, len(changed) - 1))
        changed[place : place + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=6))
    if data.draw(st.booleans()):
        del changed[data.draw(st.integers(0, len(changed))) :]
    _walks()[name](bytes(changed))


@given(data=st.binary(max_size=300))
def test_bytes_of_any_kind(data: bytes) -> None:
    for walk in _walks().values():
        walk(data)
    for content in isobmff.xmp_items(data):
        assert isinstance(content, bytes)
    for _, content in tiff_tags.of_first_page(data, frozenset((700,))):
        assert len(content) <= len(data)


MIB = 2**20


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("jpeg", b"\xff\xd8" + b"\xff\xe1\0\2" * (4 * MIB // 4)),
        ("jpeg", b"\xff\xd8" + b"\xff" * (4 * MIB)),
        (
            "jpeg",
            b"\xff\xd8" + (b"\xff\xeb\0\x12JP" + b"\0" * 12 + b"\xff\xeb\0\x10JP\0\1" + b"\0" * 10) * 100_000,
        ),
        ("png", b"\x89PNG\r\n\x1a\n" + b"\0\0\0\0iTXt\0\0\0\0" * 350_000),
        ("png", b"\x89PNG\r\n\x1a\n" + b"\0\0\0\x16iTXtXML:com.adobe.xmp\0\0\0\0\0\0\0\0" * 100_000),
        ("webp", b"RIFF\0\0\0\0WEBP" + b"XMP \0\0\0\0" * 500_000),
        ("avif", b"\0\0\0\x08free" * 500_000),
        ("tiff", b"II*\0\x08\0\0\0\xff\xff" + b"\xbc\x02\7\0\xff\xff\xff\0\0\0\0\0" * 350_000),
        ("svg", b"<c2pa:manifest>" * 300_000),
        ("svg", b"<c2pa:manifest>" + b"A" * (4 * MIB)),
        ("xmp", b"<a DataMining=''>" * 250_000),
        ("xmp", b'<r xmlns:p="http://ns.useplus.org/ldf/xmp/1.0/"><p:DataMining>' + b"<a>b" * MIB),
        ("jumbf", b".training-mining" + b"\0\0\0\x08jumb" * 500_000),
        ("jumbf", credentials.superbox("c2pa", *[MANIFESTS] * 5000)),
        ("jumbf", b"\0\0\0\0jumb" * 100_000 + b".training-mining"),
    ],
)
def test_no_file_takes_long(name: str, data: bytes) -> None:
    with cpu_below(2):
        _walks()[name](data)


def test_of_all_that_a_file_may_say_little_is_kept() -> None:
    packet = b'<r xmlns:p="http://ns.useplus.org/ldf/xmp/1.0/" p:DataMining="%d"/>'
    many = b"".join(
        b"XMP " + len(one).to_bytes(4, "little") + one + b"\0" * (len(one) % 2)
        for one in (packet % number for number in range(1000, 3000))
    )
    found = metadata.opt_outs_in("webp", b"RIFF\0\0\0\0WEBP" + many)
    assert len(found.opt_outs) == 64
    assert io.BytesIO(many).read(4) == b"XMP "
