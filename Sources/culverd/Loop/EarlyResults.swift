import Agent

/// Key work of a turn, begun while the disk syncs: what came of it counts only if the turn does. Dropped with a turn
/// that failed.
@MainActor final class EarlyResults {
    private weak var loop: Loop?
    private var results: [Input] = []
    private var isReleased = false

    init(loop: Loop) {
        self.loop = loop
    }

    func take(_ result: Input) {
        if isReleased { loop?.take(result) } else { results.append(result) }
    }

    func release() {
        isReleased = true
        for result in results { loop?.take(result) }
        results = []
    }
}
