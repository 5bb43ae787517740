"""One image, all that may be said of it, and what comes of it for each purpose: the handler itself, with real files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from crawler.config import Config, ObeyConfig
from crawler.download.handler import ImageHandler
from crawler.errors import NotFound, RateLimited, TaskError
from crawler.http import Fetched
from crawler.http.robots import Robots
from crawler.models import ImageRecord, Origin, Purpose, Result, Task, TaskKind
from crawler.opt_outs.tdmrep_files import TdmrepFiles
from crawler.scope import Scope
from crawler.storage.local import LocalStorage
from crawler.task_handler import HandlerContext
from tests.support import credentials
from tests.support.credentials import PLUS
from tests.support.images import png

HOST, OTHER = "http://a.example", "http://cdn.example"
URL, TDMREP = f"{HOST}/pictures/a.png", f"{HOST}/.well-known/tdmrep.json"
ALWAYS, SEARCH, TRAIN, NEVER = {"archive", "search", "train"}, {"search", "train"}, {"train"}, set[str]()


class Web:
    """Answers by URL; whatever else is asked for is not there."""

    def __init__(self, **answers: Any) -> None:
        self.robots = answers.get("robots", "")
        self.tdmrep = answers.get("tdmrep")
        self.headers = answers.get("headers", {})
        self.content = answers.get("content", png())
        self.leads_to = answers.get("leads_to", "")
        self.unchanged = answers.get("unchanged", False)
        self.asked: list[str] = []

    def fetch(self, url: str, **asked: Any) -> Fetched:
        for step in filter(None, (url, self.leads_to if url == URL else "")):
            if check := asked.get("check"):
                check(step)
            self.asked.append(step)
        if url == URL:
            if self.unchanged:
                assert asked["unless"] is not None
                return Fetched(url=url, final_url=url, http_status=304, headers={}, content=b"")
            final_url = self.leads_to or url
            return Fetched(
                url=url, final_url=final_url, http_status=200, headers=self.headers, content=self.content
            )
        if url == f"{HOST}/robots.txt" and self.robots:
            return Fetched(url=url, final_url=url, http_status=200, headers={}, content=self.robots.encode())
        if url == TDMREP and isinstance(self.tdmrep, TaskError):
            raise self.tdmrep
        if url == TDMREP and self.tdmrep is not None:
            content = json.dumps(self.tdmrep).encode()
            return Fetched(url=url, final_url=url, http_status=200, headers={}, content=content)
        raise NotFound("the server answered 404 Not Found", http_status=404)

    def close(self) -> None:
        pass


def visited(folder: Path, web: Web, *, known: ImageRecord | None = None, **obey: Any) -> Result:
    config = Config(obey=ObeyConfig(**obey))
    robots = Robots(web, agent="image-crawler") if config.obey.obey_robots_txt else None
    handle = ImageHandler(
        HandlerContext(
            transport=web, scope=Scope((f"{HOST}/",)), config=config, worker_id="w:1:x", robots=robots
        ),
        LocalStorage(folder, fsync=False, min_free_bytes=0),
        tdmrep_files=TdmrepFiles(web, check=robots.check if robots else None),
    )
    return handle(Task(id=1, serial=1, kind=TaskKind.IMAGE, url=URL, depth=0, attempt=1, known=known))


def record_of(folder: Path, web: Web, **obey: Any) -> ImageRecord:
    record = visited(folder, web, **obey).record
    assert isinstance(record, ImageRecord)
    return record


class Case(NamedTuple):
    web: dict[str, Any]
    signal: str
    place: str
    text: str
    obeyed: set[str]


ROBOTS = "User-agent: *\nAllow: /\n"
RESERVED = [{"location": "/", "tdm-reservation": 1}]
CASES = {
    "usage, robots": Case(
        {"robots": f"{ROBOTS}Content-Usage: train-ai=n\n"},
        "content-usage",
        "robots.txt, line 3",
        "Content-Usage: train-ai=n",
        TRAIN,
    ),
    "usage of a path": Case(
        # draft-ietf-aipref-attach-05, section 3.5, figure 2: /ai-ok/ there
        {"robots": f"{ROBOTS}Content-Usage: train-ai=n\nContent-Usage: /pictures/ train-ai=y\n"},
        "content-usage",
        "robots.txt, line 4",
        "Content-Usage: /pictures/ train-ai=y",
        NEVER,
    ),
    "usage, header": Case(
        {"headers": {"content-usage": "search=n"}},
        "content-usage",
        "header Content-Usage",
        "search=n",
        SEARCH,
    ),
    "signal": Case(
        {"robots": f"{ROBOTS}Content-Signal: search=yes,ai-train=no,use=reference\n"},
        "content-signal",
        "robots.txt, line 3",
        "Content-Signal: search=yes,ai-train=no,use=reference",
        TRAIN,
    ),
    "no search": Case(
        {"robots": f"{ROBOTS}Content-Signal: search=no\n"},
        "content-signal",
        "robots.txt, line 3",
        "Content-Signal: search=no",
        SEARCH,
    ),
    "no input": Case(
        {"headers": {"content-signal": "ai-input=no"}},
        "content-signal",
        "header Content-Signal",
        "ai-input=no",
        TRAIN,
    ),
    "rsl": Case(
        {"robots": "License: https://example.com/license.xml\n\nUser-agent: Googlebot\nAllow: /\n"},
        "rsl-license",
        "robots.txt, line 1",
        "License: https://example.com/license.xml",
        NEVER,
    ),
    "tdmrep": Case(
        {"tdmrep": RESERVED}, "tdmrep", "tdmrep.json", '{"location":"/","tdm-reservation":1}', SEARCH
    ),
    "not reserved": Case(
        {"tdmrep": [{"location": "/pictures/*.png", "tdm-reservation": 0}, *RESERVED]},
        "tdmrep",
        "tdmrep.json",
        '{"location":"/pictures/*.png","tdm-reservation":0}',
        NEVER,
    ),
    "tdm header": Case(
        {"headers": {"tdm-reservation": "1"}}, "tdm-reservation", "header tdm-reservation", "1", ALWAYS
    ),
    "noai": Case(
        {"headers": {"x-robots-tag": "noai, noarchive"}},
        "noai",
        "header X-Robots-Tag",
        "noai, noarchive",
        ALWAYS,
    ),
    "xmp": Case(
        {"content": credentials.jpeg_xmp(credentials.xmp(f"{PLUS}DMI-PROHIBITED"))},
        "data-mining",
        "xmp plus:DataMining",
        f"{PLUS}DMI-PROHIBITED",
        SEARCH,
    ),
    "xmp, but for search engines": Case(
        {"content": credentials.png_xmp(credentials.xmp(f"{PLUS}DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING"))},
        "data-mining",
        "xmp plus:DataMining",
        f"{PLUS}DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING",
        TRAIN,
    ),
    "cawg": Case(
        {
            "content": credentials.jpeg_c2pa(
                credentials.store(credentials.assertion({"cawg.ai_generative_training": "notAllowed"}))
            )
        },
        "training-mining",
        "c2pa cawg.training-mining",
        "cawg.ai_generative_training=notAllowed",
        TRAIN,
    ),
}


@pytest.mark.parametrize("purpose", list(Purpose))
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_each_wish_is_obeyed_or_recorded(tmp_path: Path, case: Case, purpose: Purpose) -> None:
    record = record_of(tmp_path, Web(**case.web), purpose=purpose, record_tdmrep=True)
    (told,) = record.opt_outs
    assert (told.signal, told.place, told.text) == (case.signal, case.place, case.text)
    assert set(map(str, told.forbids)) == case.obeyed
    assert record.more_opt_outs == 0
    if purpose in case.obeyed:
        assert (record.status, record.reason) == ("rejected", case.signal)
        assert list(tmp_path.rglob("*.*")) == []
        for part in (case.place, case.text, f"say --no-obey-{case.signal}"):
            assert part in record.detail
        switch = {f"obey_{case.signal.replace('-', '_')}": False}
        record = record_of(tmp_path, Web(**case.web), purpose=purpose, record_tdmrep=True, **switch)
        assert record.opt_outs == (told,)
    assert (record.status, record.reason) == ("saved", "")
    assert (tmp_path / record.path).read_bytes() == case.web.get("content", png())


def test_nothing_said_is_nothing_recorded(tmp_path: Path) -> None:
    record = record_of(tmp_path, Web(robots=ROBOTS, headers={"content-usage": "Train-AI=n"}), purpose="train")
    assert record.status == "saved"
    assert [(one.text, one.forbids) for one in record.opt_outs] == [("Train-AI=n", ())], (
        "kept, and says nothing"
    )
    assert record_of(tmp_path / "2", Web(), purpose="train").opt_outs == ()


# --- what is asked for


def test_what_a_host_forbids_is_not_asked_for(tmp_path: Path) -> None:
    for number, answers in enumerate(
        ({"robots": f"{ROBOTS}Content-Usage: train-ai=n"}, {"tdmrep": RESERVED})
    ):
        web = Web(**answers)
        assert record_of(tmp_path / str(number), web, purpose="train").status == "rejected"
        assert URL not in web.asked


@pytest.mark.parametrize(
    ("obey", "is_asked"),
    [
        ({}, False),
        ({"record_tdmrep": True}, True),
        ({"purpose": "search"}, True),
        ({"purpose": "train"}, True),
        ({"purpose": "train", "obey_tdmrep": False}, False),
        ({"purpose": "train", "obey_tdmrep": False, "record_tdmrep": True}, True),
    ],
)
def test_tdmrep_is_asked_for_where_it_may_decide_or_records_are_to_have_it(
    tmp_path: Path, obey: dict[str, Any], *, is_asked: bool
) -> None:
    web = Web(tdmrep=[])
    assert record_of(tmp_path, web, **obey).status == "saved"
    assert (TDMREP in web.asked) is is_asked


def test_a_host_whose_tdmrep_is_not_to_be_had_is_asked_again(tmp_path: Path) -> None:
    web = Web(tdmrep=RateLimited("too many", http_status=429, retry_after_s=40.0))
    result = visited(tmp_path, web, purpose="train")
    assert result.record.reason == "robots-unavailable"
    assert "tdmrep.json is not to be had" in result.record.detail
    assert result.retry_in_s == pytest.approx(40.0, abs=1.0)
    assert result.host_pause_s == pytest.approx(40.0, abs=1.0)
    assert "tdmrep.json" in result.record.detail
    assert URL not in web.asked


def test_robots_txt_comes_first_and_without_it_its_lines_say_nothing(tmp_path: Path) -> None:
    web = Web(robots="User-agent: *\nDisallow: /pictures\nContent-Usage: train-ai=n\n", tdmrep=RESERVED)
    record = record_of(tmp_path, web, purpose="train")
    assert (record.reason, record.opt_outs) == ("robots-disallowed", ())
    assert TDMREP not in web.asked
    record = record_of(tmp_path, web, purpose="train", obey_robots_txt=False, obey_tdmrep=False)
    assert (record.status, record.opt_outs) == ("saved", ())


def test_all_hosts_on_the_way_are_heard(tmp_path: Path) -> None:
    web = Web(robots=f"{ROBOTS}Content-Signal: ai-train=no", leads_to=f"{OTHER}/b.png")
    record = record_of(tmp_path, web)
    assert (record.status, record.final_url) == ("saved", f"{OTHER}/b.png")
    assert [one.signal for one in record.opt_outs] == ["content-signal"]


def test_a_yes_never_outweighs_a_no(tmp_path: Path) -> None:
    """draft-ietf-aipref-vocab, section 5.1: "the most restrictive preference applies"."""
    yes = {"content-usage": "train-ai=y", "content-signal": "ai-train=yes"}
    web = Web(headers=yes, content=CASES["cawg"].web["content"])
    record = record_of(tmp_path, web, purpose="train")
    assert (record.status, record.reason) == ("rejected", "training-mining")
    web = Web(headers=yes, robots=f"{ROBOTS}Content-Usage: train-ai=n")
    assert record_of(tmp_path, web, purpose="train").reason == "content-usage"
    allowed = credentials.jpeg_xmp(credentials.xmp(f"{PLUS}DMI-ALLOWED"))
    web = Web(headers={"x-robots-tag": "noai"}, content=allowed)
    assert record_of(tmp_path, web, purpose="train").reason == "noai"


def test_of_a_page_only_what_forbids_images_altogether_is_heard(tmp_path: Path) -> None:
    """Content-Usage speaks of the content of its own message."""
    headers = {"content-type": "text/html", "content-usage": "train-ai=n"}
    web = Web(content=b"<!DOCTYPE html><title>t</title>", headers=headers)
    handle = ImageHandler(
        HandlerContext(
            transport=web,
            scope=Scope((f"{HOST}/",)),
            config=Config(obey=ObeyConfig(purpose="train")),
            worker_id="w:1:x",
        ),
        LocalStorage(tmp_path, fsync=False, min_free_bytes=0),
    )
    origin = Origin(page_url=f"{HOST}/", found_in="a")
    result = handle(Task(id=1, serial=1, kind=TaskKind.IMAGE, url=URL, depth=0, attempt=1, origin=origin))
    assert result.record.reason == "not-an-image"
    assert [task.url for task in result.discovered] == [URL]


# --- once more


def test_of_what_is_unchanged_the_host_is_heard_anew_and_the_rest_stands(tmp_path: Path) -> None:
    web = Web(
        robots=f"{ROBOTS}Content-Signal: ai-train=no",
        headers={"content-usage": "search=n"},
        content=CASES["cawg"].web["content"],
    )
    before = record_of(tmp_path, web)
    assert [one.signal for one in before.opt_outs] == ["content-usage", "content-signal", "training-mining"]
    again = Web(robots=f"{ROBOTS}Content-Usage: train-ai=n", unchanged=True)
    result = visited(tmp_path, again, known=before)
    assert isinstance(result.record, ImageRecord)
    assert (result.record.status, result.record.revisit) == ("saved", "unchanged")
    assert {(one.signal, one.place) for one in result.record.opt_outs} == {
        ("content-usage", "header Content-Usage"),
        ("content-usage", "robots.txt, line 3"),
        ("training-mining", "c2pa cawg.training-mining"),
    }


def test_what_is_unchanged_and_forbidden_by_now_is_kept_and_marked(tmp_path: Path) -> None:
    before = record_of(tmp_path, Web(content=CASES["cawg"].web["content"]))
    for web in (Web(unchanged=True), Web(robots=f"{ROBOTS}Content-Usage: train-ai=n", unchanged=True)):
        record = visited(tmp_path, web, known=before, purpose="train").record
        assert isinstance(record, ImageRecord)
        assert (record.status, record.revisit) == ("saved", "failed")
        assert record.revisit_reason in ("training-mining", "content-usage")
        assert record.opt_outs == before.opt_outs


# --- limits


def many_lines(number: int) -> Iterator[str]:
    yield from (f"License: https://example.com/{line}.xml" for line in range(number))


def test_sixteen_are_kept_those_that_forbid_first_and_the_others_counted(tmp_path: Path) -> None:
    robots = "\n".join([*many_lines(40), "User-agent: *", "Content-Usage: train-ai=n"])
    headers = {"content-signal": "search=no", "content-usage": "x" * 2000}
    record = record_of(tmp_path, Web(robots=robots, headers=headers))
    assert record.status == "saved"
    assert [one.signal for one in record.opt_outs] == [
        "content-signal",
        "content-usage",
        *["rsl-license"] * 14,
    ]
    assert record.more_opt_outs == 43 - 16
    assert max(len(one.text) for one in record.opt_outs) <= 500


def test_metadata_that_is_too_large_is_counted(tmp_path: Path) -> None:
    record = record_of(tmp_path, Web(content=credentials.webp(b"XMP ", b" " * 2**20 + b"<x/>")))
    assert (record.status, record.opt_outs, record.more_opt_outs) == ("saved", (), 1)
