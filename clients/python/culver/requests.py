"""Every method that the clients call, once: its parameters, and how its result is read."""

from __future__ import annotations

import base64
import secrets
from typing import Any, Dict, Iterable, List, Mapping, Optional, Union

from .errors import Refused, SomeRefused
from .values import Event, File, Message, Presence, Sent
from .wire import Request


def _given(**params: Any) -> Dict[str, Any]:
    """The parameters that were given; `from_` is `from`, a word of Python's."""
    return {name.rstrip("_"): value for name, value in params.items() if value is not None}


def _object(result: Any) -> Dict[str, Any]:
    return result if isinstance(result, dict) else {}


def _rows(result: Any, name: str) -> List[Dict[str, Any]]:
    rows = _object(result).get(name)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def raw(method: str, params: Mapping[str, Any], is_repeatable: bool) -> Request[Any]:
    """Any method, with its result as it is."""
    return Request(method, dict(params), lambda result: result, is_repeatable)


def status() -> Request[Dict[str, Any]]:
    return Request("status", {}, _object)


def body_of(
    text: Optional[str], data: Any, content: Optional[Mapping[str, Any]], subject: Optional[str]
) -> Dict[str, Any]:
    """What is in a message: one of the three, and what it is about."""
    if sum(given is not None for given in (text, data, content)) != 1:
        raise ValueError("a message has one of text, data and content")
    return _given(text=text, data=data, content=content, subject=subject)


def send(
    to: Union[str, List[str]], body: Mapping[str, Any], sender: Optional[str], ref: Optional[str],
    expiry: Optional[float], receipt: Optional[str], priority: Optional[str],
) -> Request[List[Sent]]:
    """One message to one receiver or to each of several. It has a ref, so that it may be asked for again."""
    ref = ref or secrets.token_hex(16)
    params = {**_given(to=to, from_=sender, ref=ref, expiry=expiry, receipt=receipt, priority=priority), **body}
    return Request("message.send", params, _sent, ref=ref)


def _sent(result: Any) -> List[Sent]:
    if "messages" not in _object(result):
        return [Sent.read(_object(result))]
    outcomes: List[Union[Sent, Refused]] = []
    for row in _rows(result, "messages"):
        error = row.get("error")
        outcomes.append(Refused.of(error) if isinstance(error, dict) else Sent.read(row))
    sent = [outcome for outcome in outcomes if isinstance(outcome, Sent)]
    if len(sent) < len(outcomes):
        raise SomeRefused(outcomes)
    return sent


def show(id: str) -> Request[Sent]:
    return Request("message.show", {"id": id}, lambda result: Sent.read(_object(result)))


def wait(id: str, until: str, timeout: float) -> Request[Sent]:
    return Request("message.wait", {"id": id, "until": until, "timeout": timeout}, lambda result: Sent.read(_object(result)))


def inbox(
    start: Optional[int], limit: Optional[int], sender: Optional[str], receiver: Optional[str], group: Optional[str],
    type: Optional[int], subject: Optional[str],
) -> Request[List[Message]]:
    params = _given(start=start, limit=limit, sender=sender, receiver=receiver, group=group, type=type, subject=subject)
    return Request("inbox.list", params, lambda result: [Message.read(row) for row in _rows(result, "messages")])


def subscribe(
    consumer: str, start: Union[str, int, None], filter: Optional[Mapping[str, Any]], window: Optional[int]
) -> Request[int]:
    """The cursor of the consumer: what it has acknowledged."""
    params = _given(consumer=consumer, start=start, filter=filter, window=window)
    return Request("inbox.subscribe", params, lambda result: int(_object(result).get("cursor", 0)))


def acknowledge(consumer: str, seq: int) -> Request[int]:
    params = {"consumer": consumer, "seq": seq}
    return Request("inbox.ack", params, lambda result: int(_object(result).get("cursor", seq)))


def log(
    start: Optional[int], limit: Optional[int], since: Optional[float], kind: Optional[str], did: Optional[str]
) -> Request[List[Event]]:
    params = _given(start=start, limit=limit, since=since, kind=kind, did=did)
    return Request("event.list", params, lambda result: [Event.read(row) for row in _rows(result, "events")])


def watch(kinds: Optional[Iterable[str]], start: int) -> Request[None]:
    params = _given(kinds=None if kinds is None else list(kinds), start=start)
    return Request("event.subscribe", params, lambda result: None)


def presence(did: str) -> Request[Presence]:
    return Request("presence.get", {"did": did}, lambda result: Presence.read(_object(result)))


def presences(start: Optional[int], limit: Optional[int]) -> Request[List[Presence]]:
    params = _given(start=start, limit=limit)
    return Request("presence.get", params, lambda result: [Presence.read(row) for row in _rows(result, "contacts")])


def offer_of(
    to: str, name: str, type: Optional[str], text: Optional[str], thumbnail: Optional[bytes], sender: Optional[str],
    ref: Optional[str], expiry: Optional[float], receipt: Optional[str], priority: Optional[str],
) -> Dict[str, Any]:
    """What an offer says beside the size."""
    picture = None if thumbnail is None else base64.b64encode(thumbnail).decode()
    return _given(
        to=to, name=name, type=type, text=text, thumbnail=picture, from_=sender, ref=ref, expiry=expiry, receipt=receipt,
        priority=priority)


def offer(params: Mapping[str, Any]) -> Request[Dict[str, Any]]:
    return Request("file.offer", dict(params), _object, ref=params["ref"])


def put(file: str, offset: int, data: str, ref: str) -> Request[Dict[str, Any]]:
    return Request("file.put", {"file": file, "offset": offset, "data": data}, _object, ref=ref)


def files(start: Optional[int], limit: Optional[int]) -> Request[List[File]]:
    return Request("file.list", _given(start=start, limit=limit), lambda result: [File.read(row) for row in _rows(result, "files")])


def piece(id: str, offset: int) -> Request[bytes]:
    """Bytes of a file that came; none behind its end."""
    return Request("file.get", {"id": id, "offset": offset}, lambda result: base64.b64decode(_object(result).get("data", "")))


def drop(id: str) -> Request[None]:
    return Request("file.drop", {"id": id}, lambda result: None)


def call(
    to: str, command: str, args: List[str], input: Optional[str], timeout: float, sender: Optional[str], call: str
) -> Request[Dict[str, Any]]:
    """Under the same name a call is made once, and the answers that are there are told again."""
    params = _given(to=to, command=command, args=args, input=input, timeout=timeout, from_=sender, call=call)
    return Request("call.send", params, _object)


def serve(
    command: str, allow: Optional[List[str]], args: Optional[List[Mapping[str, Any]]], timeout: Optional[float]
) -> Request[None]:
    return Request("call.serve", _given(command=command, allow=allow, args=args, timeout=timeout), lambda result: None)


def reply(call: str, sender: str, status: int, output: str, error: Optional[str], final: bool) -> Request[None]:
    params = _given(call=call, sender=sender, status=status, output=output, error=error, final=final)
    return Request("call.reply", params, lambda result: None)
