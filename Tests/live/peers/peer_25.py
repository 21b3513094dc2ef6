"""A DIMP application of today: the client classes of dimples 2.1.1 over the 2.5 stack. The protocol of the pipes is in
postbox.py.

The packages do everything that an application does with a message: they keep metas and documents in files, decide what
is answered, write receipts, and keep groups. This file gives them a postbox where they expect a station, and the broker's
directory where a station would know people.
"""

import asyncio
import json
import logging
import pathlib
import sys
import tempfile

from postbox import LaidAside, Person, Postbox, arguments, device_arguments, shared_key

# dimples prints what it does, and standard output is for events.
sys.stdout = sys.stderr
logging.disable(logging.CRITICAL)

from dimap import AsymmetricAlgorithms
from dimax import BaseVisa, TextContent
from dimax.protocol import MetaType
from dimples.client import ClientArchivist, ClientChecker, ClientFacebook, ClientMessagePacker
from dimples.client import ClientMessageProcessor, ClientMessenger
from dimples.client.compat import ClientLibraryLoader
from dimples.client.cpu import ClientContentProcessorCreator
from dimples.common.dbi import PrivateKeyDBI
from dimples.database import AccountDatabase, MessageDatabase
from dimples.database.dos.private import PrivateKeyStorage
from dimples.group import SharedGroupManager
from dimples.utils import Config
from dimsdk import BaseContentProcessor, ContentType, Document, EntityType, Envelope, ID, InstantMessage, Meta
from dimsdk import PrivateKey


class Outbox:
    """Stands where a session with a station would: what the application sends waits here for the postbox."""

    ready = True

    def __init__(self):
        self.packages = []

    async def queue_message_package(self, msg, data, priority=0):
        self.packages.append((msg.receiver, data))
        return True


class Messenger(ClientMessenger):
    outbox: Outbox

    @property
    def session(self):
        return self.outbox


class Reader(BaseContentProcessor):
    """Texts are shown, and need no answer beside the receipt."""

    async def process_content(self, content, r_msg):
        return []


class Creator(ClientContentProcessorCreator):
    def create_content_processor(self, msg_type):
        if msg_type in (ContentType.TEXT, "text"):
            return Reader(facebook=self.facebook, messenger=self.messenger)
        return super().create_content_processor(msg_type=msg_type)


class Packer(ClientMessagePacker):
    has_laid_aside = False

    def suspend_reliable_message(self, msg, error):
        self.has_laid_aside = True
        super().suspend_reliable_message(msg=msg, error=error)


class Processor(ClientMessageProcessor):
    """Remembers what was opened: an outer message first, then those inside it."""

    def __init__(self, facebook, messenger):
        super().__init__(facebook=facebook, messenger=messenger)
        self.opened = []

    def _create_creator(self, facebook, messenger):
        return Creator(facebook=facebook, messenger=messenger)

    async def process_instant_message(self, msg, r_msg):
        self.opened.append((str(msg.sender), msg.content.to_map()))
        return await super().process_instant_message(msg=msg, r_msg=r_msg)


class Stock25(Person):
    def __init__(self, options, directory: str):
        self.options = options
        # Background tasks of dimples live as long as this loop, and go on whenever it runs.
        self.loop = asyncio.new_event_loop()
        config = self.run(self.begin(directory))
        # Straight into the files: the table above them in 2.1.1 keeps a coroutine in the place of a visa's key.
        self.key_files = PrivateKeyStorage(config=config)
        self.run(self.register())

    async def begin(self, directory: str) -> Config:
        file = pathlib.Path(directory) / "config.ini"
        file.write_text(f"[database]\nroot = {directory}\n")
        config = Config()
        await config.load(path=str(file))
        self.database = AccountDatabase(config=config)
        self.facebook = ClientFacebook(database=self.database)
        self.facebook.barrack = ClientArchivist(facebook=self.facebook, database=self.database)
        self.facebook.checker = ClientChecker(facebook=self.facebook, database=self.database)
        self.outbox = Outbox()
        self.messenger = Messenger(
            session=self.outbox, facebook=self.facebook, database=MessageDatabase(config=config)
        )
        self.messenger.outbox = self.outbox
        self.packer = Packer(facebook=self.facebook, messenger=self.messenger)
        self.messenger.packer = self.packer
        self.processor = Processor(facebook=self.facebook, messenger=self.messenger)
        self.messenger.processor = self.processor
        self.facebook.checker.messenger = self.messenger
        self.groups = SharedGroupManager()
        self.groups.facebook, self.groups.messenger = self.facebook, self.messenger
        self.asked = set()
        self.lasting = asyncio.all_tasks() - {asyncio.current_task()}
        return config

    async def register(self) -> None:
        """The kind is what applications register, `eth`, or `mkm`: an RSA key and a name in the ID. RSA keys have the 1024
        bits that applications give them."""
        if self.options.kind == "eth":
            self.key = PrivateKey.generate(algorithm=AsymmetricAlgorithms.ECC)
            meta = Meta.generate(version=MetaType.ETH, private_key=self.key)
        else:
            make = lambda: PrivateKey.generate(algorithm=AsymmetricAlgorithms.RSA)
            self.key = shared_key(self.options.owner, make, PrivateKey.parse)
            meta = Meta.generate(version=MetaType.MKM, private_key=self.key, seed=self.options.name)
        self.me = meta.generate_id(EntityType.USER)
        self.did = str(self.me)
        self.meta = meta.to_map()
        await self.key_files.save_private_key(key=self.key, user=self.me, key_type=PrivateKeyDBI.META)
        assert await self.facebook.archivist.save_meta(meta=meta, identifier=self.me)
        await self.renewed()
        await self.facebook.set_current_user(user=await self.facebook.get_user(identifier=self.me))

    def renew(self) -> None:
        self.run(self.renewed())

    async def renewed(self) -> None:
        visa_key = PrivateKey.generate(algorithm=AsymmetricAlgorithms.RSA)
        visa = BaseVisa()
        visa["did"] = self.did
        if self.options.terminal is not None:
            visa["terminal"] = self.options.terminal
        visa.name = self.options.name
        visa.public_key = visa_key.public_key
        assert visa.sign(private_key=self.key) is not None
        await self.key_files.save_private_key(key=visa_key, user=self.me, key_type=PrivateKeyDBI.VISA)
        assert await self.facebook.archivist.save_document(document=visa, identifier=self.me)
        self.visa = visa.to_map()

    def run(self, work):
        return self.loop.run_until_complete(work)

    def knows(self, did: str) -> bool:
        return self.run(self.database.get_meta(identifier=ID.parse(did))) is not None

    def meta_of(self, did: str) -> dict:
        return self.run(self.database.get_meta(identifier=ID.parse(did))).to_map()

    def learn_meta(self, did: str, meta: dict) -> None:
        parsed = Meta.parse(meta)
        if parsed is None or not self.run(self.facebook.archivist.save_meta(meta=parsed, identifier=ID.parse(did))):
            raise ValueError("the meta does not match the ID")

    def learn_visa(self, did: str, visa: dict) -> None:
        parsed = Document.parse(visa)
        archivist = self.facebook.archivist
        if parsed is None or not self.run(archivist.save_document(document=parsed, identifier=ID.parse(did))):
            raise ValueError("the visa is not signed by the ID's owner")

    def pack(self, to: str, text: str, attach: bool) -> tuple[int, bytes]:
        return self.run(self.packed(to, text, attach))

    async def packed(self, to: str, text: str, attach: bool) -> tuple[int, bytes]:
        content = TextContent.create(text=text)
        instant = InstantMessage.create(head=Envelope.create(sender=self.me, receiver=ID.parse(to)), body=content)
        secure = await self.messenger.encrypt_message(msg=instant)
        if secure is None:
            raise ValueError("no key to encrypt for " + to)
        reliable = await self.messenger.sign_message(msg=secure)
        if attach:
            reliable["meta"], reliable["visa"] = self.meta, self.visa
        return content.sn, await self.messenger.serialize_message(msg=reliable)

    def open(self, wire: bytes) -> dict:
        return self.run(self.opened(wire))

    async def opened(self, wire: bytes) -> dict:
        reliable = await self.messenger.deserialize_message(data=wire)
        if reliable is None:
            raise ValueError("seen before, or no message")
        self.packer.has_laid_aside = False
        content = await self.processed(reliable)
        if content is None:
            raise LaidAside() if self.packer.has_laid_aside else ValueError("not taken")
        return content

    async def processed(self, reliable) -> dict | None:
        """The whole way of an application. Its answers wait in the outbox."""
        self.processor.opened = []
        for answer in await self.messenger.process_reliable_message(msg=reliable):
            self.outbox.packages.append((answer.receiver, await self.messenger.serialize_message(msg=answer)))
        return self.processor.opened[0][1] if self.processor.opened else None

    def inside(self) -> list[tuple[str, dict]]:
        return self.processor.opened[1:]

    def answers(self) -> list[tuple[str, bytes]]:
        """What is for a station is for nobody here; of its questions the directory answers those about people."""
        self.run(self.settled())
        packages, self.outbox.packages = self.outbox.packages, []
        for receiver, data in packages:
            if receiver.is_broadcast:
                command = json.loads(json.loads(data)["data"])
                if command.get("did") and "meta" not in command and "documents" not in command:
                    self.asked.add(command["did"])
        return [(str(receiver), data) for receiver, data in packages if not receiver.is_broadcast]

    async def settled(self) -> None:
        """Questions are asked by tasks that nobody waits for; those that were there at the beginning never end."""
        while others := asyncio.all_tasks() - self.lasting - {asyncio.current_task()}:
            await asyncio.wait(others)

    def wanted(self) -> set[str]:
        return {did for did in self.asked if ID.parse(did).is_user}

    def resumed(self) -> list[tuple[dict, dict]]:
        return self.run(self.gone_on())

    async def gone_on(self) -> list[tuple[dict, dict]]:
        """What the packer had laid aside is tried again, as a station does it."""
        for instant in self.packer.resume_instant_messages():
            instant.pop("error", None)
            await self.messenger.send_instant_message(msg=instant)
        found = []
        for reliable in self.packer.resume_reliable_messages():
            reliable.pop("error", None)
            content = await self.processed(reliable)
            if content is not None:
                found.append((reliable.to_map(), content))
        return found

    # Groups

    def found(self, members: list[str]) -> str:
        return str(self.run(self.groups.create_group(members=ID.convert(members))))

    def change(self, act: str, group: str, members: list[str]) -> bool:
        return self.run(self.changed(act, ID.parse(group), ID.convert(members)))

    async def changed(self, act: str, group: ID, members: list[ID]) -> bool:
        """`hire` and `fire` say who the administrators are from now on, as applications do it."""
        if act == "quit":
            return await self.groups.quit_group(group=group)
        if act == "invite":
            return await self.groups.invite_group_members(members=members, group=group)
        if act == "expel":
            return await self.groups.expel_group_members(members=members, group=group)
        if act == "reset":
            return await self.groups.reset_group_members(members=members, group=group)
        if act == "hire":
            return await self.groups.update_administrators(administrators=members, group=group)
        if act == "query":
            return await self.facebook.checker.query_members(group=group, members=[])
        raise ValueError("applications have no " + act)

    def say(self, group: str, text: str) -> int:
        return self.run(self.said(ID.parse(group), text))

    async def said(self, group: ID, text: str) -> int:
        content = TextContent.create(text=text)
        content.group = group
        instant = InstantMessage.create(head=Envelope.create(sender=self.me, receiver=group), body=content)
        await self.groups.send_instant_message(msg=instant)
        return content.sn

    def group(self, group: str) -> dict:
        return self.run(self.known(ID.parse(group)))

    async def known(self, group: ID) -> dict:
        owner = await self.groups.get_owner(identifier=group)
        return {
            "owner": owner and str(owner),
            "members": [str(did) for did in await self.groups.get_members(identifier=group)],
            "administrators": [str(did) for did in await self.groups.get_administrators(group=group)],
        }


def main() -> None:
    parser = arguments()
    parser.add_argument("--kind", choices=["eth", "mkm"], default="eth", help="the kind of the meta")
    device_arguments(parser)
    options = parser.parse_args()
    ClientLibraryLoader().run()
    with tempfile.TemporaryDirectory(prefix="dimples-") as directory:
        person = Stock25(options, directory)
        Postbox(person, options).run()


if __name__ == "__main__":
    main()
