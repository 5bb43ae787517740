"""What the operator of a crawl looks at: rates, hosts and workers, as tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import groupby

from rich.table import Table
from rich.text import Text

from crawler.cli import tables
from crawler.cli.output import clean
from crawler.models import WORKER_NAMES, HostStatus, Status, TaskKind, WorkerStatus

HOSTS_SHOWN = 15
WORKERS_SHOWN = 30
_SILENT_S = 15.0
_NOW_S = 0.05
_TIMES = "\N{MULTIPLICATION SIGN}"


def rates(status: Status) -> Text:
    """One line: how fast it goes, and for how long already."""
    renders: list[str | tuple[str, str]] = []
    if status.renders.discovered:
        renders = [(f"{status.renders_per_s:,.1f}", "bold"), " renders/s, "]
    return Text.assemble(
        (f"{status.images_per_s:,.1f}", "bold"),
        " images/s, ",
        (f"{status.pages_per_s:,.1f}", "bold"),
        " pages/s, ",
        *renders,
        (tables.size(int(status.saved_bytes_per_s)), "bold"),
        "/s saved, ",
        f"{status.worker_count:,} worker{'' if status.worker_count == 1 else 's'},",
        f" up {timedelta(seconds=int(status.up_s))}",
    )


def hosts_table(status: Status, *, most: int = HOSTS_SHOWN) -> Table:
    """Who has the most to do, and when more may be asked of it; and some of those that are in trouble."""
    hosts = _worth_a_row(status.hosts, most)
    troubled = any(host.trouble for host in hosts)
    renders = any(host.renders for host in hosts)
    kinds = ("Pages", "Renders", "Images") if renders else ("Pages", "Images")
    table = tables.figures("Hosts", "", *kinds, "In flight", "Delay", "Due")
    if troubled:
        table.add_column("State", no_wrap=True, header_style="dim")
    for host in hosts:
        table.add_row(
            Text(clean(host.name), overflow="fold"),
            tables.number(host.pages),
            *([tables.number(host.renders)] if renders else []),
            tables.number(host.images),
            tables.number(host.in_flight),
            f"{host.delay_s:.3g} s" if host.delay_s else "",
            Text("now", "dim") if host.due_s < _NOW_S else Text(f"in {_duration(host.due_s)}", "yellow"),
            *([_state(host)] if troubled else []),
        )
    tables.tell_more(table, max(status.host_count, len(status.hosts)) - len(hosts))
    return table


def _worth_a_row(hosts: Sequence[HostStatus], most: int) -> list[HostStatus]:
    """The first of them, and among these a part of those in trouble, wherever they stand."""
    troubled = [number for number, host in enumerate(hosts) if host.trouble][: max(1, most // 3)]
    others = [number for number in range(len(hosts)) if number not in troubled]
    return [hosts[number] for number in sorted(troubled + others[: most - len(troubled)])]


def _state(host: HostStatus) -> Text:
    if host.trouble == "down":
        return Text(f"down for {_roughly(host.trouble_s)}: {clean(host.last_reason)}", "red")
    if host.trouble in {"backing off", "only errors", "slowed"}:
        return Text(f"{host.trouble}: {clean(host.last_reason)} {_TIMES}{host.failures:,}", "yellow")
    return Text(clean(host.trouble), "green")


def workers_table(status: Status, *, most: int = WORKERS_SHOWN) -> Table:
    """Each worker; or each machine, when there are too many of them."""
    table = tables.figures("Workers", "", "Version", "Running", "Held", "Done", "Done/s", "Last seen")
    workers = sorted(status.workers, key=lambda who: (who.machine, tables.rank(who.kind), who.id))
    if len(workers) <= most:
        rows = [(f"{who.machine} {WORKER_NAMES[who.kind]} {who.pid}", [who]) for who in workers]
    else:
        rows = [
            (f"{machine}, {_crew(crew)}", crew)
            for machine, group in groupby(workers, key=lambda who: who.machine)
            for crew in [list(group)]
        ]
    for name, crew in rows[:most]:
        table.add_row(Text(clean(name)), *_figures(crew))
    tables.tell_more(table, len(rows) - most)
    return table


def _figures(crew: Sequence[WorkerStatus]) -> Iterable[str | Text]:
    """A row's cells: sums, and of what was last seen the latest."""
    seen_s = min(who.seen_s for who in crew)
    return (
        clean(", ".join(sorted({who.version for who in crew}))),
        f"{sum(who.running for who in crew):,}/{sum(who.threads for who in crew):,}",
        tables.number(sum(who.held for who in crew)),
        tables.number(sum(who.done for who in crew)),
        f"{sum(who.done_per_s for who in crew):,.1f}",
        Text(f"{_duration(seen_s)} ago", "yellow" if seen_s > _SILENT_S else ""),
    )


def _crew(workers: Sequence[WorkerStatus]) -> str:
    counts = {kind: sum(who.kind is kind for who in workers) for kind in TaskKind}
    return ", ".join(
        f"{count} {WORKER_NAMES[kind]}{'' if count == 1 else 's'}" for kind, count in counts.items() if count
    )


def _duration(seconds: float) -> str:
    if seconds < 100:  # noqa: PLR2004 - what is longer is easier to read in minutes
        return f"{seconds:.1f} s" if 0 < seconds < 1 else f"{seconds:.0f} s"
    return str(timedelta(seconds=int(seconds)))


def _roughly(seconds: float) -> str:
    """In the largest unit of which there are two."""
    for unit, size_s in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size_s:
            return f"{seconds / size_s:.0f} {unit}"
    return f"{seconds:.0f} s"
