"""How errors of the browser's network are told, and what waits for a page's answers."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from crawler.config import RenderConfig
from crawler.errors import BadRedirect, BrowserFailed, TaskError, TooManyRedirects
from crawler.render import page as page_module
from crawler.render import page_requests
from crawler.render.devtools_messages import DevToolsEvent, DevToolsMessage, repaired
from crawler.render.mailbox import Mailbox
from crawler.render.navigation_errors import why_not_opened
from crawler.render.page import OpenPage
from tests.support.cpu_time import cpu_below, soon


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("net::ERR_TOO_MANY_REDIRECTS", TooManyRedirects),
        ("net::ERR_UNSAFE_REDIRECT", BadRedirect),
        ("net::ERR_UNKNOWN_URL_SCHEME", BadRedirect),
        ("net::ERR_FAILED", BrowserFailed),
        ("something else", BrowserFailed),
    ],
)
def test_what_a_server_did_is_no_fault_of_the_browser(error: str, kind: type[TaskError]) -> None:
    assert type(why_not_opened(error)) is kind


def test_an_answer_wakes_up_who_waits_for_events() -> None:
    mailbox = Mailbox()
    threading.Timer(0.05, mailbox.wake).start()
    began = time.monotonic()
    assert mailbox.get(10.0) is None
    assert soon(time.monotonic() - began, 1.0)
    mailbox.wake()
    mailbox.put(DevToolsMessage(method="A.b", params=msgspec.Raw(b"{}"), session="s"))
    assert mailbox.get(0.0) is not None, "an event comes first"


def test_requests_that_find_no_room_are_counted() -> None:
    mailbox = Mailbox(max_bytes=1000)
    paused = DevToolsMessage(
        method="Fetch.requestPaused", params=msgspec.Raw(b'{"requestId":"%b"}' % (b"x" * 500)), session="s"
    )
    other = DevToolsMessage(
        method="Network.dataReceived", params=msgspec.Raw(b'{"requestId":"%b"}' % (b"x" * 500)), session="s"
    )
    assert mailbox.put(paused)
    assert not mailbox.put(paused)
    assert not mailbox.put(other)
    assert (mailbox.dropped, mailbox.refused) == (2, 1)


def test_a_document_of_half_characters_is_mended_at_once() -> None:
    data = b'{"a":["' + b"\\ud800x" * 500_000 + b'",{"\\udc00":"\\ud83d\\ude00"}]}'
    with cpu_below(2):
        mended = msgspec.json.decode(repaired(data))
    assert mended == {"a": ["\ufffdx" * 500_000, {"\ufffd": "\U0001f600"}]}


class SlowTab:
    """A tab with a clock of its own: *requests* are the times at which its page asks for an image. It is its own
    mailbox.
    """

    session, crashed = "s", ""

    def __init__(self, *requests: float) -> None:
        self.now = 1000.0
        self.mailbox = self
        self._requests = [self.now + at for at in requests]

    def monotonic(self) -> float:
        return self.now

    @property
    def is_empty(self) -> bool:
        return not any(at <= self.now for at in self._requests)

    def get(self, timeout_s: float) -> DevToolsEvent | None:
        until = self.now + timeout_s
        if not self._requests or self._requests[0] > until:
            self.now = until
            return None
        at = self._requests.pop(0)
        self.now = max(self.now, at)
        number = str(len(self._requests))
        request = {"url": f"http://a.example/{number}.png"}
        image = {"request": request, "resourceType": "Image", "requestId": number}
        return DevToolsEvent("Fetch.requestPaused", image, "s")

    def send(self, *_: object, **__: object) -> None: ...


@pytest.mark.parametrize(
    ("requests", "quiet_s", "took_s"),
    [
        ((), 0.5, 0.5),
        ((0.4, 0.8), 0.5, 1.3),
        ((0.0, 0.0), 0.0, 0.0),  # as after a step that took long: quiet is over, and they lie in the mailbox
    ],
)
def test_a_page_is_not_quiet_while_its_requests_lie_in_the_mailbox(
    monkeypatch: pytest.MonkeyPatch, requests: tuple[float, ...], quiet_s: float, took_s: float
) -> None:
    """What a step had brought came after the step had been judged: it seemed to have brought nothing."""
    tab: Any = SlowTab(*requests)
    for module in (page_module, page_requests):
        monkeypatch.setattr(module, "time", tab)
    network: Any = SimpleNamespace(turns=SimpleNamespace(waited_s=0.0))
    page = OpenPage(
        tab, network, url="http://a.example/", config=RenderConfig(), script="", max_html_chars=1000
    )
    page._wait_until_quiet(quiet_s, since=0.0)
    page._requests.close()
    assert page._requests.count == len(requests)
    assert tab.now - 1000.0 == pytest.approx(took_s, abs=0.15)
