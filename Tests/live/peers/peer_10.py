"""A stock DIMP peer of 2023: dimp, dimsdk 1.0.3, mkm, dkd and dimplugins 1.0.2. The protocol of the pipes is in
postbox.py.

The packages do all the packing; this file gives them a memory to keep metas, visas and keys in.
"""

import json

import dimplugins
from dimp import ID, BaseBulletin, BaseTextContent, BaseUser, BaseVisa, Content, Document, Envelope, InstantMessage, Meta
from dimp import MetaType, PrivateKey, ReliableMessage, SymmetricKey
from dimsdk import Archivist, CipherKeyDelegate, Facebook, MessagePacker, Messenger, register_all_factories

from bare import BareGroups, bridged, named, split
from postbox import Postbox, arguments


class Memory(Archivist):
    """Metas and visas of one process. Nobody is asked for anything."""

    def __init__(self):
        super().__init__(expires=self.QUERY_EXPIRES)
        self.metas, self.visas = {}, {}

    def get_last_group_history_time(self, group):
        return None

    def query_meta(self, identifier):
        return False

    def query_documents(self, identifier, documents):
        return False

    def query_members(self, group, members):
        return False

    def save_meta(self, meta, identifier):
        self.metas[identifier] = meta
        return True

    def save_document(self, document):
        self.visas[document.identifier] = [document]
        return True

    def meta(self, identifier):
        return self.metas.get(identifier)

    def documents(self, identifier):
        return self.visas.get(identifier, [])


class Keys(CipherKeyDelegate):
    def __init__(self):
        self.keys = {}

    def cipher_key(self, sender, receiver, generate=False):
        if receiver.is_broadcast:
            return SymmetricKey.parse({"algorithm": "PLAIN"})
        if generate and (sender, receiver) not in self.keys:
            self.keys[(sender, receiver)] = SymmetricKey.generate(algorithm=SymmetricKey.AES)
        return self.keys.get((sender, receiver))

    def cache_cipher_key(self, key, sender, receiver):
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

    @property
    def local_users(self):
        return [self.user(identifier=identifier) for identifier in self.private_keys]

    def contacts(self, identifier):
        return []

    def members(self, identifier):
        return super().members(identifier) or ID.convert(self.memberships.get(str(identifier), []))

    def private_keys_for_decryption(self, identifier):
        return list(reversed(self.private_keys[identifier]))

    def private_key_for_signature(self, identifier):
        return self.private_keys[identifier][0]

    def private_key_for_visa_signature(self, identifier):
        return self.private_keys[identifier][0]


class Post(Messenger):
    def __init__(self, facebook):
        super().__init__()
        self.friends = facebook
        self.keys = Keys()
        self.packing = MessagePacker(facebook=facebook, messenger=self)

    @property
    def barrack(self):
        return self.friends

    @property
    def key_cache(self):
        return self.keys

    @property
    def packer(self):
        return self.packing

    @property
    def processor(self):
        raise NotImplementedError


class Stock10(BareGroups):
    def __init__(self, name: str, bits: int):
        super().__init__()
        self.friends = Friends(self.groups)
        self.post = Post(self.friends)
        self.register(name, bits)

    def register(self, name: str, bits: int) -> None:
        meta_key, visa_key = (PrivateKey.parse({"algorithm": "RSA", "keySizeInBits": bits}) for _ in range(2))
        meta = Meta.generate(MetaType.MKM, meta_key, seed=name)
        self.me = ID.generate(meta, 0)
        self.did = str(self.me)
        self.friends.private_keys[self.me] = (meta_key, visa_key)
        assert self.friends.save_meta(meta, self.me)
        visa = BaseVisa(identifier=self.me)
        visa.name = name
        visa.public_key = visa_key.public_key
        assert visa.sign(meta_key) is not None
        assert self.friends.save_document(visa)
        self.meta, self.visa = meta.dictionary, visa.dictionary

    def knows(self, did: str) -> bool:
        return self.friends.memory.meta(ID.parse(did)) is not None

    def meta_of(self, did: str) -> dict:
        return self.friends.memory.meta(ID.parse(did)).dictionary

    def learn_meta(self, did: str, meta: dict) -> None:
        parsed = Meta.parse(bridged(meta, [1, 2, 4]))
        if parsed is None or not self.friends.save_meta(parsed, ID.parse(did)):
            raise ValueError("the meta does not match the ID")

    def learn_visa(self, did: str, visa: dict) -> None:
        parsed = Document.parse(named(visa))
        # Its own judgement on RSA signatures is always yes, so this is no more than reading.
        if parsed is None or parsed.identifier != ID.parse(did):
            raise ValueError("the visa is of somebody else")
        self.friends.save_document(parsed)

    def pack(self, to: str, text: str, attach: bool) -> tuple[int, bytes]:
        content = BaseTextContent(text=text)
        reliable = self.reliable(to, content)
        if attach:
            reliable["meta"], reliable["visa"] = self.meta, self.visa
        return content.sn, self.post.serialize_message(reliable)

    def reliable(self, to: str, content):
        instant = InstantMessage.create(head=Envelope.create(sender=self.me, receiver=ID.parse(to)), body=content)
        return self.post.sign_message(self.post.encrypt_message(instant))

    def open_one(self, wire: bytes) -> dict:
        secure = self.post.verify_message(ReliableMessage.parse(json.loads(wire)))
        return self.post.decrypt_message(secure).content.dictionary

    # Groups

    def pack_content(self, to: str, content: dict) -> bytes:
        return self.post.serialize_message(self.reliable(to, Content.parse(content)))

    def pack_for_group(self, group: str, text: str) -> tuple[int, list[dict]]:
        content = BaseTextContent(text=text)
        content.group = ID.parse(group)
        others = [did for did in self.groups[group] if did != self.did]
        return content.sn, split(self.reliable(group, content).dictionary, group, others)

    def new_group(self) -> tuple[str, dict, dict]:
        """The founder's key is the group's, as in applications."""
        key = self.friends.private_keys[self.me][0]
        meta = Meta.generate(MetaType.MKM, key, seed="club")
        group = ID.generate(meta, 1)
        bulletin = BaseBulletin(identifier=group)
        bulletin.name = "club"
        bulletin.set_property("founder", self.did)
        bulletin.sign(key)
        return str(group), meta.dictionary, bulletin.dictionary


def main() -> None:
    options = arguments().parse_args()
    register_all_factories()
    dimplugins.register_plugins()
    Postbox(Stock10(options.name, options.key_bits), options).run()


if __name__ == "__main__":
    main()
