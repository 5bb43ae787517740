"""What an error of an object store means, from the text of obstore's exception: pure.

obstore's exceptions hold nothing but text: a sentence, then the debug form of the error in object_store (Rust).
Their classes tell little: a wrong region is a GenericError, and so is an outage.
"""

from __future__ import annotations

import html
import re

_STATUS = re.compile(r"\bStatus \{\s*status: (\d{3}),")
_CODE = re.compile(r"<Code>([^<]{1,100})</Code>")
_MESSAGE = re.compile(r"<Message>([^<]{1,300})")
_WHY = re.compile(r'\b(?:message|error): "((?:[^"\\]|\\.){1,200})"')
_PREFIX = re.compile(r"^.* - (?:Server returned non-2xx status code: )?", re.DOTALL)
_QUERY = re.compile(r"\?\S+")
_PASSING_STATUS = frozenset({408, 409, 425, 429})
_LASTING_STATUS = frozenset({501, 505})
_SERVER_ERROR = 500
_PASSING_CODES = frozenset({"RequestTimeout", "SlowDown", "InternalError", "OperationAborted", "ServerBusy"})
"""S3 answers RequestTimeout with 400, and Azure ServerBusy with 503."""
_LASTING = re.compile(
    r"certificate|BadScheme|kind: Builder|source: Missing|RelativeUrlWithoutBase|without LOCATION"
)
_INSTANCE = re.compile(r"169\.254\.169\.254|/latest/api/token|/latest/meta-data/|computeMetadata")
"""The metadata service of a cloud's machine, which obstore asks for credentials that the environment does not have."""
_NO_SUCH_NAME = re.compile(r"Name or service not known|nodename nor servname|No such host is known")


def status_of(text: str) -> int:
    """The HTTP status in an exception's *text*; 0 when no answer came."""
    found = _STATUS.search(text)
    return int(found[1]) if found else 0


def passes(text: str, *, has_worked: bool) -> bool:
    """Whether an error with this *text* may pass by itself.

    Timeouts, refused and lost connections, 5xx, 429 and the like do; refusals and wrong settings do not. A name that
    can't be looked up, or a lack of credentials, passes only if the store *has_worked* before.
    """
    if _INSTANCE.search(text) or _NO_SUCH_NAME.search(text):
        return has_worked
    status = status_of(text)
    code = _CODE.search(text)
    if code and code[1] in _PASSING_CODES:
        return True
    if status:
        return status in _PASSING_STATUS or (status >= _SERVER_ERROR and status not in _LASTING_STATUS)
    return not _LASTING.search(text)


def told(text: str) -> str:
    """An exception's *text* in a few words, without query strings, which may hold a signature."""
    sentence, _, inside = text.partition("\n\nDebug source")
    if _INSTANCE.search(text):
        return "no credentials in the environment, and none from the machine it runs on"
    if code := _CODE.search(sentence):
        message = _MESSAGE.search(sentence)
        words = f"{code[1]}: {message[1].splitlines()[0]}" if message else code[1]
        return html.unescape(words).strip()
    status = status_of(inside)
    if not status and "TimedOut" in inside:
        return "timed out"
    if not status and (why := _WHY.findall(inside)):
        return str(why[-1])
    if not status and "error sending request" in sentence:
        return "the connection broke off"
    words = _QUERY.sub("?…", _PREFIX.sub("", sentence.strip()))
    return " ".join(words.split())[:300].rstrip(": ") or f"status {status}"
