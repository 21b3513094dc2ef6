import Testing

@testable import culverd

@MainActor @Suite struct RunningConfigurationTests {
    private let running = RunningConfiguration(Configuration(), options: Options(), environment: [:])

    @Test("what needs a new start stays as it is, and the rest counts at once")
    func take() {
        var new = Configuration()
        new.agent.state = "/elsewhere"
        new.agent.socket = "/elsewhere/s"
        new.limits.clients = 3
        new.agent.metricsFile = "/metrics"
        new.access.admin = [Grant(to: .user("no-such-user"))]
        running.take(new)
        #expect(running.configuration.agent.state == Configuration().agent.state)
        #expect(running.configuration.agent.socket == Configuration().agent.socket)
        #expect(running.configuration.limits == LimitSettings())
        #expect(running.configuration.agent.metricsFile == "/metrics")
        #expect(running.access.unknown == ["no-such-user"])
    }

    @Test("files with errors leave the configuration as it was until they are good again")
    func stay() {
        running.stay()
        #expect(running.isOutdated)
        #expect(running.configuration == Configuration())
        running.take(Configuration())
        #expect(!running.isOutdated)
    }
}
