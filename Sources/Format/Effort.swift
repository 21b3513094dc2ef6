#if DEBUG
import Synchronization

/// Counts, for tests, what reading the bytes of a stranger costs: names that are compared, IDs that are checked. So a
/// test can say that twice the bytes cost twice the work, without a clock.
///
/// A release does not have it.
package final class Effort: Sendable {
    private let steps = Atomic<Int>(0)

    package init() {}

    package var count: Int { steps.load(ordering: .relaxed) }

    package func add(_ count: Int) { steps.add(count, ordering: .relaxed) }

    /// Of the present task; nobody counts unless a test asks.
    @TaskLocal package static var counted: Effort?
}
#endif
