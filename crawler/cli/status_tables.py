"""Tables for the operator of a crawl: rates, hosts and workers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from itertools import groupby
from typing import TypeVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from crawler.cli import crawl_tables, tables
from crawler.cli.image_locations import told_apart
from crawler.cli.output import clean
from crawler.models import WORKER_NAMES, HostStatus, Status, WorkerStatus
from crawler.monitoring import wait_reasons
from crawler.text.display import counted

HOSTS_SHOWN = 15
WORKERS_SHOWN = 30
_SILENT_S = 15.0
_NOW_S = 0.05
_Thing = TypeVar("_Thing")
_TIMES = "\N{MULTIPLICATION SIGN}"


def rates(status: Status) -> Text:
    """One line: current rates, and the mean of images."""
    mean = f" ({tables.per_s(status.mean_images_per_s)} on average)" if status.mean_images_per_s else ""
    renders: list[str | tuple[str, str]] = []
    if status.renders.discovered:
        renders = [(f"{status.renders_per_s:,.1f}", "bold"), " renders/s, "]
    return Text.assemble(
        (f"{status.images_per_s:,.1f}", "bold"),
        f" images/s{mean}, ",
        (f"{status.pages_per_s:,.1f}", "bold"),
        " pages/s, ",
        *renders,
        (tables.size(int(status.saved_bytes_per_s)), "bold"),
        "/s saved",
    )


def crew(status: Status) -> Text:
    """``3 workers, up 0:00:19``."""
    up = timedelta(seconds=int(status.up_s))
    return Text(f"{counted(status.worker_count, 'worker')}, up {up}", "dim")


def hosts_table(out: Console, status: Status, *, most: int = HOSTS_SHOWN, is_low: bool = False) -> Table:
    """The hosts with the most to do, and some in trouble, which come first if *is_low*, as ``tables.fitted`` has it."""
    hosts = _worth_a_row(status.hosts, most)
    if is_low:
        hosts.sort(key=lambda host: (not host.trouble, host.due_s < _NOW_S, -_to_do(host)))
    column = partial(_column, hosts)
    columns = [
        tables.Column(header="", cells=_names(hosts, whole=not is_low), is_text=True),
        column("Pages", lambda host: tables.number(host.pages), rank=2),
        column("Renders", lambda host: tables.number(host.renders), rank=2),
        column("Images", lambda host: tables.number(host.images)),
        column("In flight", lambda host: tables.number(host.in_flight), rank=3),
        column("Delay", lambda host: f"{host.delay_s:.3g} s" if host.delay_s else "", rank=4),
        column("Due", _due, rank=1),
        column("State", _state, is_text=True),
    ]
    if not any(host.renders for host in hosts):
        del columns[2]
    if not any(host.trouble for host in hosts):
        del columns[-1]
    more = max(status.host_count, len(status.hosts)) - len(hosts)
    return tables.fitted(out, "Hosts", columns, more=more, is_low=is_low)


def _names(hosts: Sequence[HostStatus], *, whole: bool) -> list[Text]:
    """Names of hosts: without the scheme where that is enough to tell them apart, unless *whole*."""
    short = [wait_reasons.shown_host(host.name) for host in hosts]
    return [
        Text(clean(host.name if whole or short.count(name) > 1 else name))
        for host, name in zip(hosts, short, strict=True)
    ]


def _column(
    things: Sequence[_Thing],
    header: str,
    cell: Callable[[_Thing], str | Text],
    *,
    rank: int = 0,
    is_text: bool = False,
) -> tables.Column:
    return tables.Column(header=header, cells=[cell(thing) for thing in things], rank=rank, is_text=is_text)


def _due(host: HostStatus) -> Text:
    return Text("now", "dim") if host.due_s < _NOW_S else Text(f"in {_duration(host.due_s)}", "yellow")


def _to_do(host: HostStatus) -> int:
    return host.pages + host.images + host.renders + host.in_flight


def _worth_a_row(hosts: Sequence[HostStatus], most: int) -> list[HostStatus]:
    """The first hosts, with some of those in trouble, wherever they stand."""
    troubled = [number for number, host in enumerate(hosts) if host.trouble][: max(1, most // 3)]
    others = [number for number in range(len(hosts)) if number not in troubled]
    return [hosts[number] for number in sorted(troubled + others[: most - len(troubled)])]


def _state(host: HostStatus) -> Text:
    if not host.trouble:
        return Text()
    if host.trouble == "down":
        return Text(f"down for {_roughly(host.trouble_s)}: {clean(host.last_reason)}", "red")
    if host.trouble in {"backing off", "only errors", "slowed"}:
        return Text(f"{host.trouble}: {clean(host.last_reason)} {_TIMES}{host.failures:,}", "yellow")
    return Text(clean(host.trouble), "green")


def workers_table(out: Console, status: Status, *, most: int = WORKERS_SHOWN, is_low: bool = False) -> Table:
    """A row for each worker, or for each machine if there are too many; those in trouble come first if *is_low*."""
    named = _crews(told_apart(status.workers), most)
    if is_low:
        named.sort(key=lambda crew: (not any(who.seen_s > _SILENT_S for who in crew[1]),))
    crews = [crew for _, crew in named[:most]]
    column = partial(_column, crews)
    columns = [
        tables.Column(header="", cells=[Text(clean(name)) for name, _ in named[:most]], is_text=True),
        column("Version", lambda crew: clean(", ".join(sorted({who.version for who in crew}))), rank=5),
        column("Running", _running),
        column("Held", lambda crew: tables.number(sum(who.held for who in crew)), rank=3),
        column("Done", lambda crew: tables.number(sum(who.done for who in crew))),
        column("Done/s", lambda crew: f"{sum(who.done_per_s for who in crew):,.1f}", rank=2),
        column("Last seen", _seen, rank=4),
    ]
    return tables.fitted(out, "Workers", columns, more=len(named) - len(crews), is_low=is_low)


def _crews(everybody: Sequence[WorkerStatus], most: int) -> list[tuple[str, list[WorkerStatus]]]:
    in_order = sorted(everybody, key=lambda who: (who.machine, crawl_tables.rank(who.kind), who.id))
    if len(in_order) <= most:
        return [(f"{who.machine} {WORKER_NAMES[who.kind]} {who.pid}", [who]) for who in in_order]
    return [
        (f"{machine}, {crawl_tables.worker_counts(crew)}", crew)
        for machine, group in groupby(in_order, key=lambda who: who.machine)
        for crew in [list(group)]
    ]


def _running(crew: Sequence[WorkerStatus]) -> str:
    return f"{sum(who.running for who in crew):,}/{sum(who.threads for who in crew):,}"


def _seen(crew: Sequence[WorkerStatus]) -> Text:
    """When the group was last seen."""
    seen_s = min(who.seen_s for who in crew)
    return Text(f"{_duration(seen_s)} ago", "yellow" if seen_s > _SILENT_S else "")


def _duration(seconds: float) -> str:
    if seconds < 100:  # noqa: PLR2004 - what is longer is easier to read in minutes
        return f"{seconds:.1f} s" if 0 < seconds < 1 else f"{seconds:.0f} s"
    return str(timedelta(seconds=int(seconds)))


def _roughly(seconds: float) -> str:
    """Seconds in the largest unit that gives at least 2."""
    for unit, size_s in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size_s:
            return f"{seconds / size_s:.0f} {unit}"
    return f"{seconds:.0f} s"
