"""Object stores for tests: moto's S3 on loopback, a door in front of it where things go wrong, what lies in a bucket.

A session starts one moto; each test has a prefix of its own. Google's XML API is S3's with other headers, so a door
that translates them makes a Google Cloud Storage of moto. Azure's is Azurite, where it is installed (``npm install -g
azurite``).
"""

from __future__ import annotations

import atexit
import base64
import hashlib
import hmac
import http.client
import io
import json
import logging
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import formatdate
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import obstore
import pytest
from obstore.store import AzureStore, GCSStore, S3Store

from crawler.crawlfile.file_names import INDEX_FOLDER
from crawler.storage.bucket import Bucket
from crawler.storage.objects import ObjectStorage
from crawler.storage.patience import StoragePatience
from tests.support import marks

BUCKET = "pictures"
_STORES = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}
# as Azurite's documentation gives them: https://github.com/Azure/Azurite#default-storage-account
_AZURITE_ACCOUNT = "devstoreaccount1"
_AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(frozen=True, kw_only=True)
class Store:
    """A prefix of a bucket, and the environment in which it is found."""

    url: str
    environment: Mapping[str, str]

    def objects(self) -> dict[str, bytes]:
        """Everything that is there, by path; the claims, too."""
        parts = urlsplit(self.url)
        with pytest.MonkeyPatch.context() as patched:
            set_environment(patched, self.environment)
            store = _STORES[parts.scheme](
                parts.netloc, prefix=parts.path.strip("/"), config={"allow_http": True}
            )
            paths = [meta["path"] for metas in obstore.list(store) for meta in metas]
            return {path: bytes(obstore.get(store, path).bytes()) for path in paths}

    def files(self) -> dict[str, bytes]:
        """All images, by path."""
        return {
            path: data for path, data in self.objects().items() if not path.startswith(f"{INDEX_FOLDER}/")
        }

    def put(self, path: str, data: bytes, **attributes: str) -> None:
        """As somebody else might."""
        parts = urlsplit(self.url)
        with pytest.MonkeyPatch.context() as patched:
            set_environment(patched, self.environment)
            store = _STORES[parts.scheme](
                parts.netloc, prefix=parts.path.strip("/"), config={"allow_http": True}
            )
            obstore.put(store, path, data, attributes=attributes)


def set_environment(patched: pytest.MonkeyPatch, environment: Mapping[str, str]) -> None:
    """This one, and nothing else that would have to do with object stores."""
    for name in os.environ:
        if name.startswith(("AWS_", "GOOGLE_", "AZURE_", "AZURITE_")):
            patched.delenv(name)
    for name, value in environment.items():
        patched.setenv(name, value)


def open_storage(
    url: str, patience_s: float = 20.0, claim_patience_s: float = 5.0, stop: threading.Event | None = None
) -> ObjectStorage:
    """In the environment as it is."""
    patience = StoragePatience(url, patience_s=patience_s, stop=stop or threading.Event())
    return ObjectStorage(Bucket(url, patience=patience), claim_patience_s=claim_patience_s)


def s3_environment(endpoint: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "crawler",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_REGION": "us-east-1",
    }


def moto() -> str:
    """Its URL, with BUCKET in it."""
    marks.need("servers")
    return _moto()


@cache
def _moto() -> str:
    from moto.moto_server import threaded_moto_server  # it takes a while

    class OneAtATime(threaded_moto_server.DomainDispatcherApplication):  # type: ignore[misc]
        """moto looks whether an object is there, and makes it later: two that say If-None-Match could both win."""

        deciding = threading.Lock()

        def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
            if "HTTP_IF_NONE_MATCH" not in environ:
                return super().__call__(environ, start_response)
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            with self.deciding:
                return super().__call__({**environ, "wsgi.input": io.BytesIO(body)}, start_response)

    threaded_moto_server.DomainDispatcherApplication = OneAtATime
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = threaded_moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    with urlopen(Request(f"{url}/{BUCKET}", method="PUT"), timeout=30):
        return url


class Door(ThreadingHTTPServer):
    """In front of *server*: passes requests on, and counts them, unless something goes wrong."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, server: str, *, google: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Passage)
        self.server_url = server
        self.google = google
        """Speak as Google Cloud Storage does."""
        self.requests: list[str] = []
        """``PUT /bucket/key`` …, those that were not passed on as well."""
        self.unavailable = 0
        """So many requests are answered by 503."""
        self.answer: tuple[int, bytes] | None = None
        """Is given to every request."""
        self.closed = False
        """Connections are closed without an answer."""
        self.hanging = False
        """Requests wait for an answer until this is over."""
        self.lost_answers = 0
        """So many requests are passed on, and the connection is closed then."""
        self.without_conditions = ""
        """``ignored``, or ``refused`` by 501."""
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return "http://{}:{}".format(*self.server_address)

    def takes(self, name: str) -> bool:
        """Whether one more of so many is to be done."""
        with self.lock:
            left: int = getattr(self, name)
            setattr(self, name, max(left - 1, 0))
        return left > 0


class _Passage(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Door

    def handle(self) -> None:
        with suppress(ConnectionError):
            super().handle()

    def _pass(self) -> None:
        door = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        door.requests.append(f"{self.command} {self.path}")
        while door.hanging:
            time.sleep(0.01)
        if door.closed:
            self.close_connection = True
        elif door.takes("unavailable"):
            self._answer(
                503,
                b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>",
            )
        elif door.answer is not None:
            self._answer(*door.answer)
        elif door.without_conditions == "refused" and "If-None-Match" in self.headers:
            self._answer(
                501, b"<Error><Code>NotImplemented</Code><Message>A header you provided</Message></Error>"
            )
        else:
            self._forward(body)

    do_GET = do_PUT = do_HEAD = _pass  # noqa: N815 - so they have to be called

    def _forward(self, body: bytes) -> None:
        door = self.server
        headers = {name.lower(): value for name, value in self.headers.items()}
        headers.pop("connection", None)
        if door.google:
            headers = {name.replace("x-goog-meta-", "x-amz-meta-"): value for name, value in headers.items()}
            headers["authorization"] = (
                "AWS4-HMAC-SHA256 Credential=crawler/20260101/us-east-1/s3/aws4_request"
            )
            if headers.pop("x-goog-if-generation-match", "") == "0":
                headers["if-none-match"] = "*"
        if door.without_conditions == "ignored":
            headers.pop("if-none-match", None)
        connection = http.client.HTTPConnection(urlsplit(door.server_url).netloc, timeout=30)
        try:
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if door.takes("lost_answers"):
            self.close_connection = True
            return
        self._answer(answer.status, content, dict(answer.getheaders()))

    def _answer(self, status: int, content: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response_only(status)
        length = str(len(content))
        for name, value in (headers or {}).items():
            if self.server.google and name.startswith("x-amz-meta-"):
                name = name.replace("x-amz-meta-", "x-goog-meta-")  # noqa: PLW2901
            if name.lower() == "content-length":
                length = value if self.command == "HEAD" else length
            elif name.lower() not in {"connection", "transfer-encoding"}:
                self.send_header(name, value)
        if self.server.google:
            self.send_header("x-goog-generation", "1")
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def door(*, google: bool = False) -> Iterator[Door]:
    """A Door to moto."""
    server = Door(moto(), google=google)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.hanging = False
        server.shutdown()
        server.server_close()
        thread.join()


def google_environment(endpoint: str) -> dict[str, str]:
    key = {"disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}
    return {"GOOGLE_BASE_URL": endpoint, "GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps(key)}


@cache
def azurite() -> str:
    """The URL of Azurite, with BUCKET in it; skips the test where there is none."""
    program = shutil.which("azurite-blob")
    if program is None:
        pytest.skip("Azurite is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    options = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    process = subprocess.Popen(
        [program, "--blobHost", "127.0.0.1", "--blobPort", port, *options], stdout=subprocess.DEVNULL
    )
    atexit.register(process.kill)
    url = f"http://127.0.0.1:{port}"
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with suppress(OSError), urlopen(_new_container(url), timeout=10):
            return url
        time.sleep(0.05)
    raise AssertionError("Azurite did not start")


def _new_container(url: str) -> Request:
    """Signed: https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key"""
    date = formatdate(usegmt=True)
    to_sign = (
        f"PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:2021-08-06\n"
        f"/{_AZURITE_ACCOUNT}/{_AZURITE_ACCOUNT}/{BUCKET}\nrestype:container"
    )
    mac = hmac.new(base64.b64decode(_AZURITE_KEY), to_sign.encode(), hashlib.sha256)
    signature = base64.b64encode(mac.digest()).decode()
    return Request(
        f"{url}/{_AZURITE_ACCOUNT}/{BUCKET}?restype=container",
        method="PUT",
        headers={
            "x-ms-date": date,
            "x-ms-version": "2021-08-06",
            "Authorization": f"SharedKey {_AZURITE_ACCOUNT}:{signature}",
        },
    )


def azure_environment(url: str) -> dict[str, str]:
    return {"AZURE_STORAGE_USE_EMULATOR": "true", "AZURITE_BLOB_STORAGE_URL": url}
