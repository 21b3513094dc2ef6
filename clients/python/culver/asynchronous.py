"""The client for asyncio. Tasks may share it; a stream belongs to one of them. Both belong to one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import time
import weakref
from collections import deque
from dataclasses import replace
from types import TracebackType
from typing import Any, AsyncIterator, Deque, Dict, Generic, Iterable, List, Mapping, Optional, Type, TypeVar, Union

from . import requests
from .errors import NOT_NOW, CulverError, NotNow, Refused
from .feeds import EventFeed, Feed, MessageFeed, ReplyFeed, WantedFeed
from .transfers import Sink, Upload
from .values import Event, File, Message, Presence, Reply, Sent, Wanted
from .wire import Answer, Attempts, CutOff, Notice, Request, Wire, limit, socket_path

T = TypeVar("T")
AnyStream = TypeVar("AnyStream", bound="AsyncStream[Any]")
TOGETHER = 32  # calls of one connection that wait for answers; the daemon reads no more than 64
MOST_NOTICES = 2048  # unread ones, beyond which the connection is not read; more than any window has


class _AsyncLink(asyncio.Protocol):
    """One connection, on which any number of tasks may ask."""

    def __init__(self) -> None:
        self._wire = Wire()
        self._answers: Dict[int, asyncio.Future[Answer]] = {}
        self._notices: Deque[Notice] = deque()
        self._arrival: Optional[asyncio.Future[None]] = None
        self._transport: Optional[asyncio.Transport] = None
        self._end: Optional[Exception] = None
        self.keeps_notices = False

    @staticmethod
    async def open(path: str, seconds: Optional[float], keeps_notices: bool) -> _AsyncLink:
        loop = asyncio.get_running_loop()
        try:
            _, link = await asyncio.wait_for(loop.create_unix_connection(_AsyncLink, path), seconds)
        except asyncio.TimeoutError:
            raise ConnectionError("nobody takes the connection") from None
        link.keeps_notices = keeps_notices
        return link

    @property
    def is_open(self) -> bool:
        return self._end is None

    def close(self) -> None:
        self._ended(CutOff("the connection was closed"))
        if self._transport:
            self._transport.abort()

    async def ask(self, request: Request[T], seconds: Optional[float]) -> T:
        if self._end or self._transport is None:
            raise ConnectionError("the connection has ended")
        number, line = self._wire.ask(request)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answers[number] = future
        try:
            self._transport.write(line)
            answer = await asyncio.wait_for(future, seconds)
        except asyncio.TimeoutError:
            self.close()
            raise CutOff("no answer in time") from None
        finally:
            self._answers.pop(number, None)
        if answer.error:
            raise answer.error
        return request.read(answer.result)

    async def notice(self, end: Optional[float]) -> Optional[Notice]:
        """The next notification; `None` if there is none at that time of the monotonic clock."""
        while not self._notices:
            if self._end:
                raise self._end
            self._arrival = asyncio.get_running_loop().create_future()
            try:
                await asyncio.wait_for(self._arrival, None if end is None else max(0.0, end - time.monotonic()))
            except asyncio.TimeoutError:
                if not self._notices:
                    return None
            finally:
                self._arrival = None
        if len(self._notices) == MOST_NOTICES and self._transport:
            self._transport.resume_reading()
        return self._notices.popleft()

    # Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            items = self._wire.receive(data)
        except CulverError as error:
            self._ended(error)
            self.close()
            return
        for item in items:
            if isinstance(item, Answer):
                future = self._answers.get(item.number)
                if future and not future.done():
                    future.set_result(item)
            elif self.keeps_notices:
                self._notices.append(item)
        if self._notices:
            self._wake()
            if len(self._notices) >= MOST_NOTICES and self._transport:
                self._transport.pause_reading()

    def connection_lost(self, error: Optional[Exception]) -> None:
        self._ended(CutOff(str(error) if error else "the daemon ended the connection"))

    def _ended(self, error: Exception) -> None:
        """The first reason is the one that everybody is told."""
        if self._end:
            return
        self._end = error
        for future in self._answers.values():
            if not future.done():
                future.set_exception(error)
        self._wake()

    def _wake(self) -> None:
        if self._arrival and not self._arrival.done():
            self._arrival.set_result(None)


class _Line:
    """A connection that is made when somebody asks, and made again when it was lost."""

    def __init__(self, path: str, patience: float):
        self._path = path
        self._patience = patience
        self._link: Optional[_AsyncLink] = None
        self._opening = asyncio.Lock()
        self._room = asyncio.Semaphore(TOGETHER)

    def close(self) -> None:
        if self._link:
            self._link.close()
        self._link = None

    async def ask(self, request: Request[T]) -> T:
        async with self._room:
            async with self._opening:
                if self._link is None or not self._link.is_open:
                    self._link = await _AsyncLink.open(self._path, limit(self._patience), keeps_notices=False)
                link = self._link
            return await link.ask(request, limit(self._patience, request))


class AsyncStream(Generic[T]):
    """Items as they come, on a connection of its own: a loop over it ends when no item came within `timeout` seconds."""

    def __init__(self, path: str, patience: float, feed: Feed[T], timeout: Optional[float]):
        self._path = path
        self._patience = patience
        self._feed = feed
        self._timeout = timeout
        self._link: Optional[_AsyncLink] = None
        self._attempts: Optional[Attempts] = None

    def close(self) -> None:
        """Ends the connection. Another loop over this stream would open it again."""
        if self._link:
            self._link.close()
        self._link = None
        self._feed.lost()

    async def __aenter__(self: AnyStream) -> AnyStream:
        """Opens the connection: with `start="new"`, what comes from here on is new."""
        await self._settle()
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self.close()

    def __del__(self) -> None:
        try:
            if self._link:
                self._link.close()
        except RuntimeError:  # the event loop has ended before
            pass

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        end = None if self._timeout is None else time.monotonic() + self._timeout
        while not self._feed.is_over:
            try:
                notice = await (await self._settled()).notice(end)
            except Exception as error:
                await self._pause_after(error)
                continue
            if notice is None:
                break
            item = self._feed.take(notice)
            if item is not None:
                return item
        self.close()
        raise StopAsyncIteration

    async def _settled(self) -> _AsyncLink:
        """A connection on which nothing is left to be asked."""
        if self._link is None:
            self._link = await _AsyncLink.open(self._path, limit(self._patience), keeps_notices=True)
        while True:
            request = self._feed.pending()
            if request is None:
                return self._link
            await self._link.ask(request, limit(self._patience, request))
            self._attempts = None

    async def _settle(self) -> None:
        while True:
            try:
                await self._settled()
                return
            except Exception as error:
                await self._pause_after(error)

    async def _pause_after(self, error: Exception) -> None:
        self.close()
        self._attempts = self._attempts or Attempts(self._path, self._patience)
        await asyncio.sleep(self._attempts.pause_after(error))


class AsyncMessages(AsyncStream[Message]):
    """The messages of a consumer, each until it is acknowledged; see `Messages`."""

    def __init__(self, path: str, patience: float, feed: MessageFeed, timeout: Optional[float], acknowledge: bool):
        super().__init__(path, patience, feed, timeout)
        self._messages = feed
        self._acknowledges = acknowledge

    async def __anext__(self) -> Message:
        if self._acknowledges:
            await self.acknowledge()
        return await super().__anext__()

    async def acknowledge(self, message: Union[Message, int, None] = None) -> None:
        """This message, or the one of this seq, and all before it; the newest that was handed out unless one is named.
        When this returns they are acknowledged on the daemon's disk."""
        seq = message.seq if isinstance(message, Message) else message or self._messages.newest
        if seq is None:
            return
        self._messages.owe(seq)
        await self._settle()


class AsyncServed(AsyncStream[Wanted]):
    """Calls of a command that this program serves; each is to be answered by `reply`; see `Served`."""

    async def reply(
        self, wanted: Wanted, output: str = "", *, status: int = 0, error: Optional[str] = None, final: bool = True
    ) -> bool:
        """Answers a call; with `final=False` more follows. False: it comes too late, as after a restart of the daemon, which
        has answered `interrupted` then."""
        request = requests.reply(wanted.call, wanted.sender, status, output, error, final)
        try:
            await (await self._settled()).ask(request, limit(self._patience, request))
            return True
        except Refused as refusal:
            if refusal.reason != "unknown-call":
                raise
        except OSError:
            self.close()
        return False


class AsyncClient:
    """culverd on this board, for asyncio; every method means what it means in `Client`.

        async with culver.AsyncClient() as board:
            await board.send("porch", "The soil is dry.")
            async for message in board.messages("lamp"):
                print(message.name, message.text)

    Calls of several tasks go out together on one connection, and those that wait for a message on another.
    """

    def __init__(self, path: Optional[str] = None, *, patience: float = 60):
        self.path = path or socket_path()
        self.patience = patience
        self._calls: Optional[_Line] = None  # made within the event loop
        self._waits: Optional[_Line] = None
        self._streams: weakref.WeakSet[AsyncStream[Any]] = weakref.WeakSet()

    def close(self) -> None:
        """Ends all connections, those of its streams too."""
        for line in (self._calls, self._waits):
            if line:
                line.close()
        for stream in list(self._streams):
            stream.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self.close()

    async def send(
        self, to: str, text: Optional[str] = None, *, data: Any = None, content: Optional[Mapping[str, Any]] = None,
        subject: Optional[str] = None, sender: Optional[str] = None, ref: Optional[str] = None,
        expiry: Optional[float] = None, receipt: Optional[str] = None, priority: Optional[str] = None,
    ) -> Sent:
        """See `Client.send`."""
        return (await self._ask(
            requests.send(to, requests.body_of(text, data, content, subject), sender, ref, expiry, receipt, priority)))[0]

    async def send_to_all(
        self, to: Iterable[str], text: Optional[str] = None, *, data: Any = None, content: Optional[Mapping[str, Any]] = None,
        subject: Optional[str] = None, sender: Optional[str] = None, ref: Optional[str] = None,
        expiry: Optional[float] = None, receipt: Optional[str] = None, priority: Optional[str] = None,
    ) -> List[Sent]:
        """See `Client.send_to_all`."""
        return await self._ask(
            requests.send(list(to), requests.body_of(text, data, content, subject), sender, ref, expiry, receipt, priority))

    async def show(self, id: str) -> Sent:
        """See `Client.show`."""
        return await self._ask(requests.show(id))

    async def wait(self, id: str, until: str = "delivered", timeout: float = 60) -> Sent:
        """See `Client.wait`."""
        return await self._ask(requests.wait(id, until, timeout))

    def messages(
        self, consumer: str, *, start: Union[str, int, None] = None, filter: Optional[Mapping[str, Any]] = None,
        window: Optional[int] = None, timeout: Optional[float] = None, acknowledge: bool = True,
    ) -> AsyncMessages:
        """See `Client.messages`."""
        stream = AsyncMessages(self.path, self.patience, MessageFeed(consumer, start, filter, window), timeout, acknowledge)
        self._streams.add(stream)
        return stream

    async def inbox(
        self, *, start: Optional[int] = None, limit: Optional[int] = None, sender: Optional[str] = None,
        receiver: Optional[str] = None, group: Optional[str] = None, type: Optional[int] = None, subject: Optional[str] = None,
    ) -> List[Message]:
        """See `Client.inbox`."""
        return await self._ask(requests.inbox(start, limit, sender, receiver, group, type, subject))

    def events(
        self, *kinds: str, start: Optional[int] = None, timeout: Optional[float] = None
    ) -> AsyncStream[Event]:
        """See `Client.events`."""
        stream = AsyncStream(self.path, self.patience, EventFeed(list(kinds) or None, start), timeout)
        self._streams.add(stream)
        return stream

    async def log(
        self, *, start: Optional[int] = None, limit: Optional[int] = None, since: Optional[float] = None,
        kind: Optional[str] = None, did: Optional[str] = None,
    ) -> List[Event]:
        """See `Client.log`."""
        return await self._ask(requests.log(start, limit, since, kind, did))

    async def send_file(
        self, to: str, path: Union[str, "os.PathLike[str]"], *, name: Optional[str] = None, type: Optional[str] = None,
        text: Optional[str] = None, thumbnail: Optional[bytes] = None, sender: Optional[str] = None, ref: Optional[str] = None,
        expiry: Optional[float] = None, receipt: Optional[str] = None, priority: Optional[str] = None,
    ) -> Sent:
        """See `Client.send_file`."""
        name = name or os.path.basename(path)
        offer = requests.offer_of(to, name, type, text, thumbnail, sender, ref, expiry, receipt, priority)
        with open(path, "rb") as source:
            return await self._upload(Upload(source, offer))

    async def files(self, *, start: Optional[int] = None, limit: Optional[int] = None) -> List[File]:
        """See `Client.files`."""
        return await self._ask(requests.files(start, limit))

    async def fetch_file(self, id: str, path: Union[str, "os.PathLike[str]"]) -> int:
        """See `Client.fetch_file`."""
        with Sink(os.fspath(path)) as sink:
            while True:
                data = await self._ask(requests.piece(id, sink.offset))
                if not data:
                    return sink.offset
                sink.add(data)

    async def drop_file(self, id: str) -> None:
        """See `Client.drop_file`."""
        await self._ask(requests.drop(id))

    async def call(
        self, to: str, command: str, *args: str, input: Optional[str] = None, timeout: float = 30,
        sender: Optional[str] = None,
    ) -> Reply:
        """See `Client.call`."""
        output: List[str] = []
        stream = self.replies(to, command, *args, input=input, timeout=timeout, sender=sender)
        try:
            async for reply in stream:
                output.append(reply.output)
                if reply.is_final:
                    return replace(reply, output="".join(output))
        finally:
            stream.close()
        raise NotNow(f"no answer of {to} within {timeout:g} s: it may have run, and may still run", reason="no-answer", code=NOT_NOW)

    def replies(
        self, to: str, command: str, *args: str, input: Optional[str] = None, timeout: float = 30,
        sender: Optional[str] = None, call: Optional[str] = None,
    ) -> AsyncStream[Reply]:
        """See `Client.replies`."""
        name = call or secrets.token_hex(8)
        request = requests.call(to, command, list(args), input, timeout, sender, name)
        stream = AsyncStream(self.path, self.patience, ReplyFeed(request, name), timeout + 2)
        self._streams.add(stream)
        return stream

    def serve(
        self, command: str, *, allow: Optional[Iterable[str]] = None, args: Optional[Iterable[Mapping[str, Any]]] = None,
        timeout: Optional[float] = None,
    ) -> AsyncServed:
        """See `Client.serve`."""
        request = requests.serve(
            command, None if allow is None else list(allow), None if args is None else list(args), timeout)
        stream = AsyncServed(self.path, self.patience, WantedFeed(request, command), None)
        self._streams.add(stream)
        return stream

    async def presence(self, did: str) -> Presence:
        """See `Client.presence`."""
        return await self._ask(requests.presence(did))

    async def presences(self, *, start: Optional[int] = None, limit: Optional[int] = None) -> List[Presence]:
        """See `Client.presences`."""
        return await self._ask(requests.presences(start, limit))

    async def status(self) -> Dict[str, Any]:
        """See `Client.status`."""
        return await self._ask(requests.status())

    async def request(self, method: str, params: Optional[Mapping[str, Any]] = None, *, repeat: bool = False) -> Any:
        """See `Client.request`."""
        return await self._ask(requests.raw(method, params or {}, repeat))

    async def _upload(self, upload: Upload) -> Sent:
        """An offer is of its connection, so this has one of its own."""
        attempts: Optional[Attempts] = None
        while True:
            request: Optional[Request[Any]] = None
            try:
                link = await _AsyncLink.open(self.path, limit(self.patience), keeps_notices=False)
                with contextlib.closing(link):
                    while upload.sent is None:
                        request = upload.pending()
                        assert request
                        await link.ask(request, limit(self.patience, request))
                        attempts = None
                    return upload.sent
            except Exception as error:
                upload.lost()
                attempts = attempts or Attempts(self.path, self.patience)
                pause = attempts.pause_after(error, request)
            await asyncio.sleep(pause)

    async def _ask(self, request: Request[T]) -> T:
        attempts = Attempts(self.path, self.patience)
        while True:
            try:
                return await self._line(request).ask(request.after(attempts.elapsed))
            except Exception as error:
                pause = attempts.pause_after(error, request)
            await asyncio.sleep(pause)

    def _line(self, request: Request[T]) -> _Line:
        """The connection for this request: what waits by itself is not to hold up the rest."""
        if request.seconds:
            self._waits = self._waits or _Line(self.path, self.patience)
            return self._waits
        self._calls = self._calls or _Line(self.path, self.patience)
        return self._calls
