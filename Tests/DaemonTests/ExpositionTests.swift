import Testing

@testable import culverd

@Suite("The text of metrics")
struct ExpositionTests {
    @Test("a family has its help, its type and its samples")
    func family() {
        var out = Exposition()
        out.begin("a_total", .counter, "Things.")
        out.sample(3, ["kind": "x", "of": "y"])
        out.gauge("b", 1.5, "More.")
        #expect(
            out.text == """
                # HELP a_total Things.
                # TYPE a_total counter
                a_total{kind="x",of="y"} 3
                # HELP b More.
                # TYPE b gauge
                b 1.5

                """)
    }

    @Test("numbers beyond 32 bits are what they are")
    func wide() {
        let fields = "1 (a) b) S" + String(repeating: " 0", count: 18) + " 7 5000000000 3000000 18446744073709551615"
        let process = Process(stat: Array(fields.utf8))
        #expect(process.virtualBytes == 5_000_000_000)
        #expect(process.residentBytes >= 12_288_000_000)
        var traffic = Traffic()
        traffic.receivedBytes = 1 << 32
        traffic.count(.accepted)
        var out = Exposition()
        out.counter("a_total", traffic.receivedBytes + traffic.taken, "Bytes.")
        #expect(out.text.hasSuffix("a_total 4294967297\n"))
    }

    @Test("nothing in a label or a help ends its line or its quotes")
    func escaped() {
        var out = Exposition()
        out.begin("a", .gauge, "one\ntwo \\ \"three\"")
        out.sample(1, ["b": "one\ntwo \\ \"three\""])
        #expect(
            out.text == #"""
                # HELP a one\ntwo \\ "three"
                # TYPE a gauge
                a{b="one\ntwo \\ \"three\""} 1

                """#)
    }

    @Test(
        "numbers are as Prometheus reads them",
        arguments: [
            (0, "0"), (-2, "-2"), (0.25, "0.25"), (1_795_000_000, "1795000000"), (1e300, "1e+300"), (.nan, "NaN"),
            (.infinity, "+Inf"), (-.infinity, "-Inf"),
        ] as [(Double, String)])
    func numbers(_ value: Double, _ text: String) {
        var out = Exposition()
        out.begin("a", .gauge, "b")
        out.sample(value)
        #expect(out.text.hasSuffix("\na \(text)\n"))
    }
}
