"""A site whose owner says in every way how its images may be used, crawled for different purposes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.running import image_crawler, records
from tests.support import credentials
from tests.support.credentials import PLUS
from tests.support.images import png
from tests.support.sites import SiteServer, serving

ROBOTS = """\
License: https://example.com/license.xml
User-agent: *
Allow: /
Content-Signal: /signal/ search=yes, ai-train=no
Content-Usage: /usage/ train-ai=n
Content-Usage: /nosearch/ search=n
"""
IMAGES = {
    "/plain.png": png(1),
    "/signal/a.png": png(2),
    "/usage/a.png": png(3),
    "/nosearch/a.png": png(4),
    "/reserved/a.png": png(5),
    "/header.png": png(6),
    "/noai.png": png(7),
    "/xmp.jpg": credentials.jpeg_xmp(credentials.xmp(f"{PLUS}DMI-PROHIBITED-AIMLTRAINING")),
    "/cawg.png": credentials.png(
        (b"caBX", credentials.store(credentials.assertion({"cawg.ai_training": "notAllowed"})))
    ),
}
REFUSED = {
    "archive": {"/noai.png": "noai"},
    "search": {"/noai.png": "noai", "/nosearch/a.png": "content-usage", "/reserved/a.png": "tdmrep"},
    "train": {
        "/noai.png": "noai",
        "/nosearch/a.png": "content-usage",
        "/reserved/a.png": "tdmrep",
        "/signal/a.png": "content-signal",
        "/usage/a.png": "content-usage",
        "/header.png": "content-usage",
        "/xmp.jpg": "data-mining",
        "/cawg.png": "training-mining",
    },
}
TOLD = {
    "/signal/a.png": "content-signal",
    "/usage/a.png": "content-usage",
    "/nosearch/a.png": "content-usage",
    "/reserved/a.png": "tdmrep",
    "/header.png": "content-usage",
    "/noai.png": "noai",
    "/xmp.jpg": "data-mining",
    "/cawg.png": "training-mining",
}


def make(folder: Path, server: SiteServer) -> None:
    for path, content in IMAGES.items():
        file = folder / path[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    html = "<!DOCTYPE html><title>Pictures</title>" + "".join(f'<img src="{path}">' for path in IMAGES)
    (folder / "index.html").write_text(html, encoding="utf-8")
    (folder / "robots.txt").write_text(ROBOTS, encoding="utf-8")
    (folder / ".well-known").mkdir()
    rules = [
        {"location": "/reserved/", "tdm-reservation": 1, "tdm-policy": "https://example.com/policy.json"}
    ]
    (folder / ".well-known" / "tdmrep.json").write_text(json.dumps(rules), encoding="utf-8")
    server.headers = {"/header.png": {"Content-Usage": "train-ai=n"}, "/noai.png": {"X-Robots-Tag": "noai"}}


@pytest.mark.parametrize("purpose", REFUSED)
def test_what_is_obeyed_and_what_is_recorded(tmp_path: Path, purpose: str) -> None:
    site = tmp_path / "site"
    site.mkdir()
    with serving(site) as server:
        make(site, server)
        outcome = image_crawler(
            "crawl", server.url, "-o", "crawl", "--purpose", purpose, "--downloaders", "1", folder=tmp_path
        )
        host = server.url.rstrip("/")
        requests = dict(server.requests)
    assert outcome.code == 0, outcome.err
    found = {url.removeprefix(host): record for url, record in records(tmp_path / "crawl").items()}
    assert found.keys() == IMAGES.keys()
    assert {path: record.reason for path, record in found.items() if record.status == "rejected"} == REFUSED[
        purpose
    ]
    for path, record in found.items():
        if path not in REFUSED[purpose]:
            assert (tmp_path / "crawl" / record.path).read_bytes() == IMAGES[path]
        told = {one.signal for one in record.opt_outs} - {"rsl-license"}
        silent = path == "/reserved/a.png" and purpose == "archive"
        assert told == ({TOLD[path]} if path in TOLD and not silent else set()), path
        assert "rsl-license" in {one.signal for one in record.opt_outs}
    assert requests.get("/.well-known/tdmrep.json", 0) == (0 if purpose == "archive" else 1)
    by_host = {"tdmrep", "content-signal"}
    unasked = {
        path for path, reason in REFUSED[purpose].items() if reason in by_host or path.endswith("e/a.png")
    }
    assert not unasked & requests.keys(), "what the host forbids is not asked for"

    told = image_crawler("inspect", "crawl", "--opt-outs", "--json", folder=tmp_path)
    assert told.code == 0, told.err
    sums = {one["signal"]: one for one in map(json.loads, told.out.splitlines())}
    assert sums["rsl-license"]["images"] == len(IMAGES)
    assert {signal: one["refused"] for signal, one in sums.items() if one["refused"]} == {
        reason: list(REFUSED[purpose].values()).count(reason) for reason in REFUSED[purpose].values()
    }
    assert sums["content-usage"]["images"] == 3
    assert sums["content-usage"]["host"] == host


def test_what_was_recorded_filters_a_data_set_later(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    with serving(site) as server:
        make(site, server)
        host = server.url.rstrip("/")
        for arguments in (
            ["crawl", server.url, "-o", "crawl", "--record-tdmrep"],
            ["export", "crawl", "-o", "out.jsonl"],
        ):
            outcome = image_crawler(*arguments, folder=tmp_path)
            assert outcome.code == 0, outcome.err
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    saved = [record for record in map(json.loads, lines) if record["status"] == "saved"]
    assert len(saved) == len(IMAGES) - 1
    forbidding = {
        record["url"].removeprefix(host)
        for record in saved
        if any("train" in one.get("forbids", ()) for one in record["opt_outs"])
    }
    assert forbidding == REFUSED["train"].keys() - {"/noai.png"}
