"""What libcurl receives of one answer: the lines of its header and the pieces of its body, within http1's limits."""

from __future__ import annotations

from crawler.http.http1 import MAX_HEADER_BYTES, MAX_HEADER_LINES, MAX_INTERIM

_BLANK = frozenset({b"\r\n", b"\n"})
_FEW_LINES, _SHORT_LINE_BYTES = 100, 2000
_SWITCHING_PROTOCOLS = b"101"


class Received:
    """The lines and pieces of one answer; ``look`` is called after some have been appended.

    libcurl appends them itself, with no function of ours between: there are many of them, and libcurl has limits of its
    own to what it receives at a time.
    """

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        """The lines of the header, from the first status line on."""
        self.pieces: list[bytes] = []
        """What has come of the body and was not read yet; with its chunks, if it has any."""
        self.clear()

    def clear(self) -> None:
        self.lines.clear()
        self.pieces.clear()
        self.header_done = False
        self.is_flooded = False
        """Whether the header goes beyond a limit of http1."""
        self.block = 0
        """Where the lines of the last answer begin, after interim ones."""
        self._block_bytes = 0
        self._interim = 0
        self._lines_seen = self._pieces_seen = 0

    @property
    def is_all_interim(self) -> bool:
        """Whether more interim answers have come than are waited for."""
        return self._interim > MAX_INTERIM

    def taken(self) -> bytes:
        """What has come of the body since the last call."""
        data = self.pieces[0] if len(self.pieces) == 1 else b"".join(self.pieces)
        self.pieces.clear()
        self._pieces_seen = 0
        return data

    def look(self) -> int:
        """Look at what has come; of how many bytes it is."""
        pieces, lines = self.pieces, self.lines
        came = sum(map(len, pieces[self._pieces_seen :]))
        self._pieces_seen = len(pieces)
        if self._lines_seen == len(lines):
            return came
        if not self._lines_seen and self._is_simple():
            self._lines_seen, self.header_done = len(lines), True
            return came + sum(map(len, lines))
        came += sum(map(len, lines[self._lines_seen :]))
        while self._lines_seen < len(lines) and not self.header_done:
            self._lines_seen += 1
            self._look_at(lines[self._lines_seen - 1])
        if self.header_done:
            del lines[self._lines_seen :]  # of a trailer, which comes with the chunks as well
        return came

    def _is_simple(self) -> bool:
        """Whether the lines are a whole header, and no more: as it is with most answers."""
        lines = self.lines
        return (
            lines[-1] == b"\r\n"
            and len(lines) < _FEW_LINES
            and lines.count(b"\r\n") == 1
            and not _is_interim(lines[0])
            and max(map(len, lines)) < _SHORT_LINE_BYTES
        )

    def _look_at(self, line: bytes) -> None:
        """Look at a line of the header, which is the last one that was seen."""
        here = self._lines_seen - 1 - self.block
        if here:  # the status line has a limit of its own
            self._block_bytes += len(line)
        if line not in _BLANK:
            if here > MAX_HEADER_LINES or self._block_bytes > MAX_HEADER_BYTES:
                self.is_flooded = True
            return
        if not _is_interim(self.lines[self.block]):
            self.header_done = True
            return
        self.block, self._block_bytes = self._lines_seen, 0
        self._interim += 1
        if self._interim > MAX_INTERIM:
            self.is_flooded = True


def _is_interim(line: bytes) -> bool:
    """Whether a status *line* is of an answer that another one follows."""
    status = line.split(None, 2)[1:2]
    return bool(status) and status[0].startswith(b"1") and status[0] != _SWITCHING_PROTOCOLS
