"""The runs of a crawl, for people: their times, settings and outcomes."""

from __future__ import annotations

from rich.text import Text

from crawler.catalog import Catalog
from crawler.cli import tables
from crawler.cli.output import clean, write_json
from crawler.config.changes import unusual
from crawler.models import Run, RunOutcome

_STYLES = {RunOutcome.FINISHED: "green", RunOutcome.STOPPED: "yellow"}


def show_runs(catalog: Catalog, *, as_json: bool) -> None:
    """Print the runs of a crawl on stdout, the oldest first."""
    out = tables.console()
    runs = catalog.runs()
    for run in runs:
        if as_json:
            write_json(run)
            continue
        out.print(_head(run), soft_wrap=True)
        for line in _told(run):
            out.print(Text(f"     {clean(line)}", "dim"), soft_wrap=True)
    if not runs:
        tables.say(
            "no books were kept of the runs of this crawl: it has not begun, or is of an earlier version"
        )


def _head(run: Run) -> Text:
    end = f" to {clean(tables.moment(run.ended_at))}" if run.ended_at else ""
    outcome = run.outcome or ("goes on, or was killed" if not run.ended_at else "ended")
    return Text.assemble(
        (f"{run.number:>3}  ", "bold"),
        f"{clean(tables.moment(run.begun_at))}{end} UTC  ",
        (f"{run.kind} {outcome}", _STYLES.get(run.outcome, "yellow")),
        (f"  {clean(run.version)}", "dim"),
    )


def _told(run: Run) -> tuple[str, ...]:
    """The settings of a run that differ from the run before, or for the first run from the defaults."""
    if run.notes:
        return run.notes
    return (" ".join(change.typed for change in unusual(run.settings)) or "with the usual settings",)
