"""The page of a gallery in a Chromium, opened from the disk as people open it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.galleries import META, pictures, write, write_data
from tests.support.images import jpeg
from tests.support.windows import Window, Windows

pytestmark = [pytest.mark.browser, pytest.mark.untraced]  # what is tried is a script

COUNT = "document.getElementById('count').textContent"
SHOWN = "[...document.querySelectorAll('.tile img')].map(image => image.alt)"
FOCUSED = "document.activeElement.querySelector('img')?.alt"
SLIDE = "document.querySelector('.pswp__item[aria-hidden=false] img:not(.pswp__img--placeholder)')?.alt"
TITLE = "document.getElementById('detail-title').textContent"
IS_OPEN = "document.getElementById('detail').open"


def url(page: Path, fragment: str = "") -> str:
    return page.as_uri() + fragment


def test_the_grid_shows_rows_of_pictures_and_uses_its_nodes_again(
    window: Window, tmp_path, thumbnails
) -> None:
    window.open(url(write(tmp_path, pictures(5000, thumbnails(50)))))
    window.wait_for("document.querySelector('.tile:not(.waits) img').naturalWidth === 300")
    assert window.value(COUNT) == "5,000 pictures"
    nodes = window.value("document.querySelectorAll('#grid *').length")
    assert nodes < 400
    rows = window.value(
        "[...document.querySelectorAll('.row')].slice(0, 4).map(row => [...row.querySelectorAll('.tile')]"
        ".map(tile => { const at = tile.getBoundingClientRect(); return [at.left, at.right, at.height] }))"
    )
    wide = window.value("document.getElementById('grid').clientWidth")
    for row in rows:
        lefts, rights, heights = zip(*row, strict=True)
        assert len(set(heights)) == 1
        assert rights[-1] - lefts[0] == pytest.approx(wide, abs=1)
        gaps = [left - right for left, right in zip(lefts[1:], rights, strict=False)]
        assert gaps == pytest.approx([6] * (len(row) - 1), abs=0.01)
    for _ in range(12):
        window.value("window.scrollBy(0, 900)")
        window.frame()
    window.value("window.scrollTo(0, 1e9)")
    window.wait_for(f"{SHOWN}.includes('photo 4999')")
    assert window.value("document.querySelectorAll('#grid *').length") < 2 * nodes
    order = window.value(f"{SHOWN}.map(alt => Number(alt.split(' ')[1]))")
    assert order == sorted(order), "a screen reader gets them in another order than the eye"


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("rose", ["A rose", "Roses in bloom", "Crosetti", "picture.jpg"]),
        ("ROSE bloom", ["Roses in bloom"]),
        ('"rose in"', []),
        ("rose -bloom", ["A rose", "Crosetti", "picture.jpg"]),
        ("facade", ["Façade"]),
        ("cdn.other", ["Crosetti"]),
        ("猫", ["cat"]),
        ("uber", ["\N{LATIN CAPITAL LETTER U WITH DIAERESIS}ber den Сад"]),
        ("САД", ["\N{LATIN CAPITAL LETTER U WITH DIAERESIS}ber den Сад"]),
        ("nothing of this", []),
    ],
)
def test_a_search_finds_words_addresses_and_hosts_the_best_first(
    window: Window, tmp_path, typed, found
) -> None:
    texts = {
        "Roses in bloom": "https://site.example/1.jpg",
        "picture.jpg": "https://site.example/rosette/picture.jpg",
        "A rose": "https://site.example/2.jpg",
        "Façade": "https://site.example/3.jpg",
        "Crosetti": "https://cdn.other.example/4.jpg",
        "cat": "https://site.example/%E7%8C%AB.jpg",
        "\N{LATIN CAPITAL LETTER U WITH DIAERESIS}ber den Сад": "https://site.example/5.jpg",
    }
    rows = [{"text": "" if text == "picture.jpg" else text, "url": at} for text, at in texts.items()]
    window.open(url(write(tmp_path, rows)))
    window.press("/")
    window.type(typed)
    window.frame()
    assert window.value(f"{SHOWN}") == found
    assert window.value(COUNT) == f"{len(found)} of 7 pictures"
    window.press("Escape")
    assert window.value(COUNT) == "7 pictures"
    assert window.value("document.getElementById('search').value") == ""


def test_filters_count_what_each_choice_would_show(window: Window, tmp_path) -> None:
    rows = pictures(300)
    for number, row in enumerate(rows):
        row["format"] = number % 3
        row["host"] = number % 2
        row["revisit"] = 1 if number < 10 else 0
    window.open(url(write(tmp_path, rows)))
    window.press("f")
    counts = (
        "Object.fromEntries([...document.querySelectorAll('[data-facet] .value')]"
        ".map(row => [row.querySelector('.name').textContent, row.querySelector('.count').textContent]))"
    )
    assert window.value("document.activeElement.id") == "filters"
    assert window.value(counts)["PNG"] == "100"
    assert window.value(counts)["new"] == "10"
    window.click("[data-facet=format] .value:nth-child(2) input")
    assert window.value(COUNT) == "100 of 300 pictures"
    told = window.value(counts)
    assert (told["JPEG"], told["PNG"], told["site.example"], told["new"]) == ("100", "100", "50", "3")
    window.click("[data-facet=host] .value:nth-child(2) input")
    assert window.value(COUNT) == "50 of 300 pictures"
    assert window.value("location.hash") == "#host=site.example&format=png"
    window.value("history.back()")
    window.wait_for(f"{COUNT} === '100 of 300 pictures'")
    window.click(".chip")
    assert window.value(COUNT) == "300 pictures"
    window.press("Escape")


def test_a_value_of_a_filter_may_have_any_name(window: Window, tmp_path) -> None:
    hosts = ["__proto__", "constructor", "a&b=c#d", 'x"><b>y']
    rows = [{"host": number, "url": f"https://x.example/{number}"} for number in range(4)]
    window.open(url(write(tmp_path, rows, hosts=hosts)))
    window.press("f")
    for _ in range(4):
        window.click("[data-facet=host] .value:not(:has(:checked)) input")
    assert window.value("[...document.querySelectorAll('.chip')].map(chip => chip.textContent)") == sorted(
        hosts
    )
    window.reload()
    window.wait_for(f"{COUNT} === '4 pictures' && document.querySelectorAll('.chip').length === 4")


@pytest.mark.parametrize(
    ("sort", "first"),
    [
        ("newest", "photo 99"),
        ("light", "photo 0"),
        ("heavy", "photo 99"),
        ("large", "photo 4"),
        ("name", "photo 0"),
    ],
)
def test_it_sorts(window: Window, tmp_path, sort, first) -> None:
    window.open(url(write(tmp_path, pictures(100)), f"#sort={sort}"))
    shown = window.value(SHOWN)
    assert shown[0] == first
    if sort == "name":
        assert shown[:11][-1] == "photo 10", "by numbers, not by letters"


def test_a_link_opens_a_picture_and_its_record(window: Window, tmp_path, thumbnails) -> None:
    rows = pictures(1200, thumbnails(3))
    rows[1007] |= {
        "page": "https://site.example/page.html",
        "page_title": "The page",
        "alt": "A garden",
        "caption": "In the morning",
        "sha256": "ab" * 32,
        "places": [
            {"page": f"https://site.example/p{n}", "alt": "", "caption": "", "found_in": "img"}
            for n in range(3)
        ],
        "more_places": 4,
        "pages": ["https://site.example/blog", "https://site.example/about"],
        "more_pages": 1000,
        "opt_outs": ["X-Robots-Tag: noai"],
        "more": {"etag": '"x"'},
    }
    window.open(url(write(tmp_path, rows), "#image=1.7"))
    window.wait_for("document.getElementById('record').textContent.includes('Other places (7)')")
    text = window.value("document.getElementById('panel').innerText")
    for said in (
        "photo 1007",
        "640 \N{MULTIPLICATION SIGN} 360",
        "A garden",
        "In the morning",
        "abab",
        "noai",
        "site.example/p2",
        "Other pages (1,002)",
        "site.example/about",
        "and 1,000 more",
        "etag",
    ):
        assert said in text or said == "etag", said
    links = window.value(
        "[...document.querySelectorAll('#panel a')].map(link => [link.protocol, link.rel, link.referrerPolicy])"
    )
    assert links
    assert {tuple(link) for link in links if link[0] != "file:"} == {
        ("https:", "noopener noreferrer", "no-referrer")
    }
    window.press("Escape")
    assert not window.value(IS_OPEN)
    assert window.value(FOCUSED) == "photo 1007"


def test_the_keyboard_alone_does_it_all(window: Window, tmp_path, thumbnails) -> None:
    window.open(url(write(tmp_path, pictures(3000, thumbnails(20)))))
    window.press("j")
    assert window.value(FOCUSED) == "photo 0"
    window.press("ArrowRight", "j", "k", "ArrowDown")
    row_two = window.value("document.activeElement.closest('.row').ariaRowIndex")
    assert row_two == "2"
    window.press("Home", "End")
    assert window.value(FOCUSED) == "photo 2999"
    assert window.value("document.activeElement.getBoundingClientRect().bottom <= innerHeight")
    window.press("Home", "ArrowRight", "Enter")
    assert window.value(IS_OPEN)
    assert window.value(TITLE) == "photo 1"
    window.press("ArrowRight")  # while it opens
    window.wait_for(f"{TITLE} === 'photo 2' && {SLIDE} === 'photo 2'")
    window.press("j", "j", "j")
    window.wait_for(f"{TITLE} === 'photo 5' && {SLIDE} === 'photo 5'")
    window.press("End")
    window.wait_for(f"{TITLE} === 'photo 2999' && {SLIDE} === 'photo 2999'")
    window.press("Home")
    window.wait_for(f"{TITLE} === 'photo 0' && {SLIDE} === 'photo 0'")
    window.press("j", "j", "j", "k")
    window.wait_for(f"{TITLE} === 'photo 2' && {SLIDE} === 'photo 2'")
    assert window.value("location.hash") == "#image=0.2"
    window.press("i")
    assert window.value("document.getElementById('panel').hidden")
    window.press("i", "Escape")
    assert not window.value(IS_OPEN)
    assert window.value(FOCUSED) == "photo 2"
    assert window.value("getComputedStyle(document.activeElement, '::after').borderTopWidth") == "4px"
    assert window.value("location.hash") == ""
    window.press("?")
    assert window.value("document.getElementById('help').open")
    window.press("Escape")
    assert not window.value("document.getElementById('help').open")
    assert window.value(FOCUSED) == "photo 2"


def test_tab_goes_through_the_page_once_and_sees_where_it_is(window: Window, tmp_path, thumbnails) -> None:
    window.open(
        url(
            write(
                tmp_path,
                pictures(500, thumbnails(5)),
                failures=[{"url": "https://x.example/1"}],
                reasons=[REASON],
            )
        )
    )
    seen = []
    for _ in range(9):
        window.press("Tab")
        name = f"document.activeElement.id || {FOCUSED} || document.activeElement.textContent.trim()"
        seen.append(window.value(name))
        outlined = (
            "(() => { const at = document.activeElement; const own = getComputedStyle(at);"
            " const after = getComputedStyle(at, '::after');"
            " return own.outlineStyle !== 'none' || after.borderTopStyle !== 'none' || at === document.body })()"
        )
        assert window.value(outlined), seen[-1]
    for wanted in ("skip", "search", "filter-button", "sort", "theme", "help-button", "photo 0"):
        assert seen.count(wanted) == 1, seen


REASON = {"slug": "not-found", "count": 1, "means": "404 or 410.", "do": "Ask the owner.", "status": "failed"}


def test_a_tile_that_has_the_focus_stays_while_the_page_scrolls(window: Window, tmp_path) -> None:
    window.open(url(write(tmp_path, pictures(5000))))
    window.press("j", "j")
    for _ in range(5):
        window.value("window.scrollBy(0, 4000)")
        window.frame()
    assert window.value(FOCUSED) == "photo 1"
    window.press("ArrowRight")
    assert window.value(FOCUSED) == "photo 2"
    assert window.value("scrollY") < 1000


def test_back_and_forward_open_and_close(window: Window, tmp_path) -> None:
    window.open(url(write(tmp_path, pictures(50))))
    window.click(".tile")
    assert window.value(IS_OPEN)
    window.value("history.back()")
    window.wait_for(f"!{IS_OPEN}")
    window.value("history.forward()")
    window.wait_for(IS_OPEN)
    window.press("Escape")
    window.wait_for(f"!{IS_OPEN}")
    assert window.value("history.length") <= 4, "closing went back, and made no new entry"


def test_failures_say_why_and_what_to_do(window: Window, tmp_path) -> None:
    failures = [
        {
            "url": f"https://site.example/{n}.png",
            "http": 404,
            "page": "https://site.example/p",
            "detail": f"said {n}",
        }
        for n in range(120)
    ]
    failures += [{"url": "javascript:alert(1)", "reason": 1}]
    reasons = [
        REASON | {"count": 120},
        REASON | {"slug": "too-small", "count": 1, "do": "Give --min-width-px 0."},
    ]
    page = write(tmp_path, pictures(3), failures=failures, reasons=reasons)
    window.open(url(page, "#tab=failures"))
    window.wait_for("document.querySelectorAll('.reason').length === 2")
    assert window.value("document.querySelector('.reason .slug').textContent") == "not found"
    assert window.value(COUNT) == "121 addresses not saved"
    window.click(".reason summary")
    window.wait_for("document.querySelectorAll('.reason[open] .urls li').length === 50")
    assert "Ask the owner." in window.value("document.querySelector('.reason').innerText")
    window.value("document.querySelector('.reason > button').click()")
    window.value("document.querySelector('.reason > button').click()")
    assert window.value("document.querySelectorAll('.reason[open] .urls li').length") == 120
    window.value("[...document.querySelectorAll('summary')][1].click()")
    window.wait_for("document.querySelectorAll('.reason')[1].querySelectorAll('li').length === 1")
    assert not window.value("document.querySelectorAll('.reason')[1].querySelectorAll('li a').length")
    window.press("/")
    window.type("said 77")
    window.wait_for(f"{COUNT} === '1 of 121 failures'")


def test_look_alikes_stand_side_by_side(window: Window, tmp_path) -> None:
    rows = pictures(60)
    for number, group in ((3, 1), (40, 1), (41, 1), (10, 2), (50, 2)):
        rows[number] |= {"group": group, "w": 100 + number, "h": 100}
    page = write(tmp_path, rows)
    window.open(url(page, "#tab=alike"))
    assert window.value(SHOWN) == ["photo 41", "photo 40", "photo 3", "photo 50", "photo 10"]
    assert window.value(COUNT) == "5 pictures in 2 groups"
    heads = window.value("[...document.querySelectorAll('.group-head')].map(head => head.textContent)")
    assert heads == [
        "3 pictures that look alike3 sizes, one host",
        "2 pictures that look alike2 sizes, one host",
    ]
    tops = window.value(
        "[...document.querySelectorAll('.tile')].map(tile => tile.getBoundingClientRect().top)"
    )
    assert len(set(tops)) == 2
    assert "141 \N{MULTIPLICATION SIGN} 100" in window.value("document.querySelector('.caption').textContent")
    window.open("about:blank", until="true")
    window.open(url(page, "#image=0.40"))
    window.wait_for("document.querySelectorAll('.alike a').length === 2")
    window.value("document.querySelector('.alike a').click()")
    window.wait_for(f"{TITLE} === 'photo 3'")
    window.value(
        "[...document.querySelectorAll('#record button')].find(at => at.textContent === 'Side by side').click()"
    )
    window.wait_for(f"!{IS_OPEN} && {FOCUSED} === 'photo 3'")
    assert window.value("location.hash") == "#tab=alike"


def test_an_empty_crawl_says_so_and_leads_to_the_reasons(window: Window, tmp_path) -> None:
    window.open(url(write(tmp_path, [], failures=[{"url": "https://x.example/"}], reasons=[REASON])))
    assert "No picture was saved" in window.value("document.getElementById('notice').innerText")
    window.value("document.querySelector('#notice a').click()")
    window.wait_for("document.querySelectorAll('.reason').length === 1")


def test_no_match_says_why_and_how_to_go_on(window: Window, tmp_path) -> None:
    window.open(url(write(tmp_path, pictures(10)), "#q=zebra&format=png"))
    assert "No picture fits" in window.value("document.getElementById('notice').innerText")
    window.click("#notice button")
    assert window.value(COUNT) == "10 pictures"


def test_a_file_that_is_missing_is_told_where_it_would_be(window: Window, tmp_path) -> None:
    rows = [
        {
            "url": "https://x.example/a.jpg",
            "thumb": "00/" + "0" * 32,
            "path": "images/a.jpg",
            "w": 300,
            "h": 200,
        },
        {
            "url": "https://x.example/b.tif",
            "thumb": "",
            "path": "images/b.tif",
            "format": 4,
            "w": 300,
            "h": 200,
        },
    ]
    window.open(url(write(tmp_path, rows, formats=[*META["formats"], "tiff"])))
    window.wait_for("document.querySelectorAll('.missing').length === 2")
    assert window.value("[...document.querySelectorAll('.missing')].map(at => at.textContent)") == [
        "not therea.jpg",
        "TIFFb.tif",
    ]
    window.click(".tile")
    window.wait_for("document.querySelector('.unseen')")
    assert "images/a.jpg" in window.value("document.querySelector('.unseen').textContent")
    window.press("ArrowRight")
    window.wait_for(
        "[...document.querySelectorAll('.unseen')].some(at => at.textContent.includes('do not show TIFF'))"
    )


def test_without_its_thumbnail_a_small_file_is_shown_itself(window: Window, tmp_path) -> None:
    name = "images/a b#c?d%41é.jpg"
    (tmp_path / "images").mkdir()
    (tmp_path / name).write_bytes(jpeg())
    rows = [{"url": "https://x.example/a.jpg", "thumb": "00/" + "0" * 32, "path": name, "w": 40, "h": 30}]
    window.open(url(write(tmp_path, rows)))
    window.wait_for("document.querySelector('.tile img').naturalWidth === 40")
    window.click(".tile")
    window.wait_for("document.querySelector('.pswp__img:not(.pswp__img--placeholder)').naturalWidth === 40")


def test_data_that_can_not_be_read_are_told(window: Window, tmp_path) -> None:
    page = write(tmp_path, pictures(2500))
    (page.parent / "data" / "index-00001.js").write_text("gallery.index(1, {", encoding="utf-8")
    window.open(url(page))
    assert "1 part of the data can't be read" in window.value("document.getElementById('notice').innerText")
    assert window.value(COUNT) == "1,500 of 2,500 pictures"
    window.said.clear()  # the syntax error
    window.open("about:blank", until="true")
    (page.parent / "data" / "meta.js").unlink()
    window.open(url(page), until="!document.getElementById('notice').hidden")
    assert "There are no data here" in window.value("document.getElementById('notice').innerText")


def test_pictures_that_arrive_move_nothing(window: Window, tmp_path) -> None:
    rows = pictures(1700)
    page = write(tmp_path, rows[:1500], live=True, live_s=1)
    window.open(url(page))
    window.value("window.scrollTo(0, 3000)")
    window.frame()
    tops = (
        "Object.fromEntries([...document.querySelectorAll('.tile')].map(tile =>"
        " [tile.querySelector('img').alt, tile.getBoundingClientRect().top]))"
    )
    before = window.value(tops)
    write_data(page.parent / "data", rows, live=True, live_s=1)
    window.wait_for(f"{COUNT} === '1,700 pictures'", within_s=8)
    assert window.value(tops) == before
    assert window.value("document.getElementById('arrived').textContent") == "200 new pictures ↓"
    window.click("#arrived")
    assert window.value(FOCUSED) == "photo 1699"


def test_the_newest_first_pictures_that_arrive_move_nothing_either(window: Window, tmp_path) -> None:
    rows = pictures(1700)
    page = write(tmp_path, rows[:1500], live=True, live_s=1)
    window.open(url(page, "#sort=newest"))
    window.value("window.scrollTo(0, 3000)")
    window.frame()
    top = (
        "(() => { const at = document.elementFromPoint(300, 300).closest('.cell');"
        " return [at.querySelector('img').alt, Math.round(at.getBoundingClientRect().top)] })()"
    )
    name, y = window.value(top)
    write_data(page.parent / "data", rows, live=True, live_s=1)
    window.wait_for(f"{COUNT} === '1,700 pictures'", within_s=8)
    row_of = f"[...document.querySelectorAll('.tile img')].find(at => at.alt === {name!r})"
    assert abs(window.value(f"Math.round({row_of}.closest('.cell').getBoundingClientRect().top)") - y) <= 220


def test_a_server_that_is_gone_is_told_and_looked_for_again(window: Window, tmp_path) -> None:
    page = write(tmp_path, pictures(10), live=True, live_s=1)
    window.open(url(page))
    (page.parent / "data" / "meta.js").unlink()
    window.wait_for(
        "document.getElementById('summary').textContent.includes('the server is away')", within_s=8
    )


def test_what_is_chosen_of_the_look_is_kept(windows: Windows, tmp_path) -> None:
    page = write(tmp_path, pictures(10))
    with windows.window() as window:
        window.media(prefers_color_scheme="dark")
        window.open(url(page))
        background = "getComputedStyle(document.documentElement).backgroundColor"
        assert window.value(background) == "rgb(18, 20, 23)"
        window.click("#theme")
        assert window.value(background) == "rgb(255, 255, 255)"
        window.reload()
        window.wait_for("document.body && gallery.store.isWhole")
        assert window.value(background) == "rgb(255, 255, 255)"


@pytest.mark.sampled(3)
@pytest.mark.parametrize("width", [320, 390, 640, 900, 1440, 2560, 3840])
def test_no_width_is_too_small_or_large_and_nothing_shifts(
    windows: Windows, tmp_path, thumbnails, width
) -> None:
    rows = pictures(2500, thumbnails(40))
    rows[1] |= {"text": "W" * 3000, "caption": "W" * 3000, "url": "https://site.example/" + "w" * 3000}
    rows[2] |= {"text": "صورة لحديقة", "w": 1, "h": 1}
    rows[3] |= {"w": 1, "h": 20000}
    rows[4] |= {"w": 0, "h": 0}
    rows[5] |= {"w": 20000, "h": 1}
    page = write(
        tmp_path,
        rows,
        hosts=["h" * 250 + ".example", "b"],
        title="t" * 500,
        failures=[{"url": "https://x.example/" + "y" * 999}],
        reasons=[REASON],
    )
    with windows.window(width, 800, is_mobile=width < 600) as window:
        window.tab.call(
            "Page.addScriptToEvaluateOnNewDocument",
            {
                "source": "window.shifts = 0; new PerformanceObserver(list => list.getEntries().forEach(one => {"
                " if (!one.hadRecentInput) window.shifts += one.value }))"
                ".observe({type: 'layout-shift', buffered: true})"
            },
        )
        window.open(url(page))
        window.value("window.scrollTo(0, 5000)")
        window.frame()
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert window.value(overflow) == 0
        assert window.value("window.shifts") < 0.02
        window.press("f")
        assert window.value(overflow) <= 0
        window.press("Escape")
        for image in range(1, 6):
            window.value(f"gallery.address.change({{ image: '0.{image}' }})")
            window.wait_for(IS_OPEN)
            panel = "document.getElementById('panel')"
            assert window.value(f"{panel}.scrollWidth - {panel}.clientWidth") == 0
            window.press("Escape")
        window.value("gallery.address.change({ tab: 'failures' })")
        window.wait_for("document.querySelector('.reason')")
        assert window.value(overflow) == 0


def test_fingers_swipe_and_zoom(windows: Windows, tmp_path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_bytes(jpeg(width_px=1600, height_px=1200))
    rows = [row | {"path": "images/a.jpg", "w": 1600, "h": 1200} for row in pictures(5)]
    with windows.window(390, 800, scale=2, is_mobile=True) as window:
        window.open(url(write(tmp_path, rows), "#image=0.1"))
        window.wait_for("document.querySelector('.pswp__img:not(.pswp__img--placeholder)')?.complete")
        window.swipe(x=300, y=200, by_x=-250)
        window.wait_for(f"{TITLE} === 'photo 2'")
        # a finger that comes while the picture still moves catches it where it is
        left = "document.querySelector('.pswp__item[aria-hidden=false]').getBoundingClientRect().left"
        window.wait_for(f"Math.abs({left}) < 1")
        window.swipe(x=100, y=200, by_x=250)
        window.wait_for(f"{TITLE} === 'photo 1'")
        shown = ".pswp__item[aria-hidden=false] .pswp__img:not(.pswp__img--placeholder)"
        wide = f"Math.round(document.querySelector('{shown}').getBoundingClientRect().width)"
        before = window.value(wide)
        window.click("#zoom")
        window.wait_for(f"{wide} > {before}")
        assert before <= 390


def test_an_open_picture_is_paged_from_to_those_that_arrive(window: Window, tmp_path, thumbnails) -> None:
    rows = pictures(1700, thumbnails(3))
    page = write(tmp_path, rows[:1200], live=True, live_s=1)
    window.open(url(page, "#image=1.199"))
    position = "document.getElementById('position').textContent"
    window.wait_for(f"{position} === '1,200 of 1,200'")
    assert window.value("document.getElementById('next').disabled")
    write_data(page.parent / "data", rows, live=True, live_s=1)
    window.wait_for(f"{position} === '1,200 of 1,700'", within_s=8)
    window.press("ArrowRight")
    window.wait_for(f"{SLIDE} === 'photo 1200'")


def test_a_link_to_a_picture_pages_through_all_of_them_in_the_end(
    window: Window, tmp_path, thumbnails
) -> None:
    window.open(url(write(tmp_path, pictures(9000, thumbnails(3))), "#image=0.3"))
    window.wait_for("document.getElementById('position').textContent === '4 of 9,000'")


def test_what_is_very_tall_or_wide_fills_its_tile_and_says_that_there_is_more(
    window: Window, tmp_path, thumbnails
) -> None:
    shapes = [(300, 200), (200, 4000), (6000, 300), (24, 900)]
    rows = [{**row, "w": w, "h": h} for row, (w, h) in zip(pictures(4, thumbnails(1)), shapes, strict=True)]
    window.open(url(write(tmp_path, rows)))
    seen = window.value(
        "[...document.querySelectorAll('.tile')].map(tile => { const { width, height } = tile.getBoundingClientRect();"
        " const image = getComputedStyle(tile.firstElementChild);"
        " const sign = getComputedStyle(tile, '::before').content;"
        " return [Math.round(width / height * 10), image.objectFit, sign.slice(1, 2)] })"
    )
    tall, wide = "\u2195", "\u2194"
    assert seen == [[15, "cover", "o"], [5, "cover", tall], [30, "cover", wide], [5, "cover", tall]]


def test_rows_are_used_where_they_stand_and_put_in_order_once_the_page_is_still(
    window: Window, tmp_path
) -> None:
    window.open(url(write(tmp_path, pictures(3000))))
    window.value("window.nodes = [...document.querySelectorAll('.row')]")
    for _ in range(40):
        window.value("window.scrollBy(0, 60)")
        window.frame()
    order = "[...document.querySelectorAll('.row')].map(row => Number(row.getAttribute('aria-rowindex')))"
    window.wait_for(f"{order}.every((row, at, all) => !at || all[at - 1] < row)")
    assert window.value(order)[0] > 1
    assert window.value("window.nodes.every(node => node.isConnected)")
