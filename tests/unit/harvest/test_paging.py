# ruff: noqa: E501, RUF001
"""Which links turn a page, by what they say, by what is around them, and by their URL."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.harvest.html import PARSERS, parse
from crawler.harvest.links import links_on
from crawler.harvest.page_numbers import Numbered
from crawler.harvest.paging import turns_page
from tests.support.cpu_time import cpu_below

TURNING = """
next|Next|NEXT »|Next page|next &rsaquo;|Previous|« Prev|Older posts|← Older Entries|Newer comments|Next: How it went on
Previous post: What was before|Next 20 results|Go to next page|Page 3|Page 2 of 10|»|›|&gt;|&gt;&gt;|→|❯|⏭|Last »|Load more|Show more
More posts|Next chapter|previous strip|weiter|Nächste Seite|vorherige|Ältere Beiträge|Seite 4|Mehr laden
suivant|Page suivante|Articles plus anciens|précédent|siguiente|Página siguiente|Entradas más antiguas|anterior
próximo|Próxima página|Postagens mais antigas|successivo|Pagina successiva|Post più vecchi|avanti|volgende|Oudere berichten
nästa|Äldre inlägg|næste|neste|seuraava|następna strona|Starsze wpisy|další|Starší příspěvky|далее|Следующая страница|Вперёд
Старые записи|Показать ещё|далі|следваща|következő|următoarea|Sonraki|İleri|SONRAKİ|önceki|επόμενη|次へ|次のページ|次のページへ|&lt; 前へ|次|前の記事|次の10件
もっと見る|下一页|下一頁|上一页|下一篇|下一章|下页|加载更多|第3页|다음|이전|다음 페이지|더보기|ถัดไป|ก่อนหน้า|Trang sau|Tiếp theo|Berikutnya|Halaman 2
التالي|السابق|الصفحة التالية|הבא|הקודם|بعدی|अगला|पिछला|পরবর্তী
次の画像|前の写真|Следующее фото|На следующую страницу|Показать еще товары|Next project|Next in album|Next slide|▸|➤|⏵|See more posts
Eski kayıtlar|Pàgina següent|صفحه بعد|הדף הבא|Trang tiếp theo|Старіші публікації|Vanhemmat tekstit|Articoli meno recenti
Artigos mais antigos|Messages plus anciens|Postări mai vechi|Lebih Lama|后页|下一图|Weitere Artikel laden
<img src=nav/next.gif>|<img src=x.gif title="Next page">|<img src=comic_prev_button.png alt="">|<svg aria-label="Next page"></svg>
<img src=n.gif alt=Next>|<span>Older</span> <i>posts</i>|<b>Next</b> page
"""
NOT_TURNING = """
Home|About us|Read more|Read more »|See the next generation of cameras|Previous versions of this document|3|12|Contact|more
A post|Next steps in your career|The last of us|Strip 17|Chapter and verse|Nextcloud|Pages|Posts|News|First aid kit|Weitere Informationen
次世代の写真|前田さんの写真|更多信息|الصفحة الرئيسية|Page d'accueil|Seite|<img src=last-supper.jpg>|<img src=first.day.jpg alt="A day">|<img src=next-generation.png>|Picture of the day|Prevention|<img src=x.png alt="A cat">|x
"""
AROUND = """
<a rel=next href=b>The title of a post</a>
<a rel="nofollow prev" href=b>x</a>
<a class=next href=b>A post</a>
<a class="btn pager__item--next" href=b>A post</a>
<a class="blog-pager-older-link" href=b><i></i></a>
<a class="load-more button" href=b>Stories</a>
<a class=nextPostLink href=b>Stories</a>
<a id=comic-nav-prev href=b><span class=arrow></span></a>
<a aria-label="Go to next page" href=b><svg><path d=x></path></svg></a>
<a title="Older posts" href=b><i class=icon></i></a>
<a title="See next picture" href=b><i class=icon></i></a>
<a href=b><span class=next></span></a>
<a href=b><i class="icon icon-prev"></i></a>
<map><area href=b alt=Next></map>
<map><area href=b rel=prev></map>
<map><area href=b title="Next page"></map>
<div class=nav-previous><a href=b>A post</a></div>
<ul><li class="next"><a href=b>The wolf</a></li></ul>
<div class="nav-links"><div class="nav-next"><a href=b>A post</a></div></div>
<div class=pagination><a href=b>3</a></div>
<nav aria-label="Pagination"><ul class=x><li><a href=b>3</a></li></ul></nav>
<ul class="pages"><li><span><a href=b>17</a></span></li></ul>
<table id=pager><tr><td><a href=b>2</a></td></tr></table>
<div class="wp-pagenavi"><a class="page larger" href=b>2</a></div>
<a class="page-numbers" href=b>2</a>
<p class=page-links>Pages: <a href=b><span>2</span></a></p>
<div class="pager"><a href=b><img src=r.gif></a></div>
"""
NOT_AROUND = """
<a href=b>3</a>
<div class=pagination><a href=b>Imprint</a></div>
<div class=read-next><a href=b>Another story</a></div>
<div class=next-events><a href=b>A concert</a></div>
<a class="up-next" href=b>Another film</a>
<ul class=menu><li class=first><a href=b>Home</a></li></ul>
<div class="previously"><a href=b>A post</a></div>
<a rel=nofollow href=b>A post</a>
<a class=nextjs-link href=b>A post</a>
<div class=pagination></div><a href=b>7</a>
"""


def lines(text: str, *, mark: str = "\n") -> list[str]:
    return [item for line in text.strip().split("\n") for item in line.split(mark)]


def turns(html: str, parser: str = "fast") -> bool:
    (link,) = (element for element in parse(html, parser=parser) if element.name in ("a", "area"))
    return turns_page(link)


@pytest.mark.parametrize("parser", PARSERS)
def test_links_that_say_so(parser: str) -> None:
    said = lines(TURNING, mark="|")

    assert len(said) > 100
    assert [text for text in said if not turns(f"<a href=b>{text}</a>", parser)] == []


@pytest.mark.parametrize("parser", PARSERS)
def test_links_that_say_something_else(parser: str) -> None:
    assert [text for text in lines(NOT_TURNING, mark="|") if turns(f"<a href=b>{text}</a>", parser)] == []


@pytest.mark.parametrize("parser", PARSERS)
def test_what_is_around_a_link_tells(parser: str) -> None:
    assert [html for html in lines(AROUND) if not turns(html, parser)] == []
    assert [html for html in lines(NOT_AROUND) if turns(html, parser)] == []


@pytest.mark.parametrize(
    ("page", "others"),
    [
        ("/", "/?page=2 /page/2/ /page/2 /page2.html /index.html?page=3 /?start=20 /?paged=2 /seite-2.html"),
        ("/blog/", "/blog/page/2/ /blog/page-2 /blog?page=2 /blog/index.php?page=7"),
        ("/blog/page/2/", "/blog/ /blog/page/3/ /blog /blog/page/17"),
        ("/list?cat=a&page=2", "/list?cat=a&page=3 /list?page=3&cat=a /list?cat=a /list?cat=a&page=9&limit=10"),
        ("/list?cat=a", "/list?cat=a&offset=20 /list?cat=a&Page=2 /list?cat=a&x%5Bcurrent_page%5D=2"),
        ("/search?q=x", "/search?q=x&after=bG9uZw /search?q=x&updated-max=2020-05-01T00:00 /search?q=x&cursor=1"),
        ("/2024/05/", "/2024/04/ /2024/06 /2023/12/ /2024/"),
        ("/thread-p2.html", "/thread-p3.html /thread.html"),
        ("/list", "/list?PAGEN_1=2 /list?page%5Bnumber%5D=2 /list?b_start:int=20 /list?curpage=2 /list;page=2"),
        ("/list?x%5BcurrentPage%5D=2&cHash=ab", "/list?x%5BcurrentPage%5D=3&cHash=cd /list"),
        ("/list/index.html", "/list/index2.html /list/index_3.html"),
        ("/forum/topic.html", "/forum/topic_page2.html /forum/topic/page3"),
    ],
)  # fmt: skip
def test_urls_that_differ_in_the_page_number(page: str, others: str) -> None:
    numbered = Numbered(f"https://e.org{page}")

    assert [url for url in others.split() if not numbered.has(f"https://e.org{url}")] == []


@pytest.mark.parametrize(
    ("page", "others"),
    [
        ("/", "/about /2 /blog/page/2 /?p=123 /?id=3 /?q=page /2024/05/ /page/about /?page=about /index.html /"),
        ("/product/17", "/product/18 /product/17?color=red /product /product/17/page/2/x"),
        ("/product-17.html", "/product-18.html"),
        ("/list?cat=a&page=2", "/list?cat=b&page=2 /list?cat=b&page=3 /other?cat=a&page=3 /list?cat=a&page=2"),
        ("/2024/05/", "/2024/05/12/a-post/ / /2024/05"),
    ],
)  # fmt: skip
def test_urls_that_differ_in_more_or_in_less(page: str, others: str) -> None:
    numbered = Numbered(f"https://e.org{page}")

    assert [url for url in others.split() if numbered.has(f"https://e.org{url}")] == []
    assert not numbered.has(f"https://e.com{page}page/2/")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("<link rel=next href=2.html>", ("next", True)),
        ("<link rel='PREVIOUS' href=2.html>", ("prev", True)),
        ("<link rel=canonical href=/x>", ("canonical", True)),
        ("<link rel=alternate hreflang=de href=/de/>", ("alternate", False)),
        ("<link rel=alternate media='only screen' href=//m.e.org/>", ("alternate", False)),
        ("<link rel=amphtml href=/amp>", ("alternate", False)),
        ("<link rel=alternate type='text/html; charset=utf-8' href=/print>", ("alternate", False)),
    ],
)
def test_pages_that_the_head_names(head: str, expected: tuple[str, bool]) -> None:
    (link,) = links_on(parse(head))

    assert (link.found_in, link.is_beside) == expected


@pytest.mark.parametrize(
    "head",
    [
        "<link rel=alternate type=application/json+oembed href=/o>",
        "<link rel=alternate type=application/pdf href=/o>",
        "<link rel=next href=big.jpg>",
        "<link rel=canonical>",
        "<link rel='dns-prefetch' href=//x>",
        "<link rel=next type=application/rss+xml href=/o>",
    ],
)
def test_what_the_head_names_that_is_no_page(head: str) -> None:
    assert list(links_on(parse(head))) == []


@given(st.lists(st.sampled_from(["<a ", "href=x ", "class='next", "'", ">", "Next", "»", "7", "</a>", "<li ", "<b>", "<img alt=Next>"])).map("".join))  # fmt: skip
def test_any_markup_is_told(html: str) -> None:
    for parser in PARSERS:
        for element in parse(html, parser=parser):
            assert turns_page(element) in (True, False)


@given(st.text(max_size=100), st.text(max_size=100))
def test_any_urls_are_compared(one: str, other: str) -> None:
    first, second = f"https://e.org/{one}", f"https://e.org/{other}"

    assert not Numbered(first).has(first)
    assert Numbered(first).has(second) == Numbered(second).has(first) or len(one) != len(other)


@pytest.mark.parametrize(
    "part", ["<a>", "<a href=x><b>", "<td><a>", "<a> ", "a", "<p class=next>", "<a><table>"]
)
def test_links_in_links_take_no_time(part: str) -> None:
    html = part * (2**16 // len(part))
    with cpu_below(2):
        for element in parse(html):
            if element.name == "a":
                turns_page(element)
                assert len(element.text) <= 200
