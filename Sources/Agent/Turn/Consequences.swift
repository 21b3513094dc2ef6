/// What a turn leads to once it is on disk, sorted in the order in which it happens: save, answer, publish.
package struct Consequences<Action> {
    /// What the world asked for with `Turn.after`.
    package internal(set) var actions: [Action] = []
    /// `Effect.answer` alone: local programs hear first.
    package private(set) var answers: [Effect] = []
    /// All others but key work, in the order of their inputs.
    package private(set) var effects: [Effect] = []
    /// Key work that has not begun. A turn hands its own over with `TurnRunner.Step.commit`, so that some is left only
    /// of an input that was given up.
    package private(set) var jobs: [Job] = []

    mutating func add(_ all: [Effect]) {
        for effect in all {
            switch effect {
            case .answer: answers.append(effect)
            case .work(let job): jobs.append(job)
            default: effects.append(effect)
            }
        }
    }

    mutating func takeJobs() -> [Job] {
        defer { jobs = [] }
        return jobs
    }
}
