/// What a link has learnt of its broker and goes on with after a restart of the program.
///
/// Times are the board's seconds since boot (`KernelClock.boottime`); a moment that has passed means nothing any more.
package struct BrokerKnowledge: Sendable, Equatable {
    /// It has answered MQTT 5. When it is silent later it hangs or restarts, and is not taken for an older one.
    package var speaksFive = false
    /// It answers 3.1.1 and not MQTT 5; until when MQTT 5 is not offered again.
    package var olderUntil: Double?
    /// It lets the link in without a will alone; until when none is offered again.
    package var willLeftOutUntil: Double?

    package init() {}
}
