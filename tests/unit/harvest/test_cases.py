"""Every pair in tests/cases through both parsers: what is found on the page is exactly what the pair says."""

from __future__ import annotations

from pathlib import Path

import pytest

from crawler.harvest.html import PARSERS, parse
from crawler.harvest.images import RULES
from crawler.harvest.parser_base import NAMES
from tests.support.saved_pages import CASES, Case, cases, documents, seen


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_a_page_yields_what_its_case_says(case: Case, parser: str) -> None:
    found = case.harvest(parser=parser)

    for what, tasks in (("images", found.images), ("links", found.links)):
        if what in case.told:
            expected = case.told[what]
            assert [task.url for task in tasks] == [item["url"] for item in expected]
            assert [seen(task, set(item)) for task, item in zip(tasks, expected, strict=True)] == expected


@pytest.mark.parametrize("page", sorted(CASES.glob("*.html")), ids=lambda path: path.stem)
def test_both_parsers_show_the_rules_the_same_elements(page: Path) -> None:
    html = page.read_text(encoding="utf-8")

    assert parse(html, parser="fast") == parse(html, parser="beautifulsoup")


def test_every_document_has_its_expectation_and_the_other_way_round() -> None:
    told = sorted(path.with_suffix("") for path in CASES.rglob("*.json"))

    assert sorted(path.with_suffix("") for path in documents()) == told


def test_the_catalogue_has_pages_of_twenty_kinds() -> None:
    assert len([case for case in cases() if case.name.startswith("pages-of-all-kinds/")]) >= 20


def test_every_place_that_is_known_is_in_some_case() -> None:
    found_in = {
        rule for case in cases() for item in case.told["images"] for rule in item["found_in"].split(", ")
    }

    assert found_in >= {
        "img",
        "srcset",
        "picture",
        "iframe",
        "lazy",
        "input",
        "poster",
        "object",
        "embed",
        "svg",
        "background",
        "a",
        "area",
        "icon",
        "preload",
        "image_src",
        "og",
        "twitter",
        "msapplication",
        "itemprop",
        "meta",
        "rdfa",
        "script",
        "json",
        "css",
        "amp",
        "json-ld",
        "manifest",
        "feed",
        "sitemap",
    }


def test_the_parsers_keep_every_element_that_a_rule_looks_at() -> None:
    assert {name for _, names in RULES for name in names.split()} <= NAMES
