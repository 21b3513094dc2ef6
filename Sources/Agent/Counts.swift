package import DIMP

/// What happened since the start of the daemon, for who watches many boards. Integers of the messenger's own: a turn
/// that is rolled back has counted nothing. They begin at 0 with each start; what must outlive it is in the store.
package struct Counts: Sendable, Equatable {
    // A message out, step by step (extensions.md 7).
    package var accepted: Int64 = 0
    package var sealed: Int64 = 0
    package var published: Int64 = 0
    package var delivered: Int64 = 0
    package var expired: Int64 = 0
    package var failed: Int64 = 0
    package var cancelled: Int64 = 0
    /// Sent once more, because no receipt came.
    package var repeats: Int64 = 0
    package var receiptsVerified: Int64 = 0
    /// Messages that an acknowledgement closed.
    package var acknowledgementsVerified: Int64 = 0
    /// Not accepted, because the outbox is full.
    package var outboxFull: Int64 = 0
    /// Not accepted, for another reason.
    package var unaccepted: Int64 = 0

    // A message in.
    /// Taken into the inbox.
    package var received: Int64 = 0
    /// Had been taken before.
    package var duplicates: Int64 = 0
    package var inboxFull: Int64 = 0
    /// Each receipt, also where several share a signature, and once more for a repeat.
    package var receiptsSent: Int64 = 0
    /// Messages that acknowledgements of ours named, once more for one that a lost broker had.
    package var acknowledgementsSent: Int64 = 0
    /// Requests of strangers that the owner refused.
    package var requestsRefused: Int64 = 0
    package var rejected: [Rejection.Stage: Int64] = [:]

    // Dropped without a word: the sender repeats.
    package var overPublicBudget: Int64 = 0
    package var overPrivateBudget: Int64 = 0
    /// Too many were on their way in, or the same one was.
    package var overBusy: Int64 = 0
    /// Receipts, answers and cards that found no room on a broker.
    package var courtesiesDropped: Int64 = 0
    /// IDs that were not looked up, because enough are.
    package var lookupsDropped: Int64 = 0

    // What an enemy, a copy or a broken broker would cause.
    package var gaps: Int64 = 0
    package var sameNumbers: Int64 = 0
    package var otherBoards: Int64 = 0
    package var visasRolledBack: Int64 = 0
    package var cardsPutBack: Int64 = 0

    /// By the names of bridges.
    package var bridges: [String: BridgeCounts] = [:]

    // Work for the pool with private keys. A decryption tries all keys of an identity.
    package var signatures: Int64 = 0
    package var decryptionsOfContacts: Int64 = 0
    package var decryptionsOfStrangers: Int64 = 0
}
