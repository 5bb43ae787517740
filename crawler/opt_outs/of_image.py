"""The opt-outs of one image, gathered while it is visited; they may forbid to take it.

Those of its host come first, before any request for the image: lines of robots.txt, and tdmrep.json. Then come the
answer's headers, and at last the image's own metadata.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from crawler.config import ObeyConfig
from crawler.http.robots_file import UsageLine
from crawler.http.turns import Turn
from crawler.models import MAX_OPT_OUTS, OptOut, Purpose
from crawler.opt_outs.preferences import content_signal, content_usage
from crawler.opt_outs.purposes import RSL_LICENSE, TDMREP, refusal, said
from crawler.opt_outs.tdmrep_files import TdmrepFiles
from crawler.urls import host_key

_ROBOTS = "robots.txt"


class ImageOptOuts:
    """Finds opt-outs of hosts, and judges all by the settings of a crawl. Thread-safe.

    *statements* gives the lines of robots.txt, None where no robots.txt is looked at. *files* gives tdmrep.json files;
    they are asked for where they may decide, and where records are to have them.
    """

    def __init__(
        self,
        config: ObeyConfig,
        *,
        statements: Callable[[str], Iterable[UsageLine]] | None = None,
        files: TdmrepFiles | None = None,
    ) -> None:
        self._purpose = Purpose(config.purpose)
        self._obeyed = config.obeyed
        self._statements = statements
        decides = TDMREP in config.obeyed and self._purpose is not Purpose.ARCHIVE
        self._files = files if decides or config.record_tdmrep else None

    def of_host(self, url: str, turn: Turn | None = None) -> list[OptOut]:
        """The opt-outs of the URL's host, requested when it is its *turn*. Raises a TaskError if they can't be had."""
        told = [_of_line(one) for one in self._statements(url)] if self._statements is not None else []
        if self._files is not None and (found := self._files.of(host_key(url), turn).reservation(url)):
            told.append(found)
        return told

    def check(self, told: Iterable[OptOut]) -> None:
        """Raise an OptedOut if one of *told* forbids the image to this crawl."""
        if (error := refusal(told, purpose=self._purpose, obeyed=self._obeyed)) is not None:
            raise error


class GatheredOptOuts:
    """The opt-outs of one image so far; each once."""

    def __init__(self, wishes: ImageOptOuts) -> None:
        self._wishes = wishes
        self._told: dict[OptOut, None] = {}
        self._unread = 0

    def add_host(self, url: str, turn: Turn | None = None) -> None:
        """Add the opt-outs of the host of *url*. Raises an OptedOut if the image must not be requested."""
        self.add(self._wishes.of_host(url, turn))

    def add(self, told: Iterable[OptOut], unread: int = 0) -> None:
        """Add *told*, and the number of *unread* ones. Raises an OptedOut if the image must not be taken."""
        told = tuple(told)
        self._told.update(dict.fromkeys(told))
        self._unread += unread
        self._wishes.check(told)

    @property
    def recorded(self) -> tuple[OptOut, ...]:
        """The first MAX_OPT_OUTS, for the image's record: those that forbid most come first."""
        return tuple(sorted(self._told, key=lambda one: -len(one.forbids))[:MAX_OPT_OUTS])

    @property
    def more(self) -> int:
        """The number of further opt-outs, and of those that could not be read."""
        return max(0, len(self._told) - MAX_OPT_OUTS) + self._unread


def of_host(one: OptOut) -> bool:
    """Whether an opt-out is of the image's host, rather than of its answer or of the file."""
    return one.place.startswith((_ROBOTS, "tdmrep.json"))


def _of_line(one: UsageLine) -> OptOut:
    place = f"{_ROBOTS}, line {one.number}"
    match one.name.lower():
        case "content-usage":
            return content_usage(one.value, place=place, text=one.line)
        case "content-signal":
            return content_signal(one.value, place=place, text=one.line)
        case _:
            return said(RSL_LICENSE, place, one.line, ())
