"""The client for programs that wait for each answer. Threads may share it; a stream belongs to one of them."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import time
import weakref
from collections import deque
from dataclasses import replace
from types import TracebackType
from typing import Any, Deque, Dict, Generic, Iterable, Iterator, List, Mapping, Optional, Type, TypeVar, Union

from . import requests
from .errors import NOT_NOW, NotNow, Refused
from .feeds import EventFeed, Feed, MessageFeed, ReplyFeed, WantedFeed
from .transfers import Sink, Upload
from .values import Event, File, Message, Presence, Reply, Sent, Wanted
from .wire import Answer, Attempts, CutOff, Notice, Request, Wire, limit, socket_path

T = TypeVar("T")
AnyStream = TypeVar("AnyStream", bound="Stream[Any]")
IDLE = 4  # connections that are kept for the next calls


class _Link:
    """One connection. After an error other than a refusal it is good for nothing more."""

    def __init__(self, path: str, seconds: Optional[float]):
        self._wire = Wire()
        self._notices: Deque[Notice] = deque()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(seconds)
            self._socket.connect(path)
        except BaseException:
            self._socket.close()
            raise

    def close(self) -> None:
        self._socket.close()

    def is_open(self) -> bool:
        """Whether the daemon has not ended it meanwhile, as far as that is known here."""
        self._socket.settimeout(0)
        try:
            return self._socket.recv(1, socket.MSG_PEEK) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    def ask(self, request: Request[T], seconds: Optional[float]) -> T:
        number, line = self._wire.ask(request)
        end = None if seconds is None else time.monotonic() + seconds
        self._socket.settimeout(seconds)
        self._socket.sendall(line)  # a line that is not written to its end is not carried out
        try:
            while True:
                for item in self._receive(end):
                    if isinstance(item, Answer) and item.number == number:
                        if item.error:
                            raise item.error
                        return request.read(item.result)
        except CutOff:
            raise
        except OSError as error:
            raise CutOff(str(error) or "no answer in time") from error

    def notice(self, end: Optional[float]) -> Optional[Notice]:
        """The next notification; `None` if there is none at that time of the monotonic clock."""
        try:
            while not self._notices:
                self._receive(end)
        except socket.timeout:
            return None
        return self._notices.popleft()

    def _receive(self, end: Optional[float]) -> List[Union[Answer, Notice]]:
        # At the end of the time what is there already is still taken.
        self._socket.settimeout(None if end is None else max(0.000_001, end - time.monotonic()))
        data = self._socket.recv(1 << 16)
        if not data:
            raise CutOff("the daemon ended the connection")
        items = self._wire.receive(data)
        self._notices.extend(item for item in items if isinstance(item, Notice))
        return items

    def forget_notices(self) -> None:
        self._notices.clear()


class Stream(Generic[T]):
    """Items as they come, on a connection of its own: a loop over it ends when no item came within `timeout` seconds."""

    def __init__(self, path: str, patience: float, feed: Feed[T], timeout: Optional[float]):
        self._path = path
        self._patience = patience
        self._feed = feed
        self._timeout = timeout
        self._link: Optional[_Link] = None
        self._attempts: Optional[Attempts] = None

    def close(self) -> None:
        """Ends the connection. Another loop over this stream would open it again."""
        if self._link:
            self._link.close()
        self._link = None
        self._feed.lost()

    def __enter__(self: AnyStream) -> AnyStream:
        """Opens the connection: with `start="new"`, what comes from here on is new."""
        self._settle()
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self.close()

    def __del__(self) -> None:
        if self._link:
            self._link.close()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        end = None if self._timeout is None else time.monotonic() + self._timeout
        while not self._feed.is_over:
            try:
                notice = self._settled().notice(end)
            except Exception as error:
                self._pause_after(error)
                continue
            if notice is None:
                break
            item = self._feed.take(notice)
            if item is not None:
                return item
        self.close()
        raise StopIteration

    def _settled(self) -> _Link:
        """A connection on which nothing is left to be asked."""
        if self._link is None:
            self._link = _Link(self._path, limit(self._patience))
        while True:
            request = self._feed.pending()
            if request is None:
                return self._link
            self._link.ask(request, limit(self._patience, request))
            self._attempts = None

    def _settle(self) -> None:
        while True:
            try:
                self._settled()
                return
            except Exception as error:
                self._pause_after(error)

    def _pause_after(self, error: Exception) -> None:
        self.close()
        self._attempts = self._attempts or Attempts(self._path, self._patience)
        time.sleep(self._attempts.pause_after(error))


class Messages(Stream[Message]):
    """The messages of a consumer, each until it is acknowledged.

    Unless the stream was made with `acknowledge=False`, going on to the next message acknowledges the one before: a loop
    whose body raises an exception, or breaks off, leaves its message to the next run of the program.
    """

    def __init__(self, path: str, patience: float, feed: MessageFeed, timeout: Optional[float], acknowledge: bool):
        super().__init__(path, patience, feed, timeout)
        self._messages = feed
        self._acknowledges = acknowledge

    def __next__(self) -> Message:
        if self._acknowledges:
            self.acknowledge()
        return super().__next__()

    def acknowledge(self, message: Union[Message, int, None] = None) -> None:
        """This message, or the one of this seq, and all before it; the newest that was handed out unless one is named.
        When this returns they are acknowledged on the daemon's disk."""
        seq = message.seq if isinstance(message, Message) else message or self._messages.newest
        if seq is None:
            return
        self._messages.owe(seq)
        self._settle()


class Served(Stream[Wanted]):
    """Calls of a command that this program serves; each is to be answered by `reply`."""

    def reply(
        self, wanted: Wanted, output: str = "", *, status: int = 0, error: Optional[str] = None, final: bool = True
    ) -> bool:
        """Answers a call; with `final=False` more follows. False: it comes too late, as after a restart of the daemon, which
        has answered `interrupted` then."""
        request = requests.reply(wanted.call, wanted.sender, status, output, error, final)
        try:
            self._settled().ask(request, limit(self._patience, request))
            return True
        except Refused as refusal:
            if refusal.reason != "unknown-call":
                raise
        except OSError:
            self.close()
        return False


class Client:
    """culverd on this board.

        with culver.Client() as board:
            board.send("porch", "The soil is dry.")
            for message in board.messages("lamp"):
                print(message.name, message.text)

    A daemon that goes away is waited for as long as `patience` says, in seconds, and asked again; then `Unreachable` is
    raised. `float("inf")` waits for ever. Whatever is asked again does nothing twice.
    """

    def __init__(self, path: Optional[str] = None, *, patience: float = 60):
        self.path = path or socket_path()
        self.patience = patience
        self._idle: List[_Link] = []
        self._streams: weakref.WeakSet[Stream[Any]] = weakref.WeakSet()

    def close(self) -> None:
        """Ends all connections, those of its streams too."""
        while self._idle:
            self._idle.pop().close()
        for stream in list(self._streams):
            stream.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self.close()

    def send(
        self, to: str, text: Optional[str] = None, *, data: Any = None, content: Optional[Mapping[str, Any]] = None,
        subject: Optional[str] = None, sender: Optional[str] = None, ref: Optional[str] = None,
        expiry: Optional[float] = None, receipt: Optional[str] = None, priority: Optional[str] = None,
    ) -> Sent:
        """Sends `text`, `data` (anything that JSON has but null) or a DIMP `content` to a name or an ID. `subject` says what
        it is about, as in `garden/soil`.

        When this returns the message is on disk, and goes on by itself. `ref` is the program's own word for it, 1 to 64
        bytes: the same call again gives the same answer and sends nothing, also from a program that was started anew.
        Without one the client makes one up for as long as the call takes. `sender` is one of the board's identities, the
        default one unless said; `expiry` counts seconds, 14 days at the most, after which no consumer is handed it either.
        `receipt="signed"` asks for a receipt that
        proves to others that it was taken; `priority` is urgent, normal or bulk.
        """
        return self._ask(requests.send(to, requests.body_of(text, data, content, subject), sender, ref, expiry, receipt, priority))[0]

    def send_to_all(
        self, to: Iterable[str], text: Optional[str] = None, *, data: Any = None, content: Optional[Mapping[str, Any]] = None,
        subject: Optional[str] = None, sender: Optional[str] = None, ref: Optional[str] = None,
        expiry: Optional[float] = None, receipt: Optional[str] = None, priority: Optional[str] = None,
    ) -> List[Sent]:
        """The same to each of several receivers, at most 1000, in one turn of the daemon: a `Sent` for each, in order.
        If it is refused for one of them, `SomeRefused` says what became of all."""
        return self._ask(requests.send(list(to), requests.body_of(text, data, content, subject), sender, ref, expiry, receipt, priority))

    def show(self, id: str) -> Sent:
        """How far a message has come."""
        return self._ask(requests.show(id))

    def wait(self, id: str, until: str = "delivered", timeout: float = 60) -> Sent:
        """Waits until a message is `published` or `delivered`, or has ended otherwise: see `state`. Raises `NotNow` when
        the time is over, which changes nothing about the message."""
        return self._ask(requests.wait(id, until, timeout))

    def messages(
        self, consumer: str, *, start: Union[str, int, None] = None, filter: Optional[Mapping[str, Any]] = None,
        window: Optional[int] = None, timeout: Optional[float] = None, acknowledge: bool = True,
    ) -> Messages:
        """Messages as they come, for the consumer of this name, which remembers how far it has come.

        `start` counts only for a new name: `"oldest"`, `"new"` or a seq. `filter` has `sender`, `receiver`, `group`, `type`
        or `subject`, the last with MQTT's wildcards. At most `window` messages, 32 unless said, are handed out without acknowledgement. A loop over them ends
        when none came within `timeout` seconds.
        """
        stream = Messages(self.path, self.patience, MessageFeed(consumer, start, filter, window), timeout, acknowledge)
        self._streams.add(stream)
        return stream

    def inbox(
        self, *, start: Optional[int] = None, limit: Optional[int] = None, sender: Optional[str] = None,
        receiver: Optional[str] = None, group: Optional[str] = None, type: Optional[int] = None, subject: Optional[str] = None,
    ) -> List[Message]:
        """Messages that came, the newest unless `start` names a seq; looking at them changes nothing."""
        return self._ask(requests.inbox(start, limit, sender, receiver, group, type, subject))

    def events(
        self, *kinds: str, start: Optional[int] = None, timeout: Optional[float] = None
    ) -> Stream[Event]:
        """What happens on this board, of these kinds or of all; with `start` also what happened since that number."""
        stream = Stream(self.path, self.patience, EventFeed(list(kinds) or None, start), timeout)
        self._streams.add(stream)
        return stream

    def log(
        self, *, start: Optional[int] = None, limit: Optional[int] = None, since: Optional[float] = None,
        kind: Optional[str] = None, did: Optional[str] = None,
    ) -> List[Event]:
        """Events that are kept, the newest unless `start` names a number."""
        return self._ask(requests.log(start, limit, since, kind, did))

    def send_file(
        self, to: str, path: Union[str, "os.PathLike[str]"], *, name: Optional[str] = None, type: Optional[str] = None,
        text: Optional[str] = None, thumbnail: Optional[bytes] = None, sender: Optional[str] = None, ref: Optional[str] = None,
        expiry: Optional[float] = None, receipt: Optional[str] = None, priority: Optional[str] = None,
    ) -> Sent:
        """Sends a file, under its own name unless `name` says another. When this returns all of it is on the daemon's disk,
        encrypted; it goes in pieces beside its message if it is large, and comes whole or not at all. `type` is file, image,
        audio or video, else it follows from the name; `text` goes beside it, and `thumbnail` stands for a picture. The rest
        is as in `send`."""
        name = name or os.path.basename(path)
        offer = requests.offer_of(to, name, type, text, thumbnail, sender, ref, expiry, receipt, priority)
        with open(path, "rb") as source:
            return self._upload(Upload(source, offer))

    def files(self, *, start: Optional[int] = None, limit: Optional[int] = None) -> List[File]:
        """Files that came, the newest unless `start` names a seq."""
        return self._ask(requests.files(start, limit))

    def fetch_file(self, id: str, path: Union[str, "os.PathLike[str]"]) -> int:
        """Writes a file that came to this path, whole or not at all, and returns its size. Raises `NotNow` while it is coming."""
        with Sink(os.fspath(path)) as sink:
            while True:
                data = self._ask(requests.piece(id, sink.offset))
                if not data:
                    return sink.offset
                sink.add(data)

    def drop_file(self, id: str) -> None:
        """Removes the bytes of a file that came, or stops one that goes in pieces."""
        self._ask(requests.drop(id))

    def call(
        self, to: str, command: str, *args: str, input: Optional[str] = None, timeout: float = 30,
        sender: Optional[str] = None,
    ) -> Reply:
        """Has another board, no group, do something: a command that its configuration or a program there serves, with arguments.

        The answer has all of the output. It runs once at most, whatever is cut off or repeated, and does not begin after
        `timeout` seconds. Raises `NotNow` when no answer came in time: it may have run, and may still run. A board that
        refuses is an answer, too: see `Reply.error`.
        """
        output: List[str] = []
        stream = self.replies(to, command, *args, input=input, timeout=timeout, sender=sender)
        try:
            for reply in stream:
                output.append(reply.output)
                if reply.is_final:
                    return replace(reply, output="".join(output))
        finally:
            stream.close()
        raise NotNow(f"no answer of {to} within {timeout:g} s: it may have run, and may still run", reason="no-answer", code=NOT_NOW)

    def replies(
        self, to: str, command: str, *args: str, input: Optional[str] = None, timeout: float = 30,
        sender: Optional[str] = None, call: Optional[str] = None,
    ) -> Stream[Reply]:
        """The same for a program that answers in parts: a loop over it ends with the last. `to` may be
        a group: then each other member answers for itself. `call` is the program's own name for
        it, 1 to 64 letters, digits, points and dashes: under the same name it is made once, and all its answers are told
        again, also to a program that was started anew."""
        name = call or secrets.token_hex(8)
        request = requests.call(to, command, list(args), input, timeout, sender, name)
        stream = Stream(self.path, self.patience, ReplyFeed(request, name), timeout + 2)
        self._streams.add(stream)
        return stream

    def serve(
        self, command: str, *, allow: Optional[Iterable[str]] = None, args: Optional[Iterable[Mapping[str, Any]]] = None,
        timeout: Optional[float] = None,
    ) -> Served:
        """Calls of this command, as they come:

            with board.serve("blink", allow=["phone"]) as calls:
                for wanted in calls:
                    calls.reply(wanted, blink(*wanted.args))

        `allow` lists contacts, groups or `verified`; it is left out where the configuration has a section for the command, which says
        all that. `args` is a schema for each argument, `timeout` how many seconds a call may take.
        """
        request = requests.serve(
            command, None if allow is None else list(allow), None if args is None else list(args), timeout)
        stream = Served(self.path, self.patience, WantedFeed(request, command), None)
        self._streams.add(stream)
        return stream

    def presence(self, did: str) -> Presence:
        """How this contact was seen last; it is watched from then on. Changes are events of the kind presence."""
        return self._ask(requests.presence(did))

    def presences(self, *, start: Optional[int] = None, limit: Optional[int] = None) -> List[Presence]:
        """How those contacts were seen last that are watched: culver agents that messages went to or came from of late."""
        return self._ask(requests.presences(start, limit))

    def status(self) -> Dict[str, Any]:
        """The state of daemon, brokers, queues and peers."""
        return self._ask(requests.status())

    def request(self, method: str, params: Optional[Mapping[str, Any]] = None, *, repeat: bool = False) -> Any:
        """Any method of culver-protocol(7), with its result as it is. `repeat` says that it may be asked again when its
        answer was lost."""
        return self._ask(requests.raw(method, params or {}, repeat))

    def _upload(self, upload: Upload) -> Sent:
        """An offer is of its connection, so this has one of its own."""
        attempts: Optional[Attempts] = None
        while True:
            request: Optional[Request[Any]] = None
            try:
                with contextlib.closing(_Link(self.path, limit(self.patience))) as link:
                    while upload.sent is None:
                        request = upload.pending()
                        assert request
                        link.ask(request, limit(self.patience, request))
                        link.forget_notices()
                        attempts = None
                    return upload.sent
            except Exception as error:
                upload.lost()
                attempts = attempts or Attempts(self.path, self.patience)
                pause = attempts.pause_after(error, request)
            time.sleep(pause)

    def _ask(self, request: Request[T]) -> T:
        attempts = Attempts(self.path, self.patience)
        while True:
            try:
                return self._ask_once(request.after(attempts.elapsed))
            except Exception as error:
                pause = attempts.pause_after(error, request)
            time.sleep(pause)

    def _ask_once(self, request: Request[T]) -> T:
        link = self._take()
        is_good = False
        try:
            result = link.ask(request, limit(self.patience, request))
            is_good = True
            return result
        except Refused:
            is_good = True
            raise
        finally:
            link.forget_notices()
            if is_good and len(self._idle) < IDLE:
                self._idle.append(link)
            else:
                link.close()

    def _take(self) -> _Link:
        """A connection that is idle, or a new one."""
        while True:
            try:
                link = self._idle.pop()
            except IndexError:
                return _Link(self.path, limit(self.patience))
            if link.is_open():
                return link
            link.close()
