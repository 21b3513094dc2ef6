"""The lines of the socket as values, without a socket: what both clients are made of.

`Wire` turns requests into lines and bytes that came into answers and notifications. `Attempts` decides what follows
when a daemon has gone. Neither reads, writes, waits or knows which of both clients it serves.
"""

from __future__ import annotations

import errno
import json
import os
import time
from dataclasses import dataclass, replace
from typing import Any, Callable, Dict, Generic, List, Optional, Tuple, TypeVar, Union

from .errors import BAD_DATA, NOT_PERMITTED, CulverError, Refused, Unreachable

S = TypeVar("S")
T = TypeVar("T")

LONGEST_REQUEST = 2 << 20  # bytes; the daemon ends the connection over a longer line
LONGEST_ANSWER = 8 << 20  # bytes; the daemon's own limit is 4 MiB for all that it has not written yet
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0  # seconds between attempts to reach a daemon that is away
PASSING = ("stopping", "no-identity-yet")  # refusals that a daemon that ends or begins has for everything


def socket_path() -> str:
    """Where the daemon listens: CULVER_SOCKET, else the user's own daemon if it has a socket, else the system's."""
    named = os.environ.get("CULVER_SOCKET")
    if named:
        return named
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    own = os.path.join(runtime, "culver", "culver.sock") if runtime else ""
    return own if own and os.path.exists(own) else "/run/culver/culver.sock"


@dataclass(frozen=True)
class Request(Generic[T]):
    """One call of a method, and how its result is read."""

    method: str
    params: Dict[str, Any]
    read: Callable[[Any], T]
    # A second one does nothing that the first has not done: it may be asked again when its answer was lost.
    is_repeatable: bool = True
    # What a message goes under, for whoever has to send it again by hand.
    ref: Optional[str] = None

    @property
    def seconds(self) -> float:
        """How long the daemon may take by itself before it answers."""
        timeout = self.params.get("timeout")
        return float(timeout) if isinstance(timeout, (int, float)) else 0.0

    def then(self, step: Callable[[T], S]) -> Request[S]:
        """The same request, whose result goes through one more step."""
        read = self.read
        return Request(self.method, self.params, lambda result: step(read(result)), self.is_repeatable, self.ref)

    def after(self, elapsed: float) -> Request[T]:
        """The same request so many seconds later: what was to wait waits no longer in all."""
        if not self.seconds:
            return self
        return replace(self, params={**self.params, "timeout": max(0.0, self.seconds - elapsed)})


@dataclass(frozen=True)
class Answer:
    """What a request came to: a result, or an error."""

    number: int
    result: Any
    error: Optional[Refused]


@dataclass(frozen=True)
class Notice:
    """What the daemon says unasked."""

    method: str
    params: Dict[str, Any]


class CutOff(ConnectionError):
    """The connection ended after a request was written: whether it was carried out is not known."""


class Wire:
    """One connection's worth of lines. A new connection needs a new one."""

    def __init__(self) -> None:
        self._last = 0
        self._buffer = bytearray()
        self._searched = 0

    def ask(self, request: Request[T]) -> Tuple[int, bytes]:
        """The number that the answer will have, and the line to be written."""
        self._last += 1
        call = {"jsonrpc": "2.0", "id": self._last, "method": request.method, "params": request.params}
        line = json.dumps(call, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        if len(line) > LONGEST_REQUEST:
            raise CulverError(
                f"a request of {len(line)} bytes is too long", reason="line-too-long", code=BAD_DATA,
                hint=f"at most {LONGEST_REQUEST} bytes go in one")
        return self._last, line + b"\n"

    def receive(self, data: bytes) -> List[Union[Answer, Notice]]:
        """What these bytes complete, in the order in which it came."""
        self._buffer += data
        found: List[Union[Answer, Notice]] = []
        while True:
            end = self._buffer.find(b"\n", self._searched)
            if end < 0:
                self._searched = len(self._buffer)
                if self._searched > LONGEST_ANSWER:
                    raise _not_understood("a line without end")
                return found
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            self._searched = 0
            found.append(_read(line))


def _read(line: bytes) -> Union[Answer, Notice]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise _not_understood("a line that is no JSON") from None
    if not isinstance(value, dict):
        raise _not_understood("a line that is no object")
    if isinstance(value.get("method"), str):
        params = value.get("params")
        return Notice(value["method"], params if isinstance(params, dict) else {})
    error = value.get("error")
    refused = Refused.of(error) if isinstance(error, dict) else None
    number = value.get("id")
    if not isinstance(number, int):
        raise refused or _not_understood("an answer to no request")
    if refused is None and "result" not in value:
        raise _not_understood("an answer without a result")
    return Answer(number, value.get("result"), refused)


def _not_understood(what: str) -> CulverError:
    return CulverError(f"the daemon sent {what}", reason="not-understood", code=BAD_DATA)


def limit(patience: float, request: Optional[Request[T]] = None) -> Optional[float]:
    """Seconds to wait for the daemon, or for this answer of its; `None` for ever."""
    seconds = patience + (request.seconds if request else 0)
    return None if seconds == float("inf") else seconds


class Attempts:
    """How long to go on when the daemon does not answer: for a call from its beginning, for a stream from the first failure
    since anything succeeded."""

    def __init__(self, path: str, patience: float, clock: Callable[[], float] = time.monotonic):
        self._path = path
        self._patience = patience
        self._clock = clock
        self._begin = clock()
        self._pause = FIRST_PAUSE

    @property
    def elapsed(self) -> float:
        return self._clock() - self._begin

    def pause_after(self, error: Exception, request: Optional[Request[T]] = None) -> float:
        """Seconds until the next attempt. Raises what the caller is to see when there is none."""
        ref = request.ref if request else None
        if isinstance(error, CulverError) and error.reason not in PASSING:
            raise error
        if isinstance(error, PermissionError):
            raise Unreachable(
                f"{self._path}: {error.strerror}", reason="not-permitted", code=NOT_PERMITTED,
                hint="members of the group culver may talk to the daemon", ref=ref) from error
        if isinstance(error, OSError) and not isinstance(error, CutOff) and error.errno in (errno.ENAMETOOLONG, errno.EINVAL):
            raise Unreachable(f"{self._path}: {error.strerror}", reason="bad-socket", ref=ref) from error
        if isinstance(error, CutOff) and request and not request.is_repeatable:
            raise Unreachable(
                f"the daemon ended during {request.method}, and may have carried it out", reason="connection-closed",
            ) from error
        spent = self._patience + (request.seconds if request else 0)
        if self.elapsed >= spent:
            if isinstance(error, CulverError):
                raise error
            hint = f"the same call with ref={ref!r} sends what was not accepted, and nothing else" if ref else None
            reason = "connection-closed" if isinstance(error, CutOff) else "no-daemon"
            raise Unreachable(f"{self._path}: {error}", reason=reason, hint=hint, ref=ref) from error
        pause, self._pause = self._pause, min(LONGEST_PAUSE, self._pause * 2)
        return max(0.0, min(pause, spent - self.elapsed))
