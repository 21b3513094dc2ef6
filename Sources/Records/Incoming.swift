package import DIMP

/// A message in the inbox, as local programs see it.
package struct Incoming: Sendable, Equatable {
    /// Rises for the whole daemon and is never used again; 0 until the row is stored.
    package var seq: Int64
    package var id: String
    package var sn: Int64
    package var sender: ID
    package var receiver: ID
    package var group: ID?
    /// The content's own time and the time of arrival, seconds since 1970, 0 when unknown.
    package var time: Double
    package var received: Double
    /// JSON text, without the fields that only carry the message (`seal`, `seq`).
    package var content: String
    /// The content's type number, for filters.
    package var type: Int64
    package var sealed: Bool
    package var encrypted: Bool
    /// What this board thought of the sender at the time of arrival.
    package var trust: Contact.Trust
    /// What the content is about, in levels (extensions.md 9).
    package var subject: String?
    /// When the sender gave it up, in seconds since 1970: no consumer is handed it after that. Negative once that was
    /// noticed, whatever the clock says later.
    package var expires: Double?

    package init(
        seq: Int64 = 0, id: String, sn: Int64, sender: ID, receiver: ID, group: ID? = nil, time: Double,
        received: Double, content: String, type: Int64, sealed: Bool, encrypted: Bool, trust: Contact.Trust,
        subject: String? = nil, expires: Double? = nil
    ) {
        self.seq = seq
        self.id = id
        self.sn = sn
        self.sender = sender
        self.receiver = receiver
        self.group = group
        self.time = time
        self.received = received
        self.content = content
        self.type = type
        self.sealed = sealed
        self.encrypted = encrypted
        self.trust = trust
        self.subject = subject
        self.expires = expires
    }
}
