"""Who does harm to a manager: workers that have the key and say what can't be, and strangers that have none.

Well-formed lies are not told: README's table has them as what a holder of the key can do. These workers say what is
refused, hold what they lease and vanish, or talk nonsense. They take so little of the work that no honest task meets
them each time.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec

from crawler import errors
from crawler.queues.rpc.tls import Tls
from crawler.queues.rpc.wire import MAX_MESSAGE_BYTES
from tests.support.certificates import held_in
from tests.support.hostile import of_its_own
from tests.support.peer import Peer, dial

EXPECTED = (EOFError, OSError, AuthenticationError, errors.ProtocolError, msgspec.MsgspecError)
"""To be thrown out."""
PAUSE_S = 2.0
HOLD_S = 8.0
_NESTED = b"\x91" * 200_000 + b"\xc0"
GARBAGE = (
    b"",
    b"\xc1",
    b"\xdd\xff\xff\xff\xff",
    _NESTED,
    b"\x94\xaeget_task_queue\xa3put\x90" + _NESTED,
    b"\x94\xaeget_task_queue\xa3put\x90\x81\xa5tasks\xdd\xff\xff\xff\xff",
    msgspec.msgpack.encode([None, "shutdown", [], {}]),
    msgspec.msgpack.encode([None, "create", ["get_task_queue", "x" * 2**20], {}]),
    msgspec.msgpack.encode(["get_task_queue", "__init__", [], {}]),
    msgspec.msgpack.encode(["get_task_queue", "put", [], {"tasks": [{"kind": "image"}] * 10_000}]),
    msgspec.msgpack.encode(["get_result_queue", "get", [], {"after": "x" * 2**20}]),
    b"x" * MAX_MESSAGE_BYTES,
)
ABSURD: tuple[dict[str, Any], ...] = (
    {"size_bytes": 2**62},
    {"size_bytes": -1},
    {"elapsed_s": float("nan")},
    {"elapsed_s": float("inf")},
    {"depth": 2**40},
    {"attempts": -5},
    {"url": "http://127.0.0.1/somebody-elses.png"},
    {"url": ""},
    {"status": "failed", "reason": "because"},
    {"status": "failed"},
    {"status": "kept"},
    {"path": "../../../evil.png"},
    {"path": "/evil.png"},
    {"path": "images/../../evil.png"},
    {"path": "images/.htaccess"},
    {"path": "images/evil.php"},
    {"path": "images/\x00.png"},
    {"path": "x" * 100_000},
    {"sha256": ""},
    {"sha256": "x" * 64},
    {"dhash": "\x1b[2J"},
    {"finished_at": "\x1b]0;evil\x07"},
    {"kind": "page"},
    {"kind": "video"},
    {"alternatives": [{"url": "nonsense", "found_in": "", "rule": ""}]},
    {"replaced_by": "javascript:alert(1)"},
    {"detail": "x" * 300_000},
    {"width_px": 2**31},
    {"format": 7},
)
MALFORMED_TASKS: tuple[Any, ...] = (
    {"kind": "image", "url": "javascript:alert(1)"},
    {"kind": "image", "url": "file:///etc/passwd"},
    {"kind": "image", "url": "http://127.0.0.1/" + "x" * 9000},
    {"kind": "image", "url": "http://127.0.0.1/\n"},
    {"kind": "page", "url": "data:image/png;sha256=0"},
    {"kind": "page", "url": "http://127.0.0.1/2", "depth": -1},
    {"kind": "page", "url": "http://127.0.0.1/2", "depth": 2**40},
    {"kind": "page", "url": "http://127.0.0.1/2", "kept_out_by": "whim"},
    {"kind": "video", "url": "http://127.0.0.1/2"},
    7,
    None,
)


class Villain:
    """One who has the key, by a new name each time."""

    def __init__(self, address: tuple[str, int], authkey: bytes, tls: Tls, rng: random.Random) -> None:
        self._peer = Peer(address, authkey, tls=tls)
        self._rng = rng
        self._id = f"evil:{rng.randbytes(4).hex()}"

    def close(self) -> None:
        self._peer.close()

    def lease(self, kind: str, count: int) -> list[dict[str, Any]]:
        who = {"id": self._id, "kind": kind, "threads": count}
        arguments = {"worker": who, "count": count, "slots": count, "wait_s": 1.0, "held": []}
        word, lease = self._peer.call("get_task_queue", "lease", arguments)
        assert word == "#RETURN", lease
        return [task for batch in lease.get("batches", []) for task in batch["tasks"]]

    def _honest(self, task: dict[str, Any]) -> dict[str, Any]:
        """A result that could be right, to be spoilt."""
        record = {"kind": task["kind"], "url": task["url"], "status": "harvested"}
        if task["kind"] == "image":
            sha256 = hashlib.sha256(task["url"].encode()).hexdigest()
            record |= {
                "status": "saved",
                "path": f"images/{sha256[:12]}.png",
                "sha256": sha256,
                "size_bytes": 10,
            }
        return {"token": [task["id"], task["serial"]], "record": record}

    # --- what they do, each

    def absurd_results(self) -> None:
        results = []
        for task in self.lease("image", 4):
            result = self._honest(task)
            results.append(result | {"record": result["record"] | self._rng.choice(ABSURD)})
        assert self._peer.put(results)[0] == "#RETURN"

    def absurd_pages(self) -> None:
        for task in self.lease("page", 1):
            result = self._honest(task)
            wrong = self._rng.choice(
                [{"url": "http://127.0.0.1/other"}, {"images": -1}, {"left_out": {"whim": 3}}]
            )
            found = [*MALFORMED_TASKS] * 20
            assert self._peer.put(
                [result | {"record": result["record"] | wrong, "discovered": found}]
            )[0] == "#RETURN"  # fmt: skip

    def rubbish_in_place_of_results(self) -> None:
        tasks = self.lease("image", 3)
        rubbish: list[Any] = [7, None, "x", [], {}, {"token": [-1, 2**64 - 1]}, {"token": [1]}]
        rubbish += [{"token": [task["id"], task["serial"]], "record": 7} for task in tasks]
        self._peer.put(rubbish)

    def results_of_others(self) -> None:
        """With serials that no lease has."""
        results = []
        for _ in range(200):
            task = {"kind": "image", "url": "http://127.0.0.1/x.png", "id": self._rng.randrange(1, 50_000)}
            serial = self._rng.choice([0, 10**6, 2**62])
            results.append(self._honest({**task, "serial": serial}))
            results[-1]["retry_in_s"] = 1e8
        assert self._peer.put(results)[0] == "#RETURN"

    def malformed_tasks(self) -> None:
        assert self._peer.call("get_task_queue", "put", {"tasks": [*MALFORMED_TASKS] * 50})[0] == "#RETURN"

    def vanish(self) -> None:
        self.lease("image", 4)

    def vanish_with_a_page(self) -> None:
        self.lease("page", 1)

    def hold_and_vanish(self) -> None:
        tasks = self.lease("image", 3)
        held = [[task["id"], task["serial"]] for task in tasks]
        end = time.monotonic() + HOLD_S
        while time.monotonic() < end:
            who = {"id": self._id, "kind": "image"}
            self._peer.call("get_task_queue", "heartbeat", {"worker": who, "held": held})
            time.sleep(1)

    def absurd_calls(self) -> None:
        who = {"id": self._id, "kind": "image"}
        plain = {"worker": who, "count": 1, "slots": 1, "wait_s": 0.0, "held": []}
        for wrong in ({"count": 2**63}, {"slots": -5}, {"wait_s": float("nan")}, {"held": [[-1, 0]]},
                      {"worker": who | {"id": "x" * 600}}, {"worker": who | {"threads": 2**63}}):  # fmt: skip
            assert self._peer.call("get_task_queue", "lease", plain | wrong)[0] == "#ERROR"
        self._peer.call(
            "get_task_queue", "release", {"worker": who, "tokens": [[n, 10**6] for n in range(5000)]}
        )

    def absurd_counters(self) -> None:
        for done in (2**53, 0, 2**53, 5, 0):
            who = {"id": self._id, "kind": "image", "done": done, "received_bytes": done, "threads": done}
            assert self._peer.call("get_task_queue", "heartbeat", {"worker": who, "held": []})[0] == "#RETURN"

    def uploads(self) -> None:
        """What is no image, what is called otherwise, what is never sent to its end."""
        html, sound = b"<!DOCTYPE html><script>", of_its_own("evil")
        for path, data in (
            ("../../evil.png", sound), ("/evil.png", sound), ("images/../../evil.png", sound), ("evil.png", sound),
            ("images/.htaccess", html), ("images/evil.png", html), ("images/evil.php", sound),
            ("images/evil.jpg", sound), (".index/evil.png", sound), ("images/\x00.png", sound),
            ("crawl.db", html), ("images/a\\..\\..\\evil.png", sound), ("images/x/" + "y" * 300 + ".png", html),
        ):  # fmt: skip
            assert self._upload(path, data)[0] == "#ERROR", path
        for more in ({"size_bytes": 2**40}, {"offset": 2**30}, {"sha256": "0" * 64}, {"upload": "../evil"}):
            assert self._upload("images/evil.png", sound, **more)[0] == "#ERROR", more
        self._upload("images/unfinished.png", sound, size_bytes=10 * 2**20)

    def _upload(self, path: str, data: bytes, **more: Any) -> Any:
        chunk = {
            "upload": self._rng.randbytes(16).hex(),
            "path": path,
            "sha256": hashlib.sha256(data).hexdigest(),
            "size_bytes": len(data),
            "offset": 0,
            "data": data,
        }
        return self._peer.call("get_inbox", "store", {"chunk": chunk | more})

    def garbage(self) -> None:
        self._peer.say(self._rng.choice(GARBAGE))


DEEDS = (
    "absurd_results", "rubbish_in_place_of_results", "absurd_pages", "results_of_others", "malformed_tasks", "vanish",
    "hold_and_vanish", "absurd_calls", "uploads", "garbage", "vanish_with_a_page", "absurd_counters",
)  # fmt: skip


def serve_crowd(  # noqa: C901 - one deed after the other
    pipe: Connection, address: tuple[str, int], keys: str
) -> None:
    """Says at its end how often each did what, and what went otherwise than it has to."""
    authkey = Path(keys, "authkey").read_bytes().strip()
    tls = held_in(Path(keys))
    over = threading.Event()
    done: Counter[str] = Counter()
    wrong: list[str] = []
    lock = threading.Lock()

    def again_and_again(name: str, pause_s: float, deed: Callable[[int], str]) -> None:
        for number in itertools.count():
            if over.wait(pause_s):
                return
            try:
                what = deed(number)
            except EXPECTED:
                what = f"{name}: thrown out"
            except AssertionError as exc:
                what = f"{name}: taken"
                with lock:
                    wrong.append(f"a villain was not refused: {exc!r}")
            with lock:
                done[what] += 1

    def villain(number: int) -> str:
        what = DEEDS[number % len(DEEDS)]
        one = Villain(address, authkey, tls, random.Random(time.monotonic()))
        try:
            getattr(one, what)()
        finally:
            one.close()
        return what

    def wrong_key(_: int) -> str:
        with contextlib.closing(dial(address, tls=tls, authkey=b"another key")):
            raise AssertionError("another key was taken")

    def without_certificate(_: int) -> str:
        with contextlib.closing(dial(address, authkey=authkey)):
            raise AssertionError("one without a certificate was let in")

    strangers = [
        ("villain", PAUSE_S, villain),
        ("villain", PAUSE_S, lambda number: villain(number + len(DEEDS) // 2)),
        ("wrong key", 1.0, wrong_key),
        ("no certificate", 1.0, without_certificate),
        ("noise", 0.5, lambda number: noise(address, number)),
        ("silence", 0.2, lambda _: silence(address)),
        ("drip", 1.0, lambda _: drip(address)),
    ]
    threads = [threading.Thread(target=again_and_again, args=one) for one in strangers]
    for thread in threads:
        thread.start()
    with contextlib.suppress(EOFError):
        pipe.recv()
        over.set()
        for thread in threads:
            thread.join(30)
        pipe.send((dict(done), wrong))
    over.set()


def noise(address: tuple[str, int], number: int) -> str:
    rng = random.Random(number)
    said = [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(600),
        struct.pack("!I", 2**32 - 1) + b"x" * 1000,
        rng.randbytes(rng.randrange(1, 100_000)),
    ]
    with socket.create_connection(address) as sock:
        sock.settimeout(10)
        sock.sendall(said[number % len(said)])
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass
    return "noise"


def silence(address: tuple[str, int]) -> str:
    """Twenty at once, until they are thrown out."""
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(socket.create_connection(address)) for _ in range(20)]
        for sock in socks:
            sock.settimeout(10)
            sock.recv(1)
    return "silence"


def drip(address: tuple[str, int]) -> str:
    with socket.create_connection(address) as sock:
        for byte in b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200):
            sock.sendall(bytes([byte]))
            time.sleep(0.2)
    raise AssertionError("a byte now and then was borne to its end")
