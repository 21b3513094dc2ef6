import Agent

/// Carries out what the messenger decided, once it is on disk; key work is the loop's own.
@MainActor struct Performer {
    let loop: Loop
    let brokers: Brokers
    let answers: PendingAnswers
    let subscriptions: Subscriptions
    let transfers: FileTransfers
    let calls: CallPrograms
    let bridges: BridgeLinks

    func perform(_ effect: Effect) {
        switch effect {
        case .answer(let token, let answer): answers.take(answer, for: token)
        case .changed(let row):
            subscriptions.changed(row)
            transfers.changed(row)
        case .file(let effect): transfers.perform(effect)
        case .work: break
        case .publish(let publication): brokers.publish(publication)
        case .call(.run(let run)): calls.run(run)
        case .call(.stop(let key)): calls.stop(key)
        case .call(.answered(let call)): subscriptions.calls.answered(call)
        case .bridge(let order): bridges.perform(order)
        case .pipe(.changed(let pipe)): subscriptions.pipes.changed(pipe)
        case .pipe(.over(let pipe, let error)): subscriptions.pipes.over(pipe, error: error)
        case .watch(let address): brokers.watch(address)
        case .leave(let address): brokers.leave(address)
        case .watchStates(let addresses, let broker): brokers.watchStates(of: addresses, on: broker)
        case .leaveState(let address): brokers.leaveState(of: address)
        case .keep(let addresses, let broker): brokers[broker]?.keep(addresses)
        case .abandon(let address, let broker): brokers[broker]?.abandon(address)
        case .standBack:
            loop.log(
                .error, "another board has our keys and started earlier: this one stands back until it is started again"
            )
            brokers.standBack()
        case .rejected(let rejection, let sender):
            loop.log(.debug, "refused a message of \(sender ?? "somebody"): \(rejection)")
        }
    }
}

/// Calls that wait for the messenger's answer, by token.
@MainActor final class PendingAnswers {
    private var actions: [UInt64: @MainActor (Answer) -> Void] = [:]
    private var lastToken: UInt64 = 0

    /// A token for an answer of the messenger's. It is only good if the turn is: one that failed is tried again.
    func expect(in turn: inout Turn, _ action: @escaping @MainActor (Answer) -> Void) -> UInt64 {
        lastToken += 1
        let token = lastToken
        turn.after { self.actions[token] = action }
        return token
    }

    func take(_ answer: Answer, for token: UInt64) {
        actions.removeValue(forKey: token)?(answer)
    }
}
