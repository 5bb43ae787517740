"""The commands of the queue in Redis: each is whole, and its comment says what it takes."""

from __future__ import annotations

import ast
import re
import struct
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import redis

import crawler
from crawler.models import ImageRecord, ImageStatus, Result, Token
from crawler.queues.redis.scripts import script
from crawler.queues.redis.settling import RedisSettling
from crawler.queues.redis.shards import Shards
from tests.support.queues import image
from tests.support.redisserver import RedisServer

FOLDER = files("crawler.queues.redis").joinpath("lua")
COMMANDS = sorted(file.name.removesuffix(".lua") for file in FOLDER.iterdir() if file.name.endswith(".lua"))
GLOBALS = {
    "KEYS", "ARGV", "redis", "cmsgpack", "bit", "math", "string", "table", "select", "tonumber", "tostring", "type",
    "ipairs", "pairs", "next", "pcall", "unpack",
}  # fmt: skip
"""What servers have."""


class Chunk:
    """A function of Lua 5.1 in bytecode, as ``string.dump`` gives it: the global names that it has."""

    _GETGLOBAL, _SETGLOBAL = 5, 7

    def __init__(self, dump: bytes) -> None:
        self._dump, self._at = dump, 12
        self.names: set[str] = set()
        self._function()

    def _number(self, form: str) -> Any:
        [value] = struct.unpack_from(form, self._dump, self._at)
        self._at += struct.calcsize(form)
        return value

    def _string(self) -> str:
        length = self._number("<Q")
        self._at += length
        return self._dump[self._at - length : self._at - 1].decode("utf-8", "replace")

    def _constant(self) -> Any:
        match self._number("<B"):
            case 0:
                return None
            case 1:
                return self._number("<B")
            case 3:
                return self._number("<d")
            case _:
                return self._string()

    def _function(self) -> None:
        self._string()  # the name of the source
        self._at += 4 + 4 + 4
        code = [self._number("<I") for _ in range(self._number("<I"))]
        constants = [self._constant() for _ in range(self._number("<I"))]
        for instruction in code:
            if instruction & 0x3F in (self._GETGLOBAL, self._SETGLOBAL):
                self.names.add(constants[instruction >> 14])
        for _ in range(self._number("<I")):
            self._function()
        lines = self._number("<I")
        self._at += 4 * lines
        for _ in range(self._number("<I")):
            self._string()
            self._at += 8
        for _ in range(self._number("<I")):
            self._string()


def global_names(server: redis.Redis, text: str) -> set[str]:
    return Chunk(server.eval("return string.dump(loadstring(ARGV[1]))", 0, text)).names


def test_each_command_includes_all_that_it_uses(redis_server: RedisServer) -> None:
    with redis.Redis.from_url(redis_server.url) as server:
        strays = {
            name: found for name in COMMANDS if (found := global_names(server, script(name).text) - GLOBALS)
        }
        assert strays == {}
        assert global_names(server, "local a = 1 return function() b = a + c.d end") == {"b", "c"}


def arguments_said(text: str) -> list[str]:
    """As the comment at the head of a command names them; ``*`` where there are so many of what follows."""
    head = text.partition("\n\n")[0].partition("-- Arguments:\n")[2].partition("-- Returns")[0]
    found = []
    for name, meaning in re.findall(r"^--  {2,4}(\w+) +(.*)$", head, re.MULTILINE):
        found.append("*" if meaning.startswith("so many, then of each") else name)
    return found


def arguments_read(text: str) -> list[str]:
    """As its code reads them."""
    code = re.sub(r"--.*", "", text)
    reader = r"(?:str|num|num_or_nil|bool|read_pairs)\(\)"
    pattern = re.compile(
        rf"(?P<elsewhere>^read_elsewhere\(\)$)|for \w+ = 1, (?P<many>num\(\)) do"
        rf"|local (?P<names>[\w, ]+) =\s+(?P<readers>{reader}(?:, {reader})*)(?=\n)"
        rf"|(?P<field>\w+) = {reader}(?=,)|{reader}",
        re.MULTILINE,
    )
    found = []
    for match in pattern.finditer(code):
        if match["elsewhere"]:
            found.append("elsewhere")
        elif match["many"]:
            found.append("*")
        elif match["names"]:
            names = match["names"].split(", ")
            assert len(names) == match["readers"].count("()"), match[0]
            found += names
        else:
            assert match["field"], f"{match[0]} is read without a name"
            found.append(match["field"])
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_the_comment_of_a_command_names_its_arguments_in_order(command: str) -> None:
    text = FOLDER.joinpath(f"{command}.lua").read_text(encoding="utf-8")
    assert "-- Returns" in text.partition("\n\n")[0]
    assert arguments_said(text) == arguments_read(text)


def test_results_are_told_in_the_order_in_which_they_are_read() -> None:
    read = arguments_read(FOLDER.joinpath("settle.lua").read_text(encoding="utf-8"))
    engine: Any = None  # nothing is asked of it
    result = Result(
        token=Token(id=1, serial=1), record=ImageRecord(url=image(1).url, status=ImageStatus.SAVED)
    )
    told = RedisSettling(Shards(engine, "it", 1), max_attempts=1)._judged(0, result)
    assert tuple(read) == ("elsewhere", "*", *told, "drops", "left_out", "named", "found")


def test_commands_are_those_that_clients_give() -> None:
    place = {"all": 0, "run": 1, "bare": 1, "_ask": 1}
    given: set[str] = set()
    for path in Path(crawler.__file__).parent.joinpath("queues/redis").glob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute)
                and call.func.attr in place
            ):
                for word in call.args[place[call.func.attr] :][:1]:
                    if isinstance(word, ast.Constant):
                        given.add(word.value)
    assert given == set(COMMANDS)
