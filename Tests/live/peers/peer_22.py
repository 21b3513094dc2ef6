"""A stock DIMP peer of early 2025: dimp, dimsdk, dimplugins, mkm and dkd 2.2.2. The protocol of the pipes is in postbox.py.

The packages do all the packing; this file gives them a memory to keep metas, visas and keys in.
"""

import asyncio
import json

from dimp import ID, BaseBulletin, BaseTextContent, BaseVisa, Content, Document, Envelope, InstantMessage, Meta, PrivateKey
from dimp import ReliableMessage, SymmetricKey
from dimplugins import PluginLoader
from dimsdk import Archivist, BaseUser, CipherKeyDelegate, Facebook, MessagePacker, Messenger
from dimsdk.plugins import ExtensionLoader

from bare import BareGroups, bridged, named, split
from postbox import Postbox, arguments

WORDS = ["MKM", "BTC", "ETH"]


class Memory(Archivist, CipherKeyDelegate):
    """Metas, visas and symmetric keys of one process."""

    def __init__(self):
        self.metas, self.visas, self.keys, self.local = {}, {}, {}, []

    async def create_user(self, identifier):
        return BaseUser(identifier=identifier)

    async def create_group(self, identifier):
        return None

    @property
    async def local_users(self):
        return self.local

    async def get_meta_key(self, identifier):
        return self.metas[identifier].public_key if identifier in self.metas else None

    async def get_visa_key(self, identifier):
        return self.visas[identifier].public_key if identifier in self.visas else None

    async def get_cipher_key(self, sender, receiver, generate=False):
        if receiver.is_broadcast:
            return SymmetricKey.parse({"algorithm": "PLAIN"})
        if generate and (sender, receiver) not in self.keys:
            self.keys[(sender, receiver)] = SymmetricKey.generate(algorithm=SymmetricKey.AES)
        return self.keys.get((sender, receiver))

    async def cache_cipher_key(self, key, sender, receiver):
        self.keys[(sender, receiver)] = key


class Friends(Facebook):
    def __init__(self, memberships):
        super().__init__()
        self.memory = Memory()
        self.memberships = memberships
        self.private_keys = {}  # ID -> (key of the meta, key of the visa)

    @property
    def archivist(self):
        return self.memory

    async def save_meta(self, meta, identifier):
        address = meta.generate_address(identifier.type)
        if not meta.valid or address != identifier.address or (meta.seed or "") != (identifier.name or ""):
            return False
        self.memory.metas[identifier] = meta
        return True

    async def save_document(self, document):
        if not document.verify(self.memory.metas[document.identifier].public_key):
            return False
        self.memory.visas[document.identifier] = document
        return True

    async def get_meta(self, identifier):
        return self.memory.metas.get(identifier)

    async def get_documents(self, identifier):
        return [self.memory.visas[identifier]] if identifier in self.memory.visas else []

    async def get_contacts(self, identifier):
        return []

    async def get_founder(self, identifier):
        return None

    async def get_owner(self, identifier):
        return None

    async def get_assistants(self, identifier):
        return []

    async def get_members(self, identifier):
        return ID.convert(self.memberships.get(str(identifier), []))

    async def private_keys_for_decryption(self, identifier):
        return list(reversed(self.private_keys[identifier]))

    async def private_key_for_signature(self, identifier):
        return self.private_keys[identifier][0]

    async def private_key_for_visa_signature(self, identifier):
        return self.private_keys[identifier][0]


class Post(Messenger):
    def __init__(self, facebook):
        super().__init__()
        self.friends = facebook
        self.packing = MessagePacker(facebook=facebook, messenger=self)

    @property
    def barrack(self):
        return self.friends

    @property
    def key_cache(self):
        return self.friends.memory

    @property
    def packer(self):
        return self.packing

    @property
    def processor(self):
        raise NotImplementedError


class Stock22(BareGroups):
    def __init__(self, name: str, bits: int):
        super().__init__()
        self.friends = Friends(self.groups)
        self.post = Post(self.friends)
        asyncio.run(self.register(name, bits))

    async def register(self, name: str, bits: int) -> None:
        meta_key, visa_key = (PrivateKey.parse({"algorithm": "RSA", "keySizeInBits": bits}) for _ in range(2))
        meta = Meta.generate("MKM", meta_key, seed=name)
        self.me = ID.generate(meta, 0)
        self.did = str(self.me)
        self.friends.private_keys[self.me] = (meta_key, visa_key)
        assert await self.friends.save_meta(meta, self.me)
        visa = BaseVisa(identifier=self.me)
        visa.name = name
        visa.public_key = visa_key.public_key
        assert visa.sign(meta_key) is not None
        assert await self.friends.save_document(visa)
        self.friends.memory.local.append(await self.friends.get_user(self.me))
        self.meta, self.visa = meta.dictionary, visa.dictionary

    def knows(self, did: str) -> bool:
        return ID.parse(did) in self.friends.memory.metas

    def meta_of(self, did: str) -> dict:
        return self.friends.memory.metas[ID.parse(did)].dictionary

    def learn_meta(self, did: str, meta: dict) -> None:
        parsed = Meta.parse(bridged(meta, WORDS))
        if parsed is None or not asyncio.run(self.friends.save_meta(parsed, ID.parse(did))):
            raise ValueError("the meta does not match the ID")

    def learn_visa(self, did: str, visa: dict) -> None:
        parsed = Document.parse(named(visa))
        if parsed is None or parsed.identifier != ID.parse(did) or not asyncio.run(self.friends.save_document(parsed)):
            raise ValueError("the visa is not signed by the ID's owner")

    def pack(self, to: str, text: str, attach: bool) -> tuple[int, bytes]:
        return asyncio.run(self.packed(to, text, attach))

    async def packed(self, to: str, text: str, attach: bool) -> tuple[int, bytes]:
        content = BaseTextContent(text=text)
        reliable = await self.reliable(to, content)
        if attach:
            reliable["meta"], reliable["visa"] = self.meta, self.visa
        return content.sn, await self.post.serialize_message(reliable)

    async def reliable(self, to: str, content):
        instant = InstantMessage.create(head=Envelope.create(sender=self.me, receiver=ID.parse(to)), body=content)
        return await self.post.sign_message(await self.post.encrypt_message(instant))

    def open_one(self, wire: bytes) -> dict:
        return asyncio.run(self.opened(wire))

    async def opened(self, wire: bytes) -> dict:
        message = json.loads(wire)
        if "meta" in message:
            message["meta"] = bridged(message["meta"], WORDS)
        if "visa" in message:
            message["visa"] = named(message["visa"])
        secure = await self.post.verify_message(ReliableMessage.parse(message))
        return (await self.post.decrypt_message(secure)).content.dictionary

    # Groups

    def pack_content(self, to: str, content: dict) -> bytes:
        return asyncio.run(self.content_packed(to, content))

    async def content_packed(self, to: str, content: dict) -> bytes:
        return await self.post.serialize_message(await self.reliable(to, Content.parse(content)))

    def pack_for_group(self, group: str, text: str) -> tuple[int, list[dict]]:
        return asyncio.run(self.packed_for_group(group, text))

    async def packed_for_group(self, group: str, text: str) -> tuple[int, list[dict]]:
        content = BaseTextContent(text=text)
        content.group = ID.parse(group)
        others = [did for did in self.groups[group] if did != self.did]
        return content.sn, split((await self.reliable(group, content)).dictionary, group, others)

    def new_group(self) -> tuple[str, dict, dict]:
        """The founder's key is the group's, as in applications."""
        key = self.friends.private_keys[self.me][0]
        meta = Meta.generate("MKM", key, seed="club")
        group = ID.generate(meta, 1)
        bulletin = BaseBulletin(identifier=group)
        bulletin.name = "club"
        bulletin.set_property("founder", self.did)
        bulletin.sign(key)
        return str(group), meta.dictionary, bulletin.dictionary


def main() -> None:
    options = arguments().parse_args()
    ExtensionLoader().run()
    PluginLoader().run()
    Postbox(Stock22(options.name, options.key_bits), options).run()


if __name__ == "__main__":
    main()
