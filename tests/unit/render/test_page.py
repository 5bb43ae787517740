"""How errors of the browser's network are told, and what waits for a page's answers."""

from __future__ import annotations

import threading
import time

import msgspec
import pytest

from crawler.errors import BadRedirect, BrowserFailed, TaskError, TooManyRedirects
from crawler.render.devtools_messages import DevToolsMessage, repaired
from crawler.render.mailbox import Mailbox
from crawler.render.navigation_errors import why_not_opened
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
