"""Files on their way through the socket: what is asked next, across restarts of the daemon.

    lost -> offer -> put… -> sent
             `-> sent            the daemon has had all of it before, under this ref

An offer is of its connection and goes with it, so everything begins anew on the next one; the ref makes that one file.
"""

from __future__ import annotations

import base64
import os
import secrets
from types import TracebackType
from typing import Any, BinaryIO, Dict, Optional, Type

from . import requests
from .errors import DISK, CulverError
from .values import Sent
from .wire import Request


class Upload:
    """One file for one receiver. `sent` is there at the end."""

    def __init__(self, source: BinaryIO, offer: Dict[str, Any]):
        self.sent: Optional[Sent] = None
        self._source = source
        self._size = source.seek(0, os.SEEK_END)
        self._ref = str(offer.get("ref") or secrets.token_hex(16))
        self._offer = {**offer, "size": self._size, "ref": self._ref}
        self._file: Optional[str] = None
        self._offset = 0
        self._piece = 0

    def pending(self) -> Optional[Request[Any]]:
        """What is to be asked next; reading its answer moves the file on."""
        if self.sent:
            return None
        if self._file is None:
            return requests.offer(self._offer).then(self._answered)
        data = base64.b64encode(self._read()).decode()
        return requests.put(self._file, self._offset, data, self._ref).then(self._answered)

    def _read(self) -> bytes:
        """The next piece. A file that fails or shrinks is no daemon that has gone."""
        try:
            self._source.seek(self._offset)
            data = self._source.read(min(self._piece, self._size - self._offset))
        except OSError as error:
            raise CulverError(f"cannot read the file: {error.strerror}", reason="cannot-read", code=DISK) from error
        if not data and self._size:
            raise CulverError("the file has become shorter while it was read", reason="cannot-read", code=DISK)
        return data

    def _answered(self, result: Dict[str, Any]) -> None:
        if "state" in result:
            self.sent = Sent.read(result)
            return
        self._file = result["file"]
        self._offset = result["offset"]
        self._piece = result.get("piece", self._piece)

    def lost(self) -> None:
        """The connection has ended, and the offer with it."""
        self._file = None


class Sink:
    """A file that is there when all of it is, and else not at all."""

    def __init__(self, path: str):
        self._path = path
        self._partial = f"{path}.{secrets.token_hex(4)}.part"
        self._file = open(self._partial, "xb")

    @property
    def offset(self) -> int:
        return self._file.tell()

    def add(self, data: bytes) -> None:
        self._file.write(data)

    def __enter__(self) -> Sink:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        try:
            if error is None:
                self._file.flush()
                os.fsync(self._file.fileno())
                os.replace(self._partial, self._path)
        finally:
            self._file.close()
            if os.path.exists(self._partial):
                os.unlink(self._partial)
