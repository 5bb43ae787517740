"""The tdmrep.json files of hosts (see tdmrep.py): each is requested once for the whole crawl, as robots.txt is."""

from __future__ import annotations

import time
from collections.abc import Callable

from crawler.errors import (
    ForbiddenAddress,
    HostNotFound,
    RateLimited,
    RobotsUnavailable,
    TaskError,
    TlsFailed,
)
from crawler.http import Transport
from crawler.http.host_files import Admit, HostFiles, HostFileStore
from crawler.http.turns import Turn
from crawler.models import TDMREP_JSON, HostFile
from crawler.opt_outs.tdmrep import MAX_BYTES, Reservations
from crawler.urls import host_key

_ACCEPT = "application/json,*/*;q=0.5"
_UNAVAILABLE = 503
_NO_ANSWER = (HostNotFound, TlsFailed, RateLimited, RobotsUnavailable)
"""Errors of a host that can't be reached, or wants to be left alone: tasks that need its file are retried."""


class TdmrepFiles:
    """What hosts reserve. *check* judges each URL before it is requested; *store* keeps the files for all workers.

    A host that answers with an error has no such file (TDMRep, "TDM File on the Origin Server": failure to provide it
    means that the server does not implement the protocol); only 429 and 503 are no answer.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        check: Admit | None = None,
        store: HostFileStore | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._files = HostFiles(
            TDMREP_JSON,
            _read,
            transport,
            accept=_ACCEPT,
            max_bytes=MAX_BYTES,
            store=store,
            check=check,
            is_none=_is_none,
            clock=clock,
        )

    def of(self, host: str, turn: Turn | None = None) -> Reservations:
        """What *host* (``scheme://host[:port]``) reserves; requests its file if need be, when it is the host's *turn*.

        Raises a TaskError when the host can't be reached, or wants to be left alone.
        """
        return self._files.get(host, turn)


def _read(_: str, file: HostFile) -> Reservations:
    return Reservations(b"" if file.is_cut else file.content)


def _is_none(error: TaskError, host: str) -> bool:
    if isinstance(error, ForbiddenAddress):
        return host_key(error.final_url or f"{host}/") != host
    silent = error.retryable and not error.http_status
    return not (silent or isinstance(error, _NO_ANSWER) or error.http_status == _UNAVAILABLE)
