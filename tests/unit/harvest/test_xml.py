"""XML as it is found: read as expat reads it where it is well-formed, and to its end where it is not."""

from __future__ import annotations

from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.harvest.cuts import Cut
from crawler.harvest.encoding import decode_xml
from crawler.harvest.xml import Node, subtrees
from tests.support.cpu_time import cpu_below

ITEM = frozenset({"item"})
BROKEN = Cut("feed-broken")


def read(text: str, names: frozenset[str] = ITEM) -> list[Node | Cut]:
    return list(subtrees(text, names, what="feed"))


def texts(text: str) -> list[str | Cut]:
    return [item if isinstance(item, Cut) else item.text for item in read(text)]


# --- as expat reads it ------------------------------------------------------------------------------------

_NAMES = st.sampled_from(["a", "b", "item", "media:content", "x-y", "Z.1", "_c"])
_TEXT = st.text(alphabet="ab&<>\"' é温]", max_size=6)
_LEAVES = st.one_of(
    _TEXT.map(escape),
    _TEXT.filter(lambda text: "]]>" not in text).map(lambda text: f"<![CDATA[{text}]]>"),
    st.sampled_from(["<!-- <item> & -->", "<?php <>?>".replace("<>", ""), "&#65;&#x42;&amp;", " \n "]),
)


def _element(name: str, attributes: dict[str, str], inside: list[str]) -> str:
    told = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
    return f"<{name}{told}>{''.join(inside)}</{name}>" if inside else f"<{name}{told} />"


_ELEMENTS = st.recursive(
    _LEAVES,
    lambda inner: st.builds(
        _element, _NAMES.filter(lambda name: name != "item"), st.dictionaries(_NAMES, _TEXT, max_size=2),
        st.lists(inner, max_size=3),
    ),
    max_leaves=8,
)  # fmt: skip
_ENTRIES = st.builds(
    _element, st.just("item"), st.dictionaries(_NAMES, _TEXT, max_size=2), st.lists(_ELEMENTS)
)


def as_expat_reads(text: str) -> list[Node]:
    """The items of a document, none of which is inside of another one."""
    done: list[Node] = []
    opened: list[Node] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        if not opened and name != "item":
            return
        told = {key.rpartition(":")[2].lower(): value for key, value in reversed(attributes.items())}
        node = Node(name.rpartition(":")[2].lower(), told, [], [])
        if opened:
            opened[-1].children.append(node)
        opened.append(node)

    def end(_: str) -> None:
        if opened:
            node = opened.pop()
            if not opened:
                done.append(node)

    def data(text: str) -> None:
        if opened:
            opened[-1].texts.append(text)

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, data
    parser.Parse(text, True)
    return done


def flat(node: Node) -> object:
    return node.name, node.attributes, "".join(node.texts), [flat(child) for child in node.children]


@given(st.lists(_ENTRIES | _TEXT.map(escape), max_size=4))
def test_what_is_well_formed_is_read_as_expat_reads_it(parts: list[str]) -> None:
    text = f"<?xml version='1.0'?><!DOCTYPE r [<!ELEMENT r (#PCDATA)>]><r>{''.join(parts)}</r>"
    found = [node for node in read(text) if isinstance(node, Node)]

    assert [flat(node) for node in found] == [flat(node) for node in as_expat_reads(text)]
    assert len(read(text)) == len(found), "nothing is counted as broken"


# --- as it is found ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<r><item>a?b=1&c=2</item><item>&copy=&x;&nbsp;&eacute;</item></r>", ["a?b=1&c=2", "&copy=&x;\xa0é"]),
        ("<r><item>1 < 2 <3</item><item>b</item></r>", ["1 < 2 <3", "b"]),
        ("<r><item>a\x00\x0b&#0;&#xD800;&#99999999;b</item></r>", ["a&#99999999;b"]),
        ("\ufeff \n\n<?xml version='1.0'?><r><item>a</item></r>", ["a"]),
        ("<br />\n<b>Warning</b>: x() in <b>/y.php</b><br />\n<?xml version='1.0'?><r><item>a</item></r>", ["a"]),
        ("<r><item>a</item></r><?xml version='1.0'?><r><item>b</item></r>", ["a", "b"]),
        ("<r><item>a<item>b</item></r>", ["a", "b"]),
        ("<r><item>a</itme><item>b</r>", ["a", "b"]),
        ("<r><item>a</item></other>", ["a"]),
        ("<R><x:ITEM>a</x:Item></R>", ["a"]),
        ("<r><item b='1\">a</item><item>b</item></r>", ["a", "b"]),
        ("<r><item b=1 c>a</item><item b>b</item></r>", ["a", "b"]),
        ("<r><!-- <item>x</item> --><item>a</item><!-- <item>b</item></r>", ["a", "b"]),
        ("<r><item><![CDATA[a</item><item><![CDATA[b]]></item></r>", ["a", "b"]),
        ("<r><item><![CDATA[a</item><item>b</item></r>", ["a", "b"]),
        ("<r><item><![CDATA[of <![CDATA[ one]]></item><item>b</item></r>", ["of <![CDATA[ one", "b"]),
        ("<r><?php echo '<item>' ?><item>a</item><?xml <item>b</item></r>", ["a", "b"]),
        ("<r><item>a</item><item", ["a", BROKEN]),
        ("<r><item>a</item>", ["a", BROKEN]),
        ("<r><item>a</item><t>b</t>", ["a", BROKEN]),
        ("<r><t>b</t>", [BROKEN]),
        ("<!DOCTYPE r [<!ENTITY x 'y'>]><r><item>&x;</item></r>", [BROKEN]),
        ("<!DOCTYPE r [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><r><item>&x;</item></r>", [BROKEN]),
        ("", []),
        ("no markup", []),
    ],
)  # fmt: skip
def test_what_is_not_well_formed_is_read_to_its_end(text: str, expected: list[str | Cut]) -> None:
    assert texts(text) == expected


def test_what_the_end_cuts_in_two_is_not_taken() -> None:
    node, cut = read("<r><item><link>http://e.org/1</link><image><url>http://e.org/pict")

    assert isinstance(node, Node)
    assert [child.name for child in node.children] == ["link"]
    assert cut == BROKEN


@given(st.integers(0, 9), st.data())
def test_a_broken_byte_costs_no_more_than_the_entry_that_it_is_in(number: int, data: st.DataObject) -> None:
    entry = "<item a='x' b=\"y\"><link>{n}</link><d><![CDATA[<p>{n}</p>]]></d><!-- {n} --><e/>&amp;</item>\n"
    entries = [entry.replace("{n}", f"http://e.org/{n}") for n in range(10)]
    broken = entries[number]
    position = data.draw(st.integers(0, len(broken) - 1))
    byte = data.draw(st.sampled_from("<>&'\"/!?-[]x \0;="))
    entries[number] = broken[:position] + byte + broken[position + 1 :]
    links = [node.child_text("link") for node in read(f"<r>{''.join(entries)}</r>") if isinstance(node, Node)]

    assert {f"http://e.org/{n}" for n in range(10) if n != number} <= set(links)


@pytest.mark.parametrize(
    "part",
    [
        "<item>", "</item>", "<item/>", "<b>", "</b>", "<item><a>", "&amp;", "&nbsp;", "&", "&#", "<!--", "-->",
        "<![CDATA[", "]]>", "<a><![CDATA[</a>", "<a><![CDATA[</b>", "<!-- a --><!--", "<?", "<?a", "<!", "<!DOCTYPE [",
        "<", "<a ", '<_ "', "<a '", '<a "<', "<a b='", "a=", "a ", '<item><b c="d" ', ":", "\0",
    ],
)  # fmt: skip
def test_hostile_xml_costs_little(part: str) -> None:
    text = "<r><item>" + part * (2**18 // len(part))
    with cpu_below(3):
        nodes = [node for node in read(text) if isinstance(node, Node)]
    assert sum(len(node.text) for node in nodes) <= len(text)


def test_what_is_over_the_limits_is_counted() -> None:
    deep = "<item>" + "<b>" * 100 + "x" + "</b>" * 100 + "<last>y</last></item>"
    wide = "<item>" + "<b>x</b>" * 10_001 + "</item>"
    for text in (deep, wide):
        *nodes, cut = read(f"<r>{text}<item>next</item></r>")
        assert cut == Cut("feed-cut")
        assert [node.text for node in nodes if isinstance(node, Node)] == ["", "next"]
    assert [node.child_text("last") for node in read(f"<r>{deep}</r>") if isinstance(node, Node)] == ["y"]


@given(st.text(alphabet="<>/!?-[]&;#xitem '\"=CDATA\0 ", max_size=60))
def test_nothing_raises(text: str) -> None:
    assert read(text) == read(text)


# --- characters -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        ("<a>é</a>".encode(), ""),
        ("<a>é</a>".encode("utf-8-sig"), "text/xml; charset=iso-8859-1"),
        ("<a>é</a>".encode("utf-16"), ""),
        ("<a>é</a>".encode("utf-16-le"), ""),
        ("<a>é</a>".encode("utf-16-be"), "text/xml; charset=utf-8"),
        ("<?xml version='1.0' encoding='utf-16'?><a>é</a>".encode(), ""),
        ("<?xml version='1.0' encoding='utf-8'?><a>é</a>".encode("latin-1"), ""),
        ("<a>é</a>".encode("latin-1"), "text/xml; charset=utf-8"),
        ("<?xml version='1.0' encoding='iso-8859-1'?><a>é</a>".encode("latin-1"), ""),
        ("<?xml version='1.0' encoding='no-such'?><a>é</a>".encode(), ""),
    ],
)
def test_characters_are_what_they_are_and_not_what_they_are_declared_as(
    content: bytes, content_type: str
) -> None:
    assert decode_xml(content, content_type).endswith("<a>é</a>")


def test_one_byte_that_is_no_utf_8_spoils_no_other() -> None:
    assert decode_xml("é温".encode() + b"\xe9" + "é".encode()) == "é温éé"


@given(st.binary(max_size=40), st.sampled_from(["", "text/xml; charset=utf-16", "text/xml; charset=utf-8"]))
def test_any_bytes_have_characters(content: bytes, content_type: str) -> None:
    decode_xml(content, content_type).encode()
