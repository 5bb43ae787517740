"""Whose a caption is, on pages as they are made; and that it is never taken from another picture."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.harvest.html import PARSERS, parse

PARAGRAPH = (
    "<p>" + "A long paragraph of an article, which keeps apart what stands before and after it. " * 2 + "</p>"
)


def img(name: str) -> str:
    return f'<a href="/{name}"><img src="{name}"></a>'


A, B = img("a"), img("b")


def captions(html: str, parser: str = "fast") -> dict[str, str]:
    """Of each ``<img>``, by its ``src``."""
    page = f"<!doctype html><title>t</title><body>{html}</body>"
    return {
        element.attributes["src"]: " ".join(element.caption.split())
        for element in parse(page, parser=parser)
        if element.name == "img"
    }


AS_MADE = {
    "WordPress": (
        '<div class="wp-caption alignnone"><a href=x><img src=a></a><p class="wp-caption-text">A</p></div>',
        {"a": "A"},
    ),
    "WordPress gallery": (
        (
            f'<dl class=gallery-item><dt>{A}</dt><dd class="wp-caption-text gallery-caption">A</dd></dl>'
            f'<dl class=gallery-item><dt>{B}</dt><dd class="wp-caption-text gallery-caption">B</dd></dl>'
        ),
        {"a": "A", "b": "B"},
    ),
    "DocBook, title and caption": (
        (
            f'<div class="figure"><p class="title"><b>Figure 1.</b></p><div class="figure-contents">'
            f'<div class="mediaobject">{A}<div class="caption"><p>A</p></div></div>'
            f'<div class="mediaobject">{B}</div></div></div>'
        ),
        {"a": "A", "b": "Figure 1."},
    ),
    "AsciiDoc": (f'<div class="imageblock"><div>{A}</div><div class="title">A</div></div>', {"a": "A"}),
    "MediaWiki, with the icon of its caption": (
        f'<div class="thumbinner">{A}<div class="thumbcaption"><div class="magnify">{B}</div>A</div></div>',
        {"a": "A", "b": ""},
    ),
    "MediaWiki gallery": (
        (
            f'<li class="gallerybox"><div><div class="thumb"><div>{A}</div></div>'
            '<div class="gallerytext"><p>A</p></div></div></li>'
        ),
        {"a": "A"},
    ),
    "Sphinx": (
        (
            f'<div class="figure"><a class="reference">{A}</a><p class="caption"><span class="caption-number">'
            'Fig. 1 </span><span class="caption-text">A</span><a class="headerlink">¶</a></p></div>'
        ),
        {"a": "Fig. 1 A"},
    ),
    "Doxygen": (f'<div class="image">{A}<div class="caption">A</div></div>', {"a": "A"}),
    "Joomla": (
        '<div class="img_caption"><img class="caption" src=a><p class="img_caption">A</p></div>',
        {"a": "A"},
    ),
    "CSS modules": (f'<div class="H_w__a1">{A}<p class="H_captionText__x3f">A</p></div>', {"a": "A"}),
    "Bootstrap": (
        f'<div class="thumbnail">{A}<div class="caption"><h3>A</h3><p>text</p></div></div>',
        {"a": "A text"},
    ),
    "custom element": (f"<my-figure>{A}<figcaption>A</figcaption></my-figure>", {"a": "A"}),
    "after the picture": (
        PARAGRAPH + f"{A}<p class=caption>A</p>{B}<p class=caption>B</p>" + PARAGRAPH,
        {"a": "A", "b": "B"},
    ),
    "before the picture": (
        f"{img('0')}{PARAGRAPH}<p class=caption>A</p>{A}<p class=caption>B</p>{B}",
        {"0": "", "a": "A", "b": "B"},
    ),
    "around the picture": (f"<p class=caption>{A} A</p>", {"a": "A"}),
    "photographer between": (f"<div>{A}<i>Photo: X</i><p class=caption>A</p></div>", {"a": "A"}),
    "two in one figure": (
        f"<figure>{A}{B}<figcaption>both</figcaption></figure>",
        dict.fromkeys("ab", "both"),
    ),
    "one by one in a figure": (
        f"<figure>{A}<figcaption>A</figcaption>{B}<figcaption>B</figcaption></figure>",
        {"a": "A", "b": "B"},
    ),
    "row below a row": (
        (
            f"<table><tr><td>{A}</td><td>{B}</td></tr> <tr><td class=caption>A</td><td class=caption>B</td></tr>"
            "</table>"
        ),
        {"a": "A", "b": "B"},
    ),
    "table of pictures": (
        f"<table><caption>both</caption><tr><td>{A}</td><td>{B}</td></tr></table>",
        dict.fromkeys("ab", "both"),
    ),
    "small container with a title": (f"<li>{A}<p class=title>A</p></li>", {"a": "A"}),
    "lazy, with a noscript": (
        "<div><img data-src=b src=a><noscript><img src=b></noscript></div><p class=caption>A</p>",
        {"a": "A", "b": "A"},
    ),
    "label of a figure": (f'<div role="figure" aria-label="A"><div>{A}</div></div>', {"a": "A"}),
    "name of a figure elsewhere": (
        f'<div role="figure" aria-labelledby="c">{A}{PARAGRAPH}<p id="c">A</p></div>',
        {"a": "A"},
    ),
    "described by two": (
        "<p id=x>One</p><p id=y>two<script>no</script></p><img src=a aria-describedby='x y z'>",
        {"a": "One two"},
    ),
    "fancybox": ("<a data-fancybox data-caption='A &lt;b&gt;x&lt;/b&gt;'><img src=a></a>", {"a": "A x"}),
    "lightbox": ("<a href=x data-title='A'><img src=a></a>", {"a": "A"}),
    "text of its link": ("<a href=x><img src=a><br>A castle</a>", {"a": "A castle"}),
}
NOBODYS = {
    "switch": f"<div>{A}<span class=caption-off>off</span><button class=caption>CC</button></div>",
    "head of the page": f'<div class="site-header">{A}<div class="title">My site</div></div>',
    "title of an article": f'<div class="post">{A}<p class="title">Title</p>{PARAGRAPH}</div>',
    "menu": f"<nav><div>{A}<p class=caption>Menu</p></div></nav>",
    "title of a menu": f"<nav><div>{A}<p class=title>Menu</p></div></nav>",
    "table of contents": f'{A}<p class="caption" role="heading"><span class="caption-text">Contents</span></p>',
    "far away": f"{A}{PARAGRAPH}<p class=caption>of what?</p>",
    "video": f"<div>{A}<video src=v.mp4></video><p class=caption>of the video</p></div>",
    "frame": f"<div>{A}<div><iframe src=https://v.example/></iframe></div><p class=caption>of it</p></div>",
    "figure of code": f"{A}<figure><pre>code</pre><figcaption>of the code</figcaption></figure>",
    "listing": f"{A}<pre>code</pre><p class=code-caption>of the code</p>",
    "next item": f"<ul><li>{A}</li><li><p class=caption>of the item</p></li></ul>",
    "next slide": f"<div class=slide>{A}</div><div class=slide><div class=caption>of the slide</div></div>",
    "row of another length": f"<p>{A}{B}</p><p class=caption>of which?</p>",
    "data": f"<table><caption>of the data</caption><tr><td>{A}</td><td>{PARAGRAPH}</td></tr></table>",
    "nothing in it": f"<figure>{A}<figcaption> <br> </figcaption></figure>",
    "link with two": f"<a href=x>{A[11:-4]}{B[11:-4]}a castle</a>",
}


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("kind", AS_MADE)
def test_a_caption_is_of_the_picture_that_it_belongs_to(kind: str, parser: str) -> None:
    html, expected = AS_MADE[kind]

    assert captions(html, parser) == expected


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("kind", NOBODYS)
def test_where_nothing_tells_whose_a_caption_is_there_is_none(kind: str, parser: str) -> None:
    found = captions(NOBODYS[kind], parser)

    assert found
    assert set(found.values()) == {""}


ITEMS = st.sampled_from(
    [
        "<figure>{img}<figcaption>{text}</figcaption></figure>",
        "<figure><figcaption>{text}</figcaption><div>{img}</div></figure>",
        '<div class="wp-caption">{img}<p class="wp-caption-text">{text}</p></div>',
        '<div class="figure"><p class="title">{text}</p><div>{img}</div></div>',
        '<div class="item"><div>{img}</div><div class="item-caption"><p>{text}</p></div></div>',
        '<div class="item"><span class="caption">{text}</span>{img}</div>',
        '<table><tr><td>{img}</td></tr><tr><td class="caption">{text}</td></tr></table>',
        "<ul><li>{img}<i class='caption'>{text}</i></li></ul>",
        "<p>{img}</p><p class='caption'>{text}</p>",
        "{img}<div class='image-caption'>{text}</div>",
    ]
)
NEITHER = st.sampled_from(
    [
        "<p>{img}</p>" + PARAGRAPH,
        PARAGRAPH + "<p class='caption'>stray</p>" + PARAGRAPH,
        PARAGRAPH,
        "<h2 class='title'>A heading</h2>",
        "<nav>{img}<a class='caption'>stray</a></nav>",
        PARAGRAPH + "<figure><table><tr><td>1</td></tr></table><figcaption>stray</figcaption></figure>",
        "<div><video></video><p class='caption'>stray</p></div>",
    ]
)
WRAPPERS = st.sampled_from(
    ["{}", "<div>{}</div>", "<section class='gallery'>{}</section>", "<div class='row'>{}</div>"]
)


@given(
    items=st.lists(
        st.tuples(ITEMS.map(lambda item: (item, True)) | NEITHER.map(lambda item: (item, False)), WRAPPERS)
    ),
    wrapper=WRAPPERS,
)
def test_no_picture_has_the_caption_of_another(
    items: list[tuple[tuple[str, bool], str]], wrapper: str
) -> None:
    html = wrapper.format(
        "".join(
            around.format(item.format(img=f"<img src='{number}'>", text=f"of {number}"))
            for number, ((item, _), around) in enumerate(items)
        )
    )
    found = captions(html)

    assert found == captions(html, "beautifulsoup")
    for number, ((item, has_caption), _) in enumerate(items):
        if "{img}" in item:
            assert found[str(number)] == (f"of {number}" if has_caption else "")
