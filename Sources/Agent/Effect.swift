package import DIMP
package import Records

/// What is to be done, after the turn is on disk and in this order.
package indirect enum Effect: Sendable {
    /// Tell the local program.
    case answer(UInt64, Answer)
    /// An outgoing row reached another state: tell who waits for it.
    case changed(Outgoing)
    /// Give it to the pool.
    case work(Job)
    case publish(Publication)
    case call(CallOrder)
    case bridge(BridgeOrder)
    case pipe(PipeOrder)
    /// Watch, or leave, the cards (meta, visa) of another entity on every broker.
    case watch(Address)
    case leave(Address)
    /// Watch what contacts state of themselves, on this broker or on every one; leave it.
    case watchStates([Address], broker: String?)
    case leaveState(Address)
    /// Keep `in` and the directory topics of our own on this broker.
    case keep([Address], broker: String)
    /// Leave `in` and the directory topics of an address that is ours no more.
    case abandon(Address, broker: String)
    /// Leave every broker, for good and without a word on the topics: they are another board's.
    case standBack
    /// Something with a file in pieces.
    case file(FileEffect)
    /// Count it; one line at debug.
    case rejected(Rejection, sender: String?)
}
