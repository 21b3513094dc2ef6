"""A broker of a few lines that means harm. MQTT 5 and 3.1.1, one connection at a time, on a port that it can hand over."""

import socket
import struct
import threading

SESSION_NEW = b"\x20\x03\x00\x00\x00"


def packet(head: int, body: bytes) -> bytes:
    return bytes([head]) + length(len(body)) + body


def length(number: int) -> bytes:
    found = bytearray()
    while True:
        number, digit = divmod(number, 128)
        found.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(found)


def publication(topic: str, payload: bytes, identifier: int) -> bytes:
    """PUBLISH with QoS 1 and no properties."""
    return packet(0x32, struct.pack(">H", len(topic)) + topic.encode() + struct.pack(">H", identifier) + b"\0" + payload)


class Call:
    """One connection: what the daemon said in CONNECT, and its socket. Packets that it sends are answered as they
    should be until `harm` takes over."""

    def __init__(self, connection: socket.socket):
        self.connection = connection
        self.buffer = connection.makefile("rb")
        head, body = self.read()
        if head != 0x10 or body[6] not in (4, 5):
            raise ConnectionError("not CONNECT of MQTT 5 or 3.1.1")
        self.level = body[6]
        self.is_clean = bool(body[7] & 2)
        connection.sendall(SESSION_NEW if self.level == 5 else b"\x20\x02\x00\x00")

    def read(self) -> tuple[int, bytes]:
        head = self.buffer.read(1)
        number = shift = 0
        while True:
            digit = self.buffer.read(1)
            if not digit:
                raise ConnectionError("the daemon hung up")
            number |= (digit[0] & 0x7F) << shift
            shift += 7
            if digit[0] < 0x80:
                return head[0], self.buffer.read(number)

    @property
    def none(self) -> bytes:
        """No properties."""
        return b"\0" if self.level == 5 else b""

    def answer(self) -> bytes | None:
        """Reads one packet and says what it deserves. The body of a SUBSCRIBE is returned."""
        head, body = self.read()
        kind = head & 0xF0
        if kind == 0x80:
            # Packet id, properties if it is MQTT 5, then topics with a byte each.
            place, count = (3 + body[2] if self.level == 5 else 2), 0
            while place < len(body):
                place += 2 + struct.unpack(">H", body[place : place + 2])[0] + 1
                count += 1
            self.connection.sendall(packet(0x90, body[:2] + self.none + b"\x01" * count))
            return body
        if kind == 0xA0:
            self.connection.sendall(packet(0xB0, body[:2] + (b"\0\0" if self.level == 5 else b"")))
        elif kind == 0x30 and head & 0x06:
            start = 2 + struct.unpack(">H", body[:2])[0]
            self.connection.sendall(packet(0x40, body[start : start + 2]))
        elif kind == 0xC0:
            self.connection.sendall(b"\xd0\0")
        return None


class HostileBroker(threading.Thread):
    """Takes every connection and calls `harm(call)` when the daemon has subscribed to its inbox; by default nothing
    happens then. `calls` are the connections so far."""

    def __init__(self, port: int = 0, harm=None):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        self.harm = harm
        self.calls: list[Call] = []
        self.harmed = 0
        self.start()

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                try:
                    self.serve(Call(connection))
                except (OSError, IndexError):
                    pass

    def serve(self, call: Call) -> None:
        self.calls.append(call)
        while True:
            subscribed = call.answer()
            if subscribed and b"/in" in subscribed and self.harm:
                try:
                    self.harm(call)
                finally:
                    self.harmed += 1

    def stop(self) -> None:
        """The port is free again, and the connection at hand ends."""
        if self.listener.fileno() < 0:
            return
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for call in self.calls:
            try:
                call.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.join(10)
