"""Calls and replies of the RPC, typed by the annotations of the protocols that a manager serves.

They are laid out as BaseManager's messages are: a call is ``(ident, method, args, kwds)``, a reply ``(kind, value)``.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, get_type_hints

import msgspec

from crawler.models import NewTask, Result
from crawler.queues import ResultQueue, TaskQueue, validation
from crawler.queues.rpc.wire import Fault
from crawler.storage import Inbox

PROTOCOL = 13
"""Raise it with each change after which workers and a manager of before and after don't understand each other."""

MALFORMED = validation.FLAWS
"""The errors of decoding."""
ENCODER = msgspec.msgpack.Encoder()


class Call(msgspec.Struct, frozen=True, array_like=True):
    """A client's message: *method* of the object named *ident*, or of the server itself (None).

    Arguments travel by name, in *kwds*; only the greeting has *args*.
    """

    ident: str | None
    method: str
    args: msgspec.Raw = msgspec.Raw(b"\x90")
    kwds: msgspec.Raw = msgspec.Raw(b"\x80")


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """The server's answer: ``#RETURN`` with the method's value, or ``#ERROR`` with a Fault."""

    kind: str
    value: msgspec.Raw

    @classmethod
    def of(cls, value: object) -> Reply:
        return cls("#RETURN", msgspec.Raw(ENCODER.encode(value)))

    @classmethod
    def of_error(cls, error: Exception) -> Reply:
        return cls("#ERROR", msgspec.Raw(ENCODER.encode(Fault.of(error))))

    def error(self) -> Exception | None:
        """The exception that was raised over there. Raises MALFORMED if it can't be read."""
        return None if self.kind == "#RETURN" else msgspec.msgpack.decode(self.value, type=Fault).revived()


_ONE_BY_ONE: dict[Any, Any] = {
    Sequence[Result]: validation.results_among,
    Sequence[NewTask]: validation.tasks_among,
}
"""Types of arguments whose items are independent, and the function that reads the valid items of each."""


class Method:
    """A method of a protocol on the wire: encodes and decodes its arguments, by name, and its value."""

    def __init__(self, protocol: type, name: str) -> None:
        function = getattr(protocol, name)
        self.name = name
        self.signature = inspect.signature(function)
        hints = get_type_hints(function, include_extras=True)
        returns = hints.pop("return")
        parameters = list(self.signature.parameters.values())[1:]
        fields = [
            (one.name, hints[one.name], *(() if one.default is one.empty else (one.default,)))
            for one in parameters
        ]
        arguments = msgspec.defstruct(f"{name}_arguments", fields, kw_only=True, forbid_unknown_fields=True)
        self.fields = arguments.__struct_fields__
        self.positional = [
            parameter.name for parameter in parameters if parameter.kind is not inspect.Parameter.KEYWORD_ONLY
        ]
        self.arguments = arguments
        self.returns = returns
        self._decode_arguments = msgspec.msgpack.Decoder(arguments).decode
        self._one_by_one = {name: _ONE_BY_ONE[kind] for name, kind, *_ in fields if kind in _ONE_BY_ONE}
        loose = [
            (name, list[msgspec.Raw] if name in self._one_by_one else kind, *default)
            for name, kind, *default in fields
        ]
        loosely = msgspec.defstruct(f"{name}_loosely", loose, kw_only=True, forbid_unknown_fields=True)
        self._decode_loosely = msgspec.msgpack.Decoder(loosely).decode
        self.decode_result = msgspec.msgpack.Decoder(returns).decode

    def decode_arguments(self, kwds: msgspec.Raw) -> Any:
        """The arguments of a call. A result or task that can't be read does not make the others fail."""
        try:
            return self._decode_arguments(kwds)
        except MALFORMED:
            if not self._one_by_one:
                raise
        loosely = self._decode_loosely(kwds)
        for name, read in self._one_by_one.items():
            setattr(loosely, name, read(getattr(loosely, name)))
        return loosely

    def bind(self, args: tuple[Any, ...], kwds: Mapping[str, Any]) -> dict[str, Any]:
        return dict(list(self.signature.bind(None, *args, **kwds).arguments.items())[1:])


def methods(protocol: type) -> dict[str, Method]:
    return {name: Method(protocol, name) for name in vars(protocol) if not name.startswith("_")}


SERVED: dict[str, dict[str, Method]] = {
    "get_task_queue": methods(TaskQueue),
    "get_result_queue": methods(ResultQueue),
    "get_inbox": methods(Inbox),
}
"""The objects that a manager serves, by name, and their methods."""
