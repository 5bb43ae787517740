"""Every pair in tests/cases through both parsers: what is found on the page is exactly what the pair says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crawler.config import load
from crawler.harvest.elements import PARSERS, parse
from crawler.harvest.images import RULES
from crawler.harvest.reading import Harvest, Reader
from crawler.harvest.tree import NAMES
from crawler.models import NewTask, Origin, Task, TaskKind
from crawler.scope import Scope
from tests.unit.harvesting import answer

CASES = Path(__file__).parent.parent / "cases"
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".xml": "text/xml",
    ".webmanifest": "",
    ".txt": "text/plain",
    ".feed": "",
}
URL = "https://example.org/dir/page.html"


def harvest(case: dict[str, Any], document: Path, parser: str) -> Harvest:
    config = load(flags={"parser": parser, "sitemaps": False, **case.get("settings", {})})
    origin = Origin(page_url="https://example.org/", found_in=case["as"]) if "as" in case else None
    task = Task(id=1, serial=1, kind=TaskKind.PAGE, url=URL, depth=0, attempt=1, origin=origin)
    return Reader(Scope((URL,), config.scope), config).read(
        task, answer(URL, document.read_bytes(), TYPES.get(document.suffix, ""))
    )


def seen(task: NewTask, keys: set[str]) -> dict[str, Any]:
    everything = {"url": task.url, "depth": task.depth} | {
        key: getattr(task.origin, key)
        for key in ("found_in", "alt", "title", "caption", "heading", "page_title")
    }
    everything["page_url"] = task.origin.page_url
    return {key: everything[key] for key in keys}


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("name", sorted(path.stem for path in CASES.glob("*.json")))
def test_a_page_yields_what_its_case_says(name: str, parser: str) -> None:
    case = json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))
    (document,) = (path for path in CASES.glob(f"{name}.*") if path.suffix != ".json")

    found = harvest(case, document, parser)

    for what, tasks in (("images", found.images), ("links", found.links)):
        if what in case:
            expected = case[what]
            assert [task.url for task in tasks] == [item["url"] for item in expected]
            assert [seen(task, set(item)) for task, item in zip(tasks, expected, strict=True)] == expected


@pytest.mark.parametrize("page", sorted(CASES.glob("*.html")), ids=lambda path: path.stem)
def test_both_parsers_show_the_rules_the_same_elements(page: Path) -> None:
    html = page.read_text(encoding="utf-8")

    assert parse(html, parser="fast") == parse(html, parser="beautifulsoup")


def test_every_document_has_its_expectation_and_the_other_way_round() -> None:
    documents = sorted(path.stem for path in CASES.iterdir() if path.suffix != ".json")

    assert documents == sorted(path.stem for path in CASES.glob("*.json"))


def test_every_name_that_a_rule_may_give_is_in_some_case() -> None:
    found_in = {
        item["found_in"]
        for path in CASES.glob("*.json")
        for item in json.loads(path.read_text(encoding="utf-8"))["images"]
    }

    assert found_in == {
        "img",
        "srcset",
        "picture",
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
        "css",
        "amp",
        "json-ld",
        "manifest",
        "feed",
        "sitemap",
    }


def test_the_parsers_keep_every_element_that_a_rule_looks_at() -> None:
    assert {name for rule in RULES for name in rule.names or ()} <= NAMES
