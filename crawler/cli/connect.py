"""How a command finds its crawl: by the address of a manager or a queue, or by a folder on this machine."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from crawler.cli.options import folders
from crawler.cli.setting_options import config_options_of
from crawler.config import AUTHKEY_VARIABLE, AccessConfig, Config
from crawler.crawlfile.layout import CrawlFolder
from crawler.errors import UsageError
from crawler.models import TaskKind
from crawler.queues import TaskQueue
from crawler.queues.redis.address import is_redis, parse, without_password
from crawler.run.endpoints import (
    Access,
    ManagerEndpoint,
    QueueEndpoint,
    demand,
    is_loopback,
    parse_address,
    read_access,
    read_authkey,
)
from crawler.run.redis_endpoint import RedisEndpoint, read_redis
from crawler.run.remote_crawl import RemoteCrawl
from crawler.run.trust import USUAL, Trust, allowed
from crawler.seeds import some
from crawler.text.display import one_line

METAVAR = "HOST[:PORT]|redis://…|DIR"
ASKED_ONCE_S = 5.0
"""Seconds for which an interactive command tries to connect."""
_SAME_MACHINE_S = 60.0
_SILENCE_S = 1.0
_ADDRESS = click.argument("address", metavar=METAVAR, shell_complete=folders)
_Function = TypeVar("_Function", bound=Callable[..., Any])


def address_argument(function: _Function) -> _Function:
    """Adds the argument ``address``, and ``config`` with the credentials (only ``config.access`` is used)."""
    return _ADDRESS(config_options_of("access")(function))  # type: ignore[return-value]


def joining_options(function: _Function) -> _Function:
    """As ``address_argument``, for worker commands: ``config.machine`` is used as well, without its browser."""
    options = config_options_of("access", "machine", "log", "monitoring", but=("chromium", "behaviours"))
    return _ADDRESS(options(function))  # type: ignore[return-value]


def rendering_options(function: _Function) -> _Function:
    """As ``joining_options``, with the browser."""
    return _ADDRESS(config_options_of("access", "machine", "log", "monitoring")(function))  # type: ignore[return-value]


def endpoint_of(address: str, config: AccessConfig) -> QueueEndpoint:
    """The endpoint of the crawl at *address*.

    Raises UsageError, and FolderError if it is a folder in which no crawl runs.
    """
    if is_redis(address):
        return read_redis(address, config)
    folder = CrawlFolder(Path(address))
    if folder.path.is_dir():
        published = folder.address()
        if is_redis(published):
            return RedisEndpoint(address=parse(published))
        where = parse_address(published)
        return ManagerEndpoint(address=where, access=Access(authkey=read_authkey(folder.authkey)))
    try:
        host, port = parse_address(address)
    except UsageError as exc:
        raise UsageError(
            f"there is no folder {address}, and it is no address of the form HOST:PORT or redis://HOST/0"
        ) from exc
    known = read_access(config, manager=False)
    if known is None:
        raise UsageError(
            f"there is no folder {address}, and to a crawl at that address a key is needed: --keys DIR,"
            f" --authkey-file FILE or the environment variable {AUTHKEY_VARIABLE}"
        )
    demand(known, host, insecure_plaintext=config.insecure_plaintext)
    return ManagerEndpoint(address=(host, port), access=known)


def joined(address: str, config: Config, *, kind: TaskKind, folder: Path | None = None) -> RemoteCrawl:
    """The crawl at *address*, for workers to join. A crawl on this machine is not waited for.

    A crawl of the same user gets nothing from this machine that it does not have already: it may use everything.
    """
    here, reconnect_s = Path(address).is_dir(), config.access.reconnect_s
    endpoint = endpoint_of(address, config.access)
    own = here and _is_own(Path(address)) and all(map(is_loopback, endpoint.hosts))
    usual = frozenset(Trust) if own else USUAL
    return RemoteCrawl(
        endpoint,
        kind=kind,
        trust=allowed(config.access.trust, usual=usual),
        join_s=ASKED_ONCE_S if here else reconnect_s,
        reconnect_s=min(_SAME_MACHINE_S, reconnect_s) if here else reconnect_s,
        folder=folder,
        machine=config.machine,
        monitoring=config.monitoring,
    )


def _is_own(folder: Path) -> bool:
    """Whether *folder*, and the key in it, belong to the current user; True on systems without users."""
    if sys.platform == "win32":
        return True
    files = [file for file in (folder, CrawlFolder(folder).authkey) if file.exists()]
    return all(file.stat().st_uid == os.geteuid() for file in files)


def processes_option(
    name: str, *, most: int, default: int | None = 1, text: str = "."
) -> Callable[[_Function], _Function]:
    """``--name N``: how many worker processes there are to be."""
    return click.option(
        name,
        type=click.IntRange(1, most),
        default=default,
        show_default=default is not None,
        metavar="N",
        help=f"Number of processes{text}",
    )


def work_for(crawl: RemoteCrawl, processes: int, *, doing: str, where: str = "") -> None:
    """Work for *crawl* until it has ended.

    Says so on stderr, and what the crawl asks of this machine beyond what every crawl does.
    """
    click.echo(f"{doing} for the crawl of {one_line(some(crawl.plan.seeds))}{where}", err=True)
    if crawl.asked:
        click.echo("it asks this machine to", err=True)
    for ask in crawl.asked:
        click.echo(f"    {one_line(ask.what)}  ({ask.trust})", err=True)
    if crawl.monitor.url:
        click.echo(f"metrics are at {crawl.monitor.url}", err=True)
    crawl.work(processes)
    click.echo("the crawl has ended, or was stopped", err=True)


@contextmanager
def tasks_of(address: str, config: Config) -> Iterator[TaskQueue]:
    """The task queue of the crawl at *address*, for a single command.

    Raises UsageError, FolderError, QueueUnreachable, AuthenticationFailed or VersionMismatch.
    """
    manager = endpoint_of(address, config.access).client(reconnect_s=ASKED_ONCE_S)
    try:
        with _told_of_silence(address):
            manager.connect()
        yield manager.get_task_queue()
    finally:
        manager.disconnect()


@contextmanager
def _told_of_silence(address: str) -> Iterator[None]:
    """Say on stderr that the command waits for an answer, once that takes noticeable time."""
    where = one_line(without_password(address))
    text = f"no answer from {where} so far; it is tried for {ASKED_ONCE_S:.0f} s"
    timer = threading.Timer(_SILENCE_S, click.echo, (text,), {"err": True})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
