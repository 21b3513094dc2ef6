"""culver: end-to-end encrypted messages between boards, through the daemon culverd on this one.

    import culver

    with culver.Client() as board:
        board.send("porch", "The soil is dry.")
        for message in board.messages("lamp"):
            print(message.name, message.text)

`AsyncClient` is the same for asyncio. What the daemon has accepted is on its disk; what a program adds to that promise
are two habits:

* **Acknowledge after the work.** A loop over `messages` does: going on to the next one acknowledges the one before.
  A program that dies in between gets that one again, with `again` set.
* **Name what you send.** Under a `ref` of the program's own, made of what the message is about, it goes once, even if a
  program that was killed sends it once more.

Neither client minds that the daemon ends and comes back: it asks again, and nothing is lost or comes twice.
"""

from .asynchronous import AsyncClient, AsyncMessages, AsyncServed, AsyncStream
from .blocking import Client, Messages, Served, Stream
from .errors import CulverError, NotNow, Refused, SomeRefused, StreamClosed, Unreachable
from .values import Event, File, Message, Presence, Reply, Sent, Wanted

__all__ = [
    "AsyncClient", "AsyncMessages", "AsyncServed", "AsyncStream", "Client", "CulverError", "Event", "File", "Message",
    "Messages", "NotNow", "Presence", "Refused", "Reply", "Sent", "Served", "SomeRefused", "Stream", "StreamClosed",
    "Unreachable", "Wanted",
]
