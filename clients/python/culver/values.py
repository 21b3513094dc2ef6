"""What the daemon tells, as values. Each has the daemon's own object in `raw`, with what these classes do not name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, List, Mapping, Optional


def _text(raw: Mapping[str, Any], name: str) -> str:
    value = raw.get(name)
    return value if isinstance(value, str) else ""


def _maybe(raw: Mapping[str, Any], name: str) -> Optional[str]:
    value = raw.get(name)
    return value if isinstance(value, str) else None


def _number(raw: Mapping[str, Any], name: str) -> float:
    value = raw.get(name)
    return float(value) if isinstance(value, (int, float)) else 0.0


def _integer(raw: Mapping[str, Any], name: str, absent: int = 0) -> int:
    value = raw.get(name)
    return value if isinstance(value, int) else absent


@dataclass(frozen=True)
class Sent:
    """A message of this board's on its way, and how far it has come.

    `state` is one of waiting, queued, published, delivered, expired, failed and cancelled; the last three are ends, with
    a `reason`. `repeat` says that a call with the same `ref` was answered before: nothing was sent again.
    """

    id: str
    sn: int
    state: str
    receiver: str
    reason: Optional[str]
    repeat: bool
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def is_delivered(self) -> bool:
        """The receiver's acknowledgement was verified."""
        return self.state == "delivered"

    @staticmethod
    def read(raw: Mapping[str, Any]) -> Sent:
        return Sent(
            id=_text(raw, "id"), sn=_integer(raw, "sn"), state=_text(raw, "state"), receiver=_text(raw, "receiver"),
            reason=_maybe(raw, "reason"), repeat=raw.get("repeat") is True, raw=raw)


@dataclass(frozen=True)
class Message:
    """A message that came.

    `subject` is what it is about, such as `garden/soil`, and `data` the JSON that was sent as data; `None` where there is
    none. `sender` and `receiver` are full IDs, `name` is what this board calls the sender. `sealed` says that the envelope is
    proven, too; `trust` is stranger, contact or verified. `time` is the sender's, `received` this board's, both in seconds
    since 1970. `again` says that it may have been handed out before; `muted`, that nobody is to be troubled with it.
    """

    seq: int
    id: str
    sn: int
    sender: str
    receiver: str
    name: Optional[str]
    group: Optional[str]
    time: float
    received: float
    content: Mapping[str, Any]
    subject: Optional[str]
    data: Any
    sealed: bool
    encrypted: bool
    trust: str
    muted: bool
    again: bool
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def text(self) -> Optional[str]:
        """The text of the content, or what stands for it in software that does not know the content."""
        return _maybe(self.content, "text")

    @staticmethod
    def read(raw: Mapping[str, Any]) -> Message:
        content = raw.get("content")
        return Message(
            seq=_integer(raw, "seq"), id=_text(raw, "id"), sn=_integer(raw, "sn"), sender=_text(raw, "sender"),
            receiver=_text(raw, "receiver"), name=_maybe(raw, "name"), group=_maybe(raw, "group"), time=_number(raw, "time"),
            received=_number(raw, "received"), content=content if isinstance(content, dict) else {},
            subject=_maybe(raw, "subject"), data=raw.get("data"), sealed=raw.get("sealed") is True, encrypted=raw.get("encrypted") is True, trust=_text(raw, "trust"),
            muted=raw.get("muted") is True, again=raw.get("again") is True, raw=raw)


@dataclass(frozen=True)
class Event:
    """Something that happened on this board. Like ones within a minute are one, which comes again with a higher `count`;
    `time` and `text` are the last one's. `did`, `broker`, `id` and `reason` say what it is about, where they apply."""

    n: int
    time: float
    kind: str
    level: str
    text: str
    did: Optional[str]
    broker: Optional[str]
    id: Optional[str]
    reason: Optional[str]
    count: int
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @staticmethod
    def read(raw: Mapping[str, Any]) -> Event:
        return Event(
            n=_integer(raw, "n"), time=_number(raw, "time"), kind=_text(raw, "kind"), level=_text(raw, "level"),
            text=_text(raw, "text"), did=_maybe(raw, "did"), broker=_maybe(raw, "broker"), id=_maybe(raw, "id"),
            reason=_maybe(raw, "reason"), count=_integer(raw, "count", absent=1), raw=raw)


@dataclass(frozen=True)
class Presence:
    """How a contact was seen last. A hint, on which no delivery depends.

    `state` is online, gone or unknown, `since` when this board learnt of that; `seen` is when the contact last said anything
    since the daemon runs. `culver` says whether it is a culver agent, and `agent` what it said that it runs.
    """

    did: str
    name: Optional[str]
    state: str
    since: Optional[float]
    seen: Optional[float]
    agent: Optional[str]
    culver: bool
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def is_online(self) -> bool:
        """It stated that it is, and nobody has said otherwise since."""
        return self.state == "online"

    @staticmethod
    def read(raw: Mapping[str, Any]) -> Presence:
        return Presence(
            did=_text(raw, "did"), name=_maybe(raw, "name"), state=_text(raw, "state"),
            since=_number(raw, "since") if "since" in raw else None, seen=_number(raw, "seen") if "seen" in raw else None,
            agent=_maybe(raw, "agent"), culver=raw.get("culver") is True, raw=raw)


@dataclass(frozen=True)
class Reply:
    """What a board that was called answers. A program there may answer in parts, of which `part` counts from 0.

    `status` is that of its program and 0 when all is well; `output` is what it printed. `error` says why it did not come to
    its own end: among others `interrupted`, when nobody knows whether it did its work, `expired`, when it came too late and
    was not begun, `timed-out`, and with the status 77 why it was refused. `is_final`: nothing follows.
    """

    call: str
    sender: str
    name: Optional[str]
    part: int
    status: int
    output: str
    error: Optional[str]
    is_final: bool
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def is_done(self) -> bool:
        """The program came to its own end, and well."""
        return self.is_final and self.error is None and self.status == 0

    @staticmethod
    def read(raw: Mapping[str, Any]) -> Reply:
        return Reply(
            call=_text(raw, "call"), sender=_text(raw, "sender"), name=_maybe(raw, "name"), part=_integer(raw, "part"),
            status=_integer(raw, "status"), output=_text(raw, "output"), error=_maybe(raw, "error"),
            is_final=raw.get("final") is True, raw=raw)


@dataclass(frozen=True)
class Wanted:
    """What another board wants this one to do. `sender` is a full ID that may do so, `name` what this board calls it; `args`
    have passed the schema, where there is one. It is not wanted any more after `deadline`, in seconds since 1970."""

    call: str
    sender: str
    name: Optional[str]
    receiver: str
    command: str
    args: List[str]
    input: Optional[str]
    deadline: float
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @staticmethod
    def read(raw: Mapping[str, Any]) -> Wanted:
        args = raw.get("args")
        return Wanted(
            call=_text(raw, "call"), sender=_text(raw, "sender"), name=_maybe(raw, "name"), receiver=_text(raw, "receiver"),
            command=_text(raw, "command"), args=[str(word) for word in args] if isinstance(args, list) else [],
            input=_maybe(raw, "input"), deadline=_number(raw, "deadline"), raw=raw)


@dataclass(frozen=True)
class File:
    """A file that came, by the `id` of its message.

    `state` is coming, with the bytes that it `have`s already, whole, delivered, to the `path` in the directory that the
    configuration names, gone, or elsewhere, at `url`.
    """

    id: str
    seq: int
    sender: str
    name: Optional[str]
    filename: str
    size: int
    have: int
    state: str
    path: Optional[str]
    url: Optional[str]
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @staticmethod
    def read(raw: Mapping[str, Any]) -> File:
        return File(
            id=_text(raw, "id"), seq=_integer(raw, "seq"), sender=_text(raw, "sender"), name=_maybe(raw, "name"),
            filename=_text(raw, "filename"), size=_integer(raw, "size"), have=_integer(raw, "have"), state=_text(raw, "state"),
            path=_maybe(raw, "path"), url=_maybe(raw, "url"), raw=raw)
