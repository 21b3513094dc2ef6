"""What a stream remembers, so that a daemon that goes and comes back neither loses nor doubles anything.

    lost -> pending: subscribe -> open -> take… -> lost
                                   `-> pending: acknowledge -> open

A feed says what is to be asked next and makes items of notifications; who asks and reads is the client's business.
"""

from __future__ import annotations

from typing import Any, Dict, Generic, List, Mapping, Optional, Set, Tuple, TypeVar, Union

from . import requests
from .errors import StreamClosed
from .values import Event, Message, Reply, Wanted
from .wire import Notice, Request

T = TypeVar("T")


class Feed(Generic[T]):
    """The state of one stream of items."""

    def pending(self) -> Optional[Request[Any]]:
        """What has to be asked before notifications are waited for; reading its answer moves the feed on."""
        raise NotImplementedError

    def take(self, notice: Notice) -> Optional[T]:
        """The item that a notification brings, unless it was handed out before a connection ended."""
        raise NotImplementedError

    def lost(self) -> None:
        """The connection has ended."""
        raise NotImplementedError

    @property
    def is_over(self) -> bool:
        """Nothing follows."""
        return False


class MessageFeed(Feed[Message]):
    """The messages of a consumer.

    What was handed to the program and is not surely acknowledged is kept by seq and id. The daemon hands it out once more
    on the next connection; the program has it, so it is passed over then, once. There is never more of it than the window.
    """

    def __init__(
        self, consumer: str, start: Union[str, int, None], filter: Optional[Mapping[str, Any]], window: Optional[int]
    ):
        self.consumer = consumer
        self._start = start
        self._filter = filter
        self._window = window
        self._is_open = False
        self._handed: Dict[int, str] = {}
        self._passed_over: Dict[int, str] = {}
        self._confirmed = 0
        self._owed: Optional[int] = None

    @property
    def newest(self) -> Optional[int]:
        """The newest message that was handed out and is not acknowledged."""
        return max(self._handed, default=None)

    def owe(self, seq: int) -> None:
        """Everything up to there is to be acknowledged."""
        self._owed = max(seq, self._owed or 0)

    def pending(self) -> Optional[Request[Any]]:
        if not self._is_open:
            return requests.subscribe(self.consumer, self._start, self._filter, self._window).then(self._subscribed)
        if self._owed is not None:
            seq = self._owed
            return requests.acknowledge(self.consumer, seq).then(lambda _: self._acknowledged(seq))
        return None

    def _subscribed(self, cursor: int) -> None:
        if cursor < self._confirmed:
            # Somebody sought back, or this is another inbox: what comes is meant to be seen, and nothing is owed for it.
            self._handed, self._owed, self._confirmed = {}, None, cursor
        self._start = None
        self._passed_over = dict(self._handed)
        self._is_open = True

    def _acknowledged(self, seq: int) -> None:
        self._handed = {number: id for number, id in self._handed.items() if number > seq}
        self._confirmed = max(self._confirmed, seq)
        if self._owed == seq:
            self._owed = None

    def take(self, notice: Notice) -> Optional[Message]:
        if notice.params.get("consumer") != self.consumer:
            return None
        if notice.method == "inbox.closed":
            raise StreamClosed(self.consumer, str(notice.params.get("reason", "closed")))
        if notice.method != "inbox.message":
            return None
        message = Message.read(notice.params)
        if self._passed_over.pop(message.seq, None) == message.id:
            return None
        # They come in order: what stands before this one is not going to come again.
        self._passed_over = {seq: id for seq, id in self._passed_over.items() if seq > message.seq}
        self._handed[message.seq] = message.id
        return message

    def lost(self) -> None:
        self._is_open = False


class EventFeed(Feed[Event]):
    """Events, from a number on or from when the stream was opened.

    Like ones within a minute are one row, whose count rises, perhaps while nobody is connected. So the newest rows are
    remembered with what is known of them, told of once more on the next connection, and passed over if nothing is new.
    """

    REMEMBERED = 100

    def __init__(self, kinds: Optional[List[str]], start: Optional[int]):
        self._kinds = kinds
        self._start = start
        self._is_open = False
        self._known: Dict[int, Tuple[int, float]] = {}

    def pending(self) -> Optional[Request[Any]]:
        if self._is_open:
            return None
        if self._start is None:
            return requests.log(None, self.REMEMBERED, None, None, None).then(self._found)
        return requests.watch(self._kinds, min(self._known, default=self._start)).then(self._subscribed)

    def _found(self, newest: List[Event]) -> None:
        """What happened before the stream was opened."""
        for event in newest:
            self._remember(event)
        self._start = 0

    def _subscribed(self, _: None) -> None:
        self._is_open = True

    def take(self, notice: Notice) -> Optional[Event]:
        if notice.method != "event":
            return None
        event = Event.read(notice.params)
        if self._known.get(event.n) == (event.count, event.time):
            return None
        self._remember(event)
        return event

    def _remember(self, event: Event) -> None:
        self._known[event.n] = (event.count, event.time)
        if len(self._known) > self.REMEMBERED:
            del self._known[min(self._known)]

    def lost(self) -> None:
        self._is_open = False


class ReplyFeed(Feed[Reply]):
    """The answers to one call, those of each board in their order. On the next connection the daemon tells all of them again."""

    def __init__(self, request: Request[Dict[str, Any]], call: str):
        self._request = request
        self._call = call
        self._is_open = False
        self._next: Dict[str, int] = {}
        self._done: Set[str] = set()
        self._boards = 1

    def pending(self) -> Optional[Request[Any]]:
        return None if self._is_open else self._request.then(self._asked)

    def _asked(self, result: Dict[str, Any]) -> None:
        members = result.get("members")
        if isinstance(members, dict):
            self._boards = sum(id is not None for id in members.values())
        self._is_open = True

    def take(self, notice: Notice) -> Optional[Reply]:
        if notice.method != "call.reply" or notice.params.get("call") != self._call:
            return None
        reply = Reply.read(notice.params)
        if reply.part < self._next.get(reply.sender, 0):
            return None
        self._next[reply.sender] = reply.part + 1
        if reply.is_final:
            self._done.add(reply.sender)
        return reply

    def lost(self) -> None:
        self._is_open = False

    @property
    def is_over(self) -> bool:
        return len(self._done) >= self._boards


class WantedFeed(Feed[Wanted]):
    """Calls of a command that this connection serves. What is open when a connection ends, the daemon answers."""

    def __init__(self, request: Request[None], command: str):
        self._request = request
        self._command = command
        self._is_open = False

    def pending(self) -> Optional[Request[Any]]:
        return None if self._is_open else self._request.then(self._serving)

    def _serving(self, _: None) -> None:
        self._is_open = True

    def take(self, notice: Notice) -> Optional[Wanted]:
        if notice.method != "call.request" or notice.params.get("command") != self._command:
            return None
        return Wanted.read(notice.params)

    def lost(self) -> None:
        self._is_open = False
