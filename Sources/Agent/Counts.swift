package import DIMP

/// What happened since the start of the daemon, for who watches many boards. Integers of the messenger's own: a turn
/// that is rolled back has counted nothing. They begin at 0 with each start; what must outlive it is in the store.
package struct Counts: Sendable, Equatable {
    // A message out, step by step (extensions.md 7).
    package var accepted = 0
    package var sealed = 0
    package var published = 0
    package var delivered = 0
    package var expired = 0
    package var failed = 0
    package var cancelled = 0
    /// Sent once more, because no receipt came.
    package var repeats = 0
    package var receiptsVerified = 0
    /// Messages that an acknowledgement closed.
    package var acknowledgementsVerified = 0
    /// Not accepted, because the outbox is full.
    package var outboxFull = 0
    /// Not accepted, for another reason.
    package var unaccepted = 0

    // A message in.
    /// Taken into the inbox.
    package var received = 0
    /// Had been taken before.
    package var duplicates = 0
    package var inboxFull = 0
    /// Each receipt, also where several share a signature, and once more for a repeat.
    package var receiptsSent = 0
    /// Messages that acknowledgements of ours named, once more for one that a lost broker had.
    package var acknowledgementsSent = 0
    /// Requests of strangers that the owner refused.
    package var requestsRefused = 0
    package var rejected: [Rejection.Stage: Int] = [:]

    // Dropped without a word: the sender repeats.
    package var overPublicBudget = 0
    package var overPrivateBudget = 0
    /// Too many were on their way in, or the same one was.
    package var overBusy = 0
    /// Receipts, answers and cards that found no room on a broker.
    package var courtesiesDropped = 0
    /// IDs that were not looked up, because enough are.
    package var lookupsDropped = 0

    // What an enemy, a copy or a broken broker would cause.
    package var gaps = 0
    package var sameNumbers = 0
    package var otherBoards = 0
    package var visasRolledBack = 0
    package var cardsPutBack = 0

    // Work for the pool with private keys. A decryption tries all keys of an identity.
    package var signatures = 0
    package var decryptionsOfContacts = 0
    package var decryptionsOfStrangers = 0
}
