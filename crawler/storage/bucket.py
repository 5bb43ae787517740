"""A bucket of an object store (S3, Google Cloud Storage, Azure), over obstore.

Timeouts and retries are decided here and in ``patience``: obstore itself makes one attempt.

obstore's functions for asyncio could be cancelled. They are not used: every fifth process that ended soon after one of
them was aborted at its very end (obstore 0.12).
"""

from __future__ import annotations

import math
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any, TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotSupportedError, PreconditionError
from obstore.store import AzureStore, GCSStore, S3Store

from crawler.errors import StorageFailed, UsageError
from crawler.models import Value
from crawler.storage import obstore_env, obstore_errors
from crawler.storage.patience import StoragePatience, Unanswered
from crawler.text.plain_errors import quoted

if TYPE_CHECKING:
    from obstore import Attributes, ObjectMeta
    from obstore.store import ObjectStore

_STORES: dict[str, Any] = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}
_URL = re.compile(r"(?P<scheme>s3|gs|az)://(?P<bucket>[^/?#]+)/?(?P<prefix>[^?#]*)")
_MAX_KEY_BYTES = 1024  # of S3 and Google Cloud Storage; Azure counts 1,024 characters
_CONNECT_S = 10.0
_ANSWER_S = 30.0
_BYTES_IN_TIME = 2**20
"""Bytes that have to be through in _ANSWER_S; twice as many get twice the time."""
_BLOCK_BYTES = 8 * 2**20
_PAGE = 1000
_LOOK_S = 0.1
_GRACE_S = 0.7
"""Seconds for a request that is under way when the process is to stop: its answer may be about to come."""
_NOT_THERE, _FORBIDDEN, _UNAUTHENTICATED = 404, 403, 401
_T = TypeVar("_T")

WHY_CONDITIONS = (
    ", by which the same bytes are kept only once (If-None-Match); choose another store, or --layout hash, which does"
    " without"
)
"""The end of an error about conditional puts."""


class NoConditionalPuts(StorageFailed):
    """The store does not know If-None-Match."""


class StoredObject(Value):
    """The metadata of an object."""

    size_bytes: int
    sha256: str
    """The digest that was put with the object; empty if there was none."""


class Bucket:
    """The objects below *url*: ``s3://BUCKET/PREFIX``, ``gs://BUCKET/PREFIX`` or ``az://CONTAINER/PREFIX``.

    Thread-safe. Errors that may pass are retried with *patience*; all others raise StorageFailed at once, with advice.
    Raises ValueError for a path that can't be a key, and UsageError when *url* or the environment can't be right. A
    host that can't be looked up, or a lack of credentials, is retried only if the bucket *has_worked* before.
    """

    def __init__(self, url: str, *, patience: StoragePatience, has_worked: bool = True) -> None:
        parts = _URL.fullmatch(url)
        if parts is None:
            raise UsageError(
                f"{quoted(url)} is no object store; give s3://, gs:// or az://, then BUCKET/PREFIX"
            )
        self.url = url.rstrip("/")
        self._scheme = parts["scheme"]
        self._prefix = parts["prefix"].strip("/")
        self._patience = patience
        self._has_worked = has_worked
        self._bucket = parts["bucket"]
        self._stores: dict[float, ObjectStore] = {}
        self._lock = threading.Lock()
        self._store_for(0)

    def check_key(self, path: str) -> None:
        """Raise ValueError when the key of an object at *path* would be longer than stores allow."""
        key_bytes = len(f"{self._prefix}/{path}".encode())
        if key_bytes > _MAX_KEY_BYTES:
            raise ValueError(
                f"the path {quoted(path)} makes a key of {key_bytes} bytes in {self.url}; 1024 are possible"
            )

    def create(self, path: str, data: bytes, *, content_type: str, sha256: str = "") -> bool:
        """Put *data* at *path* unless there is an object already; whether it was put. Raises NoConditionalPuts.

        Also False for an object of our own, when the answer to an earlier attempt was lost.
        """
        try:
            self._put(path, data, {"Content-Type": content_type, "sha256": sha256}, mode="create")
        except (AlreadyExistsError, PreconditionError):
            return False
        return True

    def put(self, path: str, data: bytes, *, content_type: str, sha256: str = "") -> None:
        """Put *data* at *path*, in place of any earlier object. Readers see one of the two, whole."""
        self._put(path, data, {"Content-Type": content_type, "sha256": sha256}, mode="overwrite")

    def head(self, path: str) -> StoredObject | None:
        """The metadata of the object at *path*, by one HEAD request; None when there is none."""

        def head(store: ObjectStore) -> StoredObject:
            found = obstore.get(store, path, options={"head": True})
            return StoredObject(size_bytes=found.meta["size"], sha256=found.attributes.get("sha256", ""))

        try:
            return self._request(head, about=path)
        except FileNotFoundError:
            return None

    def read(self, path: str) -> tuple[int, Iterator[bytes]]:
        """Size and content of the object at *path*, by one request for each 8 MiB. Raises FileNotFoundError."""

        def first(store: ObjectStore) -> tuple[int, bytes | None]:
            found = obstore.get(store, path)
            size_bytes = found.meta["size"]
            return size_bytes, bytes(found.bytes()) if size_bytes <= _BLOCK_BYTES else None

        size_bytes, data = self._request(first, about=path, size_bytes=_BLOCK_BYTES)
        return size_bytes, iter((data,)) if data is not None else self._blocks(path, size_bytes)

    def files(self, folder: str) -> Iterator[tuple[str, int]]:
        """Path and size of every object below *folder*, ordered by path; up to 1,000 a request."""
        last: str | None = None
        stream: Any = None

        def more(store: ObjectStore) -> Sequence[ObjectMeta]:
            nonlocal stream
            stream = stream or obstore.list(store, prefix=folder, offset=last, chunk_size=_PAGE)
            return next(stream, ())

        def page() -> Sequence[ObjectMeta]:
            nonlocal stream
            try:
                return self._once(more, about=f"{folder}/", size_bytes=0)
            except Unanswered:
                stream = None  # the next one starts after the last object that came
                raise

        while found := self._patience(page):
            for meta in found:
                last = meta["path"]
                yield last, meta["size"]

    def pause(self, for_s: float) -> None:
        """Wait *for_s* seconds. Raises StorageUnavailable when it is to stop."""
        if self._patience.stop.wait(for_s):
            raise self._patience.stopped()

    def _blocks(self, path: str, size_bytes: int) -> Iterator[bytes]:
        for start in range(0, size_bytes, _BLOCK_BYTES):

            def block(store: ObjectStore, start: int = start) -> bytes:
                end = min(start + _BLOCK_BYTES, size_bytes)
                return bytes(obstore.get_range(store, path, start=start, end=end))

            yield self._request(block, about=path, size_bytes=_BLOCK_BYTES)

    def _put(self, path: str, data: bytes, attributes: Attributes, *, mode: Any) -> None:
        said = {name: value for name, value in attributes.items() if value}

        def put(store: ObjectStore) -> None:
            obstore.put(store, path, data, attributes=said, mode=mode, use_multipart=False)

        try:
            self._request(put, about=path, size_bytes=len(data))
        except FileNotFoundError as exc:
            raise self._failed(path, exc) from exc

    def _request(self, call: Callable[[ObjectStore], _T], *, about: str, size_bytes: int = 0) -> _T:
        return self._patience(lambda: self._once(call, about=about, size_bytes=size_bytes))

    def _once(self, call: Callable[[ObjectStore], _T], *, about: str, size_bytes: int) -> _T:
        """Make one attempt. Raises Unanswered for an error that may pass.

        FileNotFoundError and the errors of conditional puts are raised as they are.
        """
        try:
            return self._unless_stopped(call, self._store_for(size_bytes))
        except NotSupportedError as exc:
            raise self._no_conditional_puts(exc) from exc
        except (AlreadyExistsError, PreconditionError):
            raise
        except BaseError as exc:
            text = str(exc)
            if obstore_errors.passes(text, has_worked=self._has_worked):
                raise Unanswered(obstore_errors.told(text)) from exc
            if obstore_errors.status_of(text) == 501:  # noqa: PLR2004 - Not Implemented
                raise self._no_conditional_puts(exc) from exc
            raise self._failed(about, exc) from exc

    def _unless_stopped(self, call: Callable[[ObjectStore], _T], store: ObjectStore) -> _T:
        """Make *call* in a thread of its own, which is left behind when we are to stop: obstore can't be cancelled."""
        answer: Future[_T] = Future()

        def ask() -> None:
            try:
                answer.set_result(call(store))
            except BaseException as exc:  # noqa: BLE001 - raised below
                answer.set_exception(exc)

        threading.Thread(target=ask, name="object-store", daemon=True).start()
        stops = math.inf
        while not wait((answer,), timeout=_LOOK_S).done:
            now = time.monotonic()
            if self._patience.stop.is_set():
                stops = min(stops, now + _GRACE_S)
            if now >= stops:
                raise self._patience.stopped()
        return answer.result()

    def _store_for(self, size_bytes: int) -> ObjectStore:
        """A store whose timeout is enough for *size_bytes*: the timeout is a property of its HTTP client."""
        doublings = max(0, math.ceil(math.log2(max(size_bytes, 1) / _BYTES_IN_TIME)))
        timeout_s = _ANSWER_S * 2**doublings
        with self._lock:
            if timeout_s not in self._stores:
                self._stores[timeout_s] = self._opened(timeout_s)
            return self._stores[timeout_s]

    def _opened(self, timeout_s: float) -> ObjectStore:
        config = {
            "allow_http": obstore_env.allows_http(self._scheme, os.environ),
            "connect_timeout": f"{_CONNECT_S:g}s",
            "timeout": f"{timeout_s:g}s",
        }
        try:
            opened: ObjectStore = _STORES[self._scheme](
                self._bucket, prefix=self._prefix or None, config=config, retry_config={"max_retries": 0}
            )
        except (BaseError, ValueError) as exc:
            raise UsageError(
                f"can't use {self.url}: {obstore_errors.told(str(exc))}; see to the settings in the environment,"
                f" such as {obstore_env.CREDENTIALS[self._scheme]}"
            ) from exc
        return opened

    def _no_conditional_puts(self, exc: Exception) -> NoConditionalPuts:
        return NoConditionalPuts(
            f"{self.url} has no conditional puts ({obstore_errors.told(str(exc))}){WHY_CONDITIONS}"
        )

    def _failed(self, about: str, exc: Exception) -> StorageFailed:
        text = str(exc)
        status = obstore_errors.status_of(text)
        if status == _NOT_THERE:
            advice = "make the bucket, or correct --storage"
        elif status in {_FORBIDDEN, _UNAUTHENTICATED} or not status:
            names = obstore_env.CREDENTIALS[self._scheme]
            advice = f"see to {names}, and to the right to get, put and list objects there"
        else:
            advice = f"see to the settings in the environment: {obstore_env.CREDENTIALS[self._scheme]}"
        if "BadScheme" in text:
            advice = f"plain http to another machine has to be allowed by {obstore_env.ALLOW_HTTP[self._scheme]}=true"
        elif "error sending request" in text and not status:
            advice = f"see to {obstore_env.ENDPOINTS[self._scheme][-2:][0]}"
        return StorageFailed(
            f"can't use {self.url} for {about}: {obstore_errors.told(text)}; {advice}, then start the crawl again"
        )
