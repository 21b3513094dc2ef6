import Crypto
import DIMP
import Format

/// A content as the inbox keeps it: without the members that only carry the message.
struct InboxEntry {
    let content: Content
    /// JSON text.
    let text: String
    /// By what the content is known when its ciphertext may change (extensions.md 4); `nil` where the ciphertext's digest
    /// is enough.
    let digest: [UInt8]?

    /// A content that came in `opened`, alone or with others.
    init(_ content: Content, in opened: Opened) {
        var json = content.json
        let isWaited = json["seq"]?["waited"]?.bool == true
        json["seal"] = nil
        json["seq"] = nil
        let bytes = JSON.object(json).bytes
        self.content = content
        text = String(decoding: bytes, as: UTF8.self)
        if !opened.isSealed {
            // A stock peer that repeats makes a new ciphertext of the same content.
            digest = Digest.sha256(JSON.object(content.json).bytes)
        } else {
            // Its sender had it on disk before it was sealed, and that board may have come back from a backup of then.
            digest = isWaited && opened.isEncrypted ? Digest.sha256(bytes) : nil
        }
    }

    var bytes: Int64 { Int64(text.utf8.count) }
}
