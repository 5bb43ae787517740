from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.harvest.css import CssReference, references
from crawler.harvest.cuts import Cut
from tests.support.cpu_time import cpu_below


def urls(css: str) -> list[str]:
    return [item.url for item in references(css)]


@pytest.mark.parametrize(
    ("css", "expected"),
    [
        ("", []),
        ("color: red", []),
        ("background: url()", []),
        ("background: url(  a.png  )", ["a.png"]),
        ("background: url('a b.png')", ["a b.png"]),
        ('background: URL("a.png"), Url(b.png)', ["a.png", "b.png"]),
        (r"background: \75 rl(a\.png)", ["a.png"]),
        ("background: src('a.png')", ["a.png"]),
        ("background: url(bad'quote.png)", []),
        ("background: url(a.png", ["a.png"]),
        ("background: url('a.png", ["a.png"]),
        ("mask: url(#shape)", []),
        ("mask: url(shapes.svg#one)", ["shapes.svg#one"]),
        ("behavior: url(x.htc); -moz-binding: url(x.xml#y)", []),
        ("a { b: c } } d { e: url(f.png) }", ["f.png"]),
        ("a { /* url(x.png) */ content: 'url(y.png)' }", []),
        ("@media print { a { b: url(c.png) } }", ["c.png"]),
        ("@document url(http://example.org/x.png) { a { b: url(c.png) } }", ["c.png"]),
        ("@font-face { src: url(f.svg) } a { b: url(c.png) }", ["c.png"]),
        ("@FONT-FACE { src: url(f.svg) }", []),
        ("@namespace url(x.png); a { b: url(c.png) }", ["c.png"]),
        ("@unknown", []),
        ("--logo: url(custom.png)", ["custom.png"]),
        (
            "a: cross-fade(url(a.png), image('b.png')) [url(c.png)] (url(d.png))",
            ["a.png", "b.png", "c.png", "d.png"],
        ),
        ("a: image(ltr url(u.png))", ["u.png"]),
    ],
)
def test_images(css: str, expected: list[str]) -> None:
    assert urls(css) == expected
    assert not any(item.is_import for item in references(css))


@pytest.mark.parametrize(
    ("css", "expected"),
    [
        ("@import 'a.css';", ["a.css"]),
        ('@import url(a.css) layer(b) supports(display: grid) screen; @IMPORT "c.css"', ["a.css", "c.css"]),
        ("@import url('a.css');", ["a.css"]),
        ("@import src('a.css');", ["a.css"]),
        ("@import;", []),
        ("@import screen;", []),
    ],
)
def test_imports(css: str, expected: list[str]) -> None:
    assert references(css) == [CssReference(url, is_import=True) for url in expected]


def test_the_choices_of_an_image_set_share_a_number() -> None:
    assert references(
        "a: image-set('1.png' 1x, url(2.png) type('a/b') 2dppx, url('3.png') 288dpi, linear-gradient(red)); "
        "b: -webkit-image-set(url(4.png) 96dpi, , url(5.png))"
    ) == [
        CssReference("1.png", image_set=1, density=1.0),
        CssReference("2.png", image_set=1, density=2.0),
        CssReference("3.png", image_set=1, density=3.0),
        CssReference("4.png", image_set=2, density=1.0),
        CssReference("5.png", image_set=2),
    ]


RULES = [
    "a { b: c; d: e }",
    "a { b: url({n}.png) }",
    "@media print { a { b: url('{n}{.png') } c { d: e } }",
    "/* } url({n}x.png) { */ a { b: url({n}}.png) }",
    'a { content: "}{"; b: url("{n}\\"}.png") }',
    "@import '{n}.css';",
    "@font-face { src: url({n}.svg) }",
    "a\\{ { b: image-set('{n}.png' 1x, '{n}-2.png' 2x) }",
]


@given(st.lists(st.sampled_from(RULES), min_size=40, max_size=60))
def test_a_large_sheet_is_read_rule_by_rule_with_the_same_result(rules: list[str]) -> None:
    numbered = [rule.replace("{n}", str(n)) for n, rule in enumerate(rules)]
    one_by_one = [item.url for rule in numbered for item in references(rule)]

    assert len("\n".join(numbered)) > 512
    assert urls("\n".join(numbered)) == one_by_one


def test_a_large_image_in_a_sheet_is_one_token_however_long() -> None:
    data = "data:image/png;base64," + "A" * 300_000
    for url in (f"url({data})", f"url('{data}')"):
        found = references("a{b:c}" * 100 + f"x{{a:{url};b:url(z.png)}} y{{b:url(b.png)}}")
        assert [item.url for item in found if isinstance(item, CssReference)] == [data, "z.png", "b.png"]


def test_a_large_rule_is_read_in_parts_that_cut_no_reference() -> None:
    inner = "".join(f"a{n}{{b:url(i{n}.png);c:url(j{n}.png)}}" for n in range(5_000))
    for css in (f"@media print{{{inner}}}", f"x{{{inner.replace('{', ';').replace('}', ';')}}}"):
        found = references(css)
        assert not [item for item in found if isinstance(item, Cut)]
        assert [item.url for item in found if isinstance(item, CssReference)] == [
            f"{name}{n}.png" for n in range(5_000) for name in "ij"
        ]


def test_what_may_cut_a_reference_is_counted() -> None:
    found = references("a{b:" + "x " * 200_000 + "url(a.png)}")

    assert Cut("css-cut") in found
    assert not [item for item in references("a{b:c} " * 100_000) if isinstance(item, Cut)]


def test_rules_that_refer_to_nothing_are_not_tokenised() -> None:
    with cpu_below(10):
        found = references(
            "a[b='}'] { content: \"{\"; color: red } /* ' */ " * 50_000 + "c { background: url(d.png) }"
        )

        assert [item.url for item in found] == ["d.png"]


@given(st.text(alphabet="url(){}[]'\"\\;:,@import a.png/*#-x1", max_size=80) | st.text(max_size=80))
def test_any_text_gives_references(css: str) -> None:
    for item in references(css):
        assert item.url
        assert not item.url.startswith("#")


@pytest.mark.parametrize(
    "hostile",
    [
        "{",
        "a{url(b)",
        "(",
        "url(",
        "url(url(",
        'url("a")',
        "image-set(",
        "a(",
        "@import ",
        "\\",
        "/*",
        "'",
        "}",
    ],
)
@pytest.mark.slow
@pytest.mark.sampled(2)
def test_much_of_anything_takes_a_moment_and_no_stack(hostile: str) -> None:
    with cpu_below(10):
        references("a: url(b.png); " + hostile * (2**18 // len(hostile)))
