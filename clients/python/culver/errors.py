"""What goes wrong, as exceptions.

    CulverError             everything below; `reason` is a stable word, `hint` the cure when it is known
      Refused               the daemon said no, and nothing happened
        NotNow              it may say yes later: full, failing, or a time is over
        SomeRefused         a message for several receivers was accepted for some of them
      Unreachable           no daemon answered for as long as the client is patient
      StreamClosed          a stream has ended for good: another program reads under its name
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, List, Mapping, Optional, Sequence, Union

if TYPE_CHECKING:
    from .values import Sent

# How the tool would end with the same error, as the `code` of the socket says it.
BAD_DATA, NO_DAEMON, DISK, NOT_NOW, NOT_PERMITTED = -32065, -32069, -32074, -32075, -32077
_OF_CLOSED = {"taken-over": NOT_NOW, "forgotten": -32067, "retired": -32078}


class CulverError(Exception):
    """An error with a sentence for people; programs go by `reason`.

    `reason` is a word that stays the same over versions, listed in culver-protocol(7). `hint` says the cure when it is
    known. `code` is -32000 less the exit status of culver(1), or one of JSON-RPC's own numbers.
    """

    def __init__(self, message: str, *, reason: str, code: int, hint: Optional[str] = None):
        super().__init__(message)
        self.reason = reason
        self.code = code
        self.hint = hint

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message} ({self.hint})" if self.hint else message


class Refused(CulverError):
    """The daemon refused the call, and nothing happened."""

    @staticmethod
    def of(error: Mapping[str, Any]) -> Refused:
        """The exception for the `error` of an answer."""
        data = error.get("data")
        words = data if isinstance(data, dict) else {}
        code = error.get("code")
        number = code if isinstance(code, int) else BAD_DATA
        kind = NotNow if number in (DISK, NOT_NOW) else Refused
        return kind(
            str(error.get("message", "refused")), reason=str(words.get("reason", "")), code=number, hint=words.get("hint"))


class NotNow(Refused):
    """The same call may succeed later: the outbox or the disk is full, the disk fails, or a time that was given is over."""


class SomeRefused(Refused):
    """A message for several receivers was refused for one of them at least; the others get it.

    `outcomes` has a `Sent` or a `Refused` for each receiver, in the order in which they were named. The first refusal is
    the one that this exception tells of.
    """

    def __init__(self, outcomes: Sequence[Union[Sent, Refused]]):
        self.outcomes: List[Union[Sent, Refused]] = list(outcomes)
        refusals = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
        first = refusals[0]
        super().__init__(
            f"{len(refusals)} of {len(outcomes)} were refused, the first because {first.args[0]}",
            reason=first.reason, code=first.code, hint=first.hint)


class Unreachable(CulverError):
    """No daemon answered within the patience of the client.

    If that was a message, `ref` is the one under which it went: the same call with it sends what was not accepted, and
    nothing else.
    """

    def __init__(self, message: str, *, reason: str, code: int = NO_DAEMON, hint: Optional[str] = None, ref: Optional[str] = None):
        super().__init__(message, reason=reason, code=code, hint=hint)
        self.ref = ref


class StreamClosed(CulverError):
    """The daemon ended a stream for good. `reason`: `taken-over` by another connection, `forgotten`, or `retired`."""

    def __init__(self, consumer: str, reason: str):
        super().__init__(
            f"nothing is handed to the consumer {consumer} here any more: {reason}",
            reason=reason, code=_OF_CLOSED.get(reason, NOT_NOW))
