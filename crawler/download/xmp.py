"""Reads ``plus:DataMining`` and ``plus:OtherConstraints`` in XMP.

Sources: IPTC Photo Metadata Standard 2023.1, "Data Mining"; PLUS License Data Format, XMP specification. The XML is
read by expat, which loads nothing. A packet that declares a document type is read up to that declaration.
"""

from __future__ import annotations

from contextlib import suppress
from xml.parsers import expat

from crawler.models import OptOut
from crawler.opt_outs.purposes import DATA_MINING, said

_PLUS = "http://ns.useplus.org/ldf/xmp/1.0/"
_RESOURCE = "http://www.w3.org/1999/02/22-rdf-syntax-ns# resource"
_MINING, _CONSTRAINTS = f"{_PLUS} DataMining", f"{_PLUS} OtherConstraints"
_MARKS = (b"DataMining", "DataMining".encode("utf-16-le"), "DataMining".encode("utf-16-be"))
_MAX_VALUES = 16
_MAX_VALUE_CHARS = 2000


def in_packet(packet: bytes, *, place: str = "xmp plus:DataMining", doctype: bool = False) -> list[OptOut]:
    """The opt-outs in *packet*, XML that may hold anything else. Never raises; takes linear time.

    *doctype* permits a document type: the caller has bounded what its entities expand to.
    """
    if not any(mark in packet for mark in _MARKS):
        return []
    reader = _Reader(doctype=doctype)
    reader.read(packet)
    constraints = f"; plus:OtherConstraints: {reader.constraints[0]}" if reader.constraints else ""
    return [
        said(DATA_MINING, place, value + constraints, (value.rstrip("/").rpartition("/")[2],))
        for value in dict.fromkeys(reader.mining)
    ]


class _EnoughError(Exception):
    pass


class _Reader:
    def __init__(self, *, doctype: bool) -> None:
        self.mining: list[str] = []
        self.constraints: list[str] = []
        self._inside: list[str] | None = None
        """The list that the next text belongs to."""
        self._depth = 0
        self._chars: list[str] = []
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        if not doctype:
            self._parser.StartDoctypeDeclHandler = self._refuse

    def read(self, packet: bytes) -> None:
        with suppress(
            expat.ExpatError, _EnoughError, ValueError, LookupError
        ):  # values found before the error count
            self._parser.Parse(packet.rstrip(b"\0"), True)

    def _refuse(self, *_: object) -> None:
        raise _EnoughError

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if self._inside is not None:
            self._depth += 1
            return
        if _MINING in attributes:
            self._found(self.mining, attributes[_MINING])
        if _CONSTRAINTS in attributes:
            self._found(self.constraints, attributes[_CONSTRAINTS])
        if name not in (_MINING, _CONSTRAINTS):
            return
        self._inside = self.mining if name == _MINING else self.constraints
        self._depth, self._chars = 0, []
        if value := attributes.get(_RESOURCE):
            self._found(self._inside, value)

    def _text(self, text: str) -> None:
        if self._inside is not None and len(self._chars) < _MAX_VALUE_CHARS:
            self._chars.append(text[:_MAX_VALUE_CHARS])

    def _end(self, _: str) -> None:
        if self._inside is None:
            return
        if self._depth:
            self._depth -= 1
            return
        self._found(self._inside, "".join(self._chars))
        self._inside = None

    def _found(self, values: list[str], value: str) -> None:
        value = " ".join(value[:_MAX_VALUE_CHARS].split())
        if value:
            values.append(value)
        if len(values) >= _MAX_VALUES:
            raise _EnoughError
