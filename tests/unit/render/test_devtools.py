from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis.strategies import binary, characters, text

from crawler.render import devtools as module
from crawler.render.devtools import DevTools
from crawler.render.devtools_messages import (
    BrowserGone,
    DevToolsError,
    DevToolsEvent,
    DevToolsMessage,
    DevToolsTimeout,
    TabCrashed,
    decoded,
    decoded_message,
)
from crawler.render.mailbox import Mailbox
from crawler.render.outbox import Outbox
from tests.support.cpu_time import soon
from tests.support.devtools_peer import Peer


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as made:
        yield made


@pytest.fixture
def devtools(peer: Peer) -> Iterator[DevTools]:
    made = DevTools(peer.incoming, peer.outgoing)
    yield made
    made.close()


# --- calls ---


def test_a_call_gets_its_own_answer(peer: Peer, devtools: DevTools) -> None:
    peer.answer = lambda call: {"echo": call["params"], "session": call.get("sessionId")}

    assert devtools.call("A.b", {"x": 1}) == {"echo": {"x": 1}, "session": None}
    assert devtools.call("A.b", {"x": 2}, session="S") == {"echo": {"x": 2}, "session": "S"}


def test_answers_in_another_order_reach_those_who_asked(peer: Peer, devtools: DevTools) -> None:
    peer.answer = lambda _: None
    answers: dict[int, Any] = {}
    threads = [
        threading.Thread(target=lambda n=n: answers.update({n: devtools.call("N", {"n": n})}))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for call in reversed(peer.wait_for("N", 8)):
        peer.say_raw(json.dumps({"id": call["id"], "result": {"is": call["params"]["n"]}}).encode())
    for thread in threads:
        thread.join(10)

    assert answers == {n: {"is": n} for n in range(8)}


def test_an_error_has_code_and_words(peer: Peer, devtools: DevTools) -> None:
    peer.answer = lambda _: {"error": {"code": -32601, "message": "'X.y' wasn't found"}}

    with pytest.raises(DevToolsError, match="wasn't found") as caught:
        devtools.call("X.y")
    assert caught.value.code == -32601


def test_who_gets_no_answer_waits_no_longer_than_he_says(peer: Peer, devtools: DevTools) -> None:
    peer.answer = lambda call: None if call["method"] == "Slow" else {}

    with pytest.raises(DevToolsTimeout, match=r"Slow: no answer within 0\.0 s"):
        devtools.call("Slow", timeout_s=0.02)
    late = peer.called("Slow")[0]
    peer.say_raw(json.dumps({"id": late["id"], "result": {}}).encode())  # nobody waits for it now
    assert devtools.call("Quick") == {}


def test_what_is_sent_without_waiting_tells_of_errors_only(peer: Peer, devtools: DevTools) -> None:
    peer.answer = lambda call: {"error": {"code": -1, "message": "no"}} if call["method"] == "Bad" else {}
    errors: list[DevToolsError] = []

    devtools.send("Bad", on_error=errors.append)
    devtools.send("Good", on_error=errors.append)
    devtools.send("Bad")
    devtools.call("Last")

    assert [(error.code, str(error)) for error in errors] == [(-1, "no")]
    assert [call["method"] for call in peer.calls] == ["Bad", "Good", "Bad", "Last"]


def test_a_browser_that_ends_is_known_to_all_who_wait(peer: Peer) -> None:
    peer.answer = lambda _: None
    told = threading.Event()
    devtools = DevTools(peer.incoming, peer.outgoing, on_gone=told.set)
    mailbox = Mailbox()
    devtools.route("S", mailbox)
    peer.say("Page.last", session="S")
    caught: list[BaseException] = []

    def ask() -> None:
        try:
            devtools.call("A")
        except DevToolsError as exc:
            caught.append(exc)

    thread = threading.Thread(target=ask)
    thread.start()
    peer.wait_for("A")
    peer.die()
    thread.join(10)

    assert [type(exc) for exc in caught] == [BrowserGone]
    assert told.wait(10)
    assert devtools.is_gone
    assert mailbox.get(1) == DevToolsEvent("Page.last", {}, "S")
    with pytest.raises(BrowserGone):
        mailbox.get(10)
    with pytest.raises(BrowserGone):
        devtools.call("B")
    with pytest.raises(BrowserGone):
        devtools.send("B")
    late = Mailbox()
    devtools.route("T", late)
    with pytest.raises(BrowserGone):
        late.get(10)


def test_what_was_asked_of_a_tab_that_crashed_is_not_waited_for(peer: Peer, devtools: DevTools) -> None:
    peer.answer = lambda call: None if call["method"] == "Never" else {}
    threading.Timer(0.02, devtools.fail, args=("S",)).start()

    with pytest.raises(TabCrashed):
        devtools.call("Never", session="S", timeout_s=20)
    assert devtools.call("Other", session="T") == {}


def test_text_that_is_no_unicode_is_read_and_not_sent(peer: Peer, devtools: DevTools) -> None:
    peer.answer = lambda _: None
    threading.Thread(
        target=lambda: peer.say_raw(
            b'{"id":%d,"result":{"a":"\\ud83d\\ude00","b":"x\\uD800y","c":"\\\\ud800","d":"\xff"}}'
            % peer.wait_for("Ask")[0]["id"]
        )
    ).start()

    assert devtools.call("Ask") == {"a": "😀", "b": "x�y", "c": "\\ud800", "d": "�"}
    with pytest.raises(DevToolsError, match="can't be written"):
        devtools.call("Tell", {"text": "\ud800"})


def test_what_cannot_be_read_is_left_out(peer: Peer, devtools: DevTools) -> None:
    for nonsense in (
        b"",
        b"{",
        b"[]",
        b'{"id":"x"}',
        b"[" * 100_000,
        b'{"method":1}',
        b'{"method":"M","params":3}',
    ):
        peer.say_raw(nonsense)

    assert devtools.call("A") == {}


def test_an_answer_that_is_too_large_fails_its_call_only(
    peer: Peer, devtools: DevTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_MESSAGE_BYTES", 100_000)
    peer.answer = lambda call: {"text": "x" * call["params"].get("size", 0)}

    with pytest.raises(DevToolsError, match="too large"):
        devtools.call("Big", {"size": 5_000_000})
    assert devtools.call("Small", {"size": 5}) == {"text": "xxxxx"}


# --- events ---


def test_events_go_where_their_session_does(peer: Peer) -> None:
    heard: list[DevToolsEvent] = []
    devtools = DevTools(peer.incoming, peer.outgoing, on_event=heard.append)
    one, other = Mailbox(), Mailbox()
    devtools.route("1", one)
    devtools.route("2", other)
    peer.say("Page.a", {"n": 1}, "1")
    peer.say("Page.b", {"n": 2}, "2")
    peer.say("Target.c", {"n": 3})
    devtools.call("Done")

    assert one.get(0) == DevToolsEvent("Page.a", {"n": 1}, "1")
    assert other.get(0) == DevToolsEvent("Page.b", {"n": 2}, "2")
    assert one.get(0) is None
    assert heard == [DevToolsEvent("Target.c", {"n": 3}, "")]
    devtools.close()


def test_events_of_a_session_before_it_is_known_are_kept_in_order(peer: Peer, devtools: DevTools) -> None:
    for number in range(3):
        peer.say("Page.a", {"n": number}, "S")
    devtools.call("Done")
    mailbox = Mailbox()
    devtools.route("S", mailbox)
    peer.say("Page.a", {"n": 3}, "S")
    devtools.call("Done")

    assert [mailbox.get(0).params["n"] for _ in range(4)] == [0, 1, 2, 3]  # type: ignore[union-attr]


@pytest.mark.parametrize("known", [True, False])
def test_sessions_that_a_session_attaches_have_its_mailbox(
    peer: Peer, devtools: DevTools, *, known: bool
) -> None:
    mailbox = Mailbox()
    if known:
        devtools.route("S", mailbox)
    peer.say("Target.attachedToTarget", {"sessionId": "frame"}, "S")
    peer.say("Page.a", {}, "frame")
    peer.say("Target.attachedToTarget", {"sessionId": "worker"}, "frame")
    peer.say("Page.b", {}, "worker")
    devtools.call("Done")
    if not known:
        devtools.route("S", mailbox)
    peer.say("Target.detachedFromTarget", {"sessionId": "worker"}, "frame")
    peer.say("Page.late", {}, "worker")
    peer.say("Page.c", {}, "frame")
    devtools.call("Done")

    events = [mailbox.get(0) for _ in range(7)]
    assert [(event.method, event.session) for event in events if event] == [
        ("Target.attachedToTarget", "S"),
        ("Page.a", "frame"),
        ("Target.attachedToTarget", "frame"),
        ("Page.b", "worker"),
        ("Target.detachedFromTarget", "frame"),
        ("Page.c", "frame"),
    ]


def test_a_mailbox_that_nobody_reads_any_more_gets_nothing(peer: Peer, devtools: DevTools) -> None:
    mailbox = Mailbox()
    devtools.route("S", mailbox)
    peer.say("Target.attachedToTarget", {"sessionId": "frame"}, "S")
    devtools.call("Done")
    devtools.unroute(mailbox)
    peer.say("Page.a", {}, "S")
    peer.say("Target.attachedToTarget", {"sessionId": "grandchild"}, "frame")
    peer.say("Fetch.requestPaused", {"requestId": "R"}, "grandchild")

    failed = peer.wait_for("Fetch.failRequest")
    assert mailbox.get(0) is None
    assert [(call["sessionId"], call["params"]["requestId"]) for call in failed] == [("grandchild", "R")]


def test_sessions_that_nobody_claims_are_forgotten_and_their_requests_fail(
    peer: Peer, devtools: DevTools
) -> None:
    for number in range(500):
        peer.say("Fetch.requestPaused", {"requestId": f"R{number}"}, f"S{number}")
    failed = peer.wait_for("Fetch.failRequest", 400)
    mailbox = Mailbox()
    devtools.route("S499", mailbox)

    assert failed[0]["params"] == {"requestId": "R0", "errorReason": "BlockedByClient"}
    assert mailbox.get(1) == DevToolsEvent("Fetch.requestPaused", {"requestId": "R499"}, "S499")


# --- floods ---


def test_a_flood_of_events_is_bounded_and_each_request_in_it_is_answered(
    peer: Peer, devtools: DevTools
) -> None:
    mailbox = Mailbox(max_bytes=200_000)
    devtools.route("S", mailbox)
    noise = json.dumps(
        {"method": "Runtime.consoleAPICalled", "params": {"x": "y" * 100}, "sessionId": "S"}
    ).encode()
    for _ in range(100):
        peer.say_raw(b"\0".join([noise] * 1000))
    for number in range(1000):
        peer.say("Fetch.requestPaused", {"requestId": f"R{number}", "url": "u" * 300}, "S")
    peer.say("Page.javascriptDialogOpening", {"message": "stop"}, "S")
    failed = peer.wait_for("Fetch.failRequest", 1000)
    devtools.call("Done")

    taken: list[DevToolsEvent] = []
    while (event := mailbox.get(0)) is not None:
        taken.append(event)
    assert 300 < len(taken) < 700
    assert mailbox.dropped == 101_001 - len(taken)
    assert {call["params"]["requestId"] for call in failed} == {f"R{number}" for number in range(1000)}
    assert taken[-1].method == "Page.javascriptDialogOpening"
    peer.say("Page.after", {}, "S")
    assert mailbox.get(5) == DevToolsEvent("Page.after", {}, "S")


def test_dialogs_that_nobody_can_be_told_of_are_answered(peer: Peer, devtools: DevTools) -> None:
    devtools.route("S", Mailbox(max_bytes=10))
    peer.say("Page.javascriptDialogOpening", {"message": "x" * 100}, "S")

    assert peer.wait_for("Page.handleJavaScriptDialog")[0]["params"] == {"accept": False}


def test_an_event_that_cannot_be_read_is_counted(peer: Peer, devtools: DevTools) -> None:
    mailbox = Mailbox()
    devtools.route("S", mailbox)
    deep = b"[" * 5_000 + b"]" * 5_000
    mailbox.put(DevToolsMessage(method="Page.deep", params=msgspec.Raw(b'{"x":' + deep + b"}"), session="S"))
    peer.say("Page.after", {}, "S")

    assert mailbox.get(5) == DevToolsEvent("Page.after", {}, "S")
    assert mailbox.dropped == 1


def test_who_waits_for_an_event_waits_no_longer_than_he_says() -> None:
    mailbox = Mailbox()
    before = time.monotonic()

    assert mailbox.get(0.02) is None
    assert mailbox.get(-1.0) is None
    assert soon(time.monotonic() - before, 5)


# --- a browser that does not read ---


def test_a_browser_that_does_not_read_is_given_up_and_nobody_hangs(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "Outbox", lambda *args: Outbox(*args, stuck_s=0.1))
    told = threading.Event()
    devtools = DevTools(peer.incoming, peer.outgoing, on_gone=told.set)
    peer.stop_reading()
    devtools.send("Small")  # it may be read yet
    body = "x" * 1_000_000

    def send_more_than_may_wait() -> None:
        for _ in range(1_000):
            devtools.send("Fetch.fulfillRequest", {"body": body})

    with pytest.raises(BrowserGone):
        send_more_than_may_wait()
    assert told.wait(10)
    with pytest.raises(BrowserGone):
        devtools.call("A", timeout_s=10)


def test_a_browser_that_reads_slowly_hears_all_of_it(peer: Peer, devtools: DevTools) -> None:
    peer.stop_reading()
    for number in range(20):
        devtools.send("Fetch.fulfillRequest", {"n": number, "body": "x" * 300_000})
    peer.say("Page.a", {}, "S")  # is heard meanwhile
    mailbox = Mailbox()
    devtools.route("S", mailbox)
    assert mailbox.get(5) == DevToolsEvent("Page.a", {}, "S")
    peer._reading.set()

    assert [call["params"]["n"] for call in peer.wait_for("Fetch.fulfillRequest", 20)] == list(range(20))
    assert devtools.call("Done") == {}


# --- JSON as Chromium writes it ---


@given(text(alphabet=characters(codec=None, categories=None)))
@example("\ud83d\ude00 \\ud800 \\\ud800 \udc00\ud800")
def test_any_text_of_a_page_can_be_read(said: str) -> None:
    whole = said.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    assert decoded(msgspec.Raw(json.dumps({"text": said}).encode())) == {"text": whole}


@given(binary())
def test_what_is_no_json_is_known_as_such(data: bytes) -> None:
    with suppress(msgspec.DecodeError):
        decoded_message(data)
    with suppress(msgspec.DecodeError):
        decoded(msgspec.Raw(data))
