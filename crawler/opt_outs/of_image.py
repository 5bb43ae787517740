"""What owners say of the use of their images, gathered while one is visited, and whether it may be taken.

First speaks the host, before anything is asked for: the lines of its robots.txt, its tdmrep.json. Then the answer's
headers, at last the image itself.
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
    """What is obeyed, by the settings of a crawl; safe to be used by several threads.

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
        """What the URL's host says of it, asked when it is its *turn*. Raises a TaskError when it is not to be had."""
        told = [_of_line(one) for one in self._statements(url)] if self._statements is not None else []
        if self._files is not None and (found := self._files.of(host_key(url), turn).reservation(url)):
            told.append(found)
        return told

    def check(self, told: Iterable[OptOut]) -> None:
        """Raise an OptedOut if any of that forbids the image to this crawl."""
        if (error := refusal(told, purpose=self._purpose, obeyed=self._obeyed)) is not None:
            raise error


class Heard:
    """What was said of one image so far; each thing once."""

    def __init__(self, wishes: ImageOptOuts) -> None:
        self._wishes = wishes
        self._told: dict[OptOut, None] = {}
        self._unread = 0

    def host(self, url: str, turn: Turn | None = None) -> None:
        """Hear what the host of *url* says of it. Raises an OptedOut if it may not be asked for."""
        self(self._wishes.of_host(url, turn))

    def __call__(self, told: Iterable[OptOut], unread: int = 0) -> None:
        """Keep *told*, and how much could not be read. Raises an OptedOut if the image may not be taken."""
        told = tuple(told)
        self._told.update(dict.fromkeys(told))
        self._unread += unread
        self._wishes.check(told)

    @property
    def opt_outs(self) -> tuple[OptOut, ...]:
        """For the image's record, which has room for MAX_OPT_OUTS: those that forbid most come first."""
        return tuple(sorted(self._told, key=lambda one: -len(one.forbids))[:MAX_OPT_OUTS])

    @property
    def more_opt_outs(self) -> int:
        """How many others there were, or could not be read."""
        return max(0, len(self._told) - MAX_OPT_OUTS) + self._unread


def of_host(one: OptOut) -> bool:
    """Whether that was said by the image's host, rather than with its answer or by itself."""
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
