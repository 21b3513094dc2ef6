// swift-tools-version: 6.0
import PackageDescription

/// Imports stay internal unless a signature needs them, so that the arrows between modules are the ones drawn here.
let settings: [SwiftSetting] = [
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("ExistentialAny"),
]

/// For what runs now and then: small, not fast. Messages spend their time in the modules below. Not on 32-bit ARM, see
/// cross/README.md.
let small: [SwiftSetting] =
    Context.environment["BOARD"] == "armhf"
    ? settings : settings + [.unsafeFlags(["-Osize"], .when(configuration: .release))]

/// A module of the product: plain Swift, nothing but what is named here.
func module(
    _ name: String, _ dependencies: [Target.Dependency], _ linker: [LinkerSetting] = [], isSmall: Bool = false
) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: isSmall ? small : settings, linkerSettings: linker)
}

/// The tests of the module of the same name.
func tests(of name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(
        name: "\(name)Tests", dependencies: [.byName(name: name), "TestSupport"] + dependencies, swiftSettings: settings
    )
}

let package = Package(
    name: "culver",
    products: [
        .library(name: "DIMP", targets: ["DIMP"]),
        .executable(name: "culverd", targets: ["culverd"]),
        .executable(name: "culver", targets: ["culver"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
    ],
    targets: [
        // C libraries of the system: a module map and a small shim.h each.
        .systemLibrary(name: "CMbedTLS"),
        .systemLibrary(name: "CMosquitto"),
        .systemLibrary(name: "CJansson"),
        .systemLibrary(name: "CSQLite"),
        .systemLibrary(name: "CInih"),
        .systemLibrary(name: "CLinux"),

        // The recorded vectors as bytes of a program: what stands in Tests/Vectors, once.
        .target(name: "CVectors", cSettings: [.headerSearchPath("../../Tests/Vectors")]),

        // The floors, from the ground up.
        module("System", [], isSmall: true),
        module("Format", ["CJansson"], [.linkedLibrary("m")]),
        module("Crypto", ["CMbedTLS"]),
        module("DIMP", ["Crypto", "Format"]),
        module("Records", ["DIMP", "Crypto", "Format"], isSmall: true),
        module("Agent", ["DIMP", "Crypto", "Format", "Records"], isSmall: true),
        module("Store", ["DIMP", "Crypto", "Format", "Records", "System", "CSQLite", "CLinux"], isSmall: true),
        module("Transport", ["Format", "System", "CMosquitto"], isSmall: true),
        module("Control", ["Format", "System", "CLinux"], isSmall: true),
        module("Diagnostics", ["Crypto", "DIMP", "Format", "Records", "Store", "System"], isSmall: true),
        module(
            "Operations", ["Control", "DIMP", "Crypto", "Format", "Records", "Store", "System"], isSmall: true),

        // What `culver selftest` and the vector tests compare alike.
        module("Selftest", ["CVectors", "Crypto", "DIMP", "Format"]),

        // The daemon links no Foundation and no Swift package; the tool may.
        .executableTarget(
            name: "culverd",
            dependencies: [
                "Agent", "Control", "Crypto", "DIMP", "Diagnostics", "Format", "Operations", "Records", "Store",
                "System", "Transport",
                "CInih", "CLinux",
            ],
            swiftSettings: small),
        .executableTarget(
            name: "culver",
            dependencies: [
                "Control", "Crypto", "DIMP", "Diagnostics", "Format", "Operations", "Records", "Selftest", "Store",
                "System", "CLinux",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings),

        // Tests mirror the sources; `Bench` prints the figures of `make bench`.
        .target(
            name: "TestSupport", dependencies: ["DIMP", "Format", "Records", "System", "Transport"],
            path: "Tests/TestSupport",
            swiftSettings: settings),
        tests(of: "System"),
        tests(of: "Format"),
        tests(of: "Crypto", ["Format", "Selftest"]),
        tests(of: "DIMP", ["Crypto", "Format", "Selftest"]),
        tests(of: "Selftest", ["Format"]),
        tests(of: "Records", ["DIMP"]),
        tests(of: "Agent", ["Crypto", "DIMP", "Format", "Records"]),
        // A disk that fails when it is told to, in C because it is a VFS of SQLite's.
        .target(name: "FaultyDisk", dependencies: ["CSQLite"], path: "Tests/FaultyDisk"),
        tests(of: "Store", ["Crypto", "DIMP", "Format", "Records", "FaultyDisk"]),
        tests(of: "Diagnostics", ["Crypto", "DIMP", "Format", "Records", "Store", "System"]),
        tests(of: "Operations", ["Control", "DIMP", "Format", "Records", "Store"]),
        tests(of: "Transport", ["System"]),
        tests(of: "Control", ["Format", "System"]),
        .testTarget(
            name: "DaemonTests",
            dependencies: [
                "culverd", "Agent", "Control", "Crypto", "DIMP", "Diagnostics", "Format", "Records", "Store",
                "TestSupport",
                "Transport",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "ToolTests", dependencies: ["culver", "Control", "Format", "System", "TestSupport"],
            swiftSettings: settings),
        .executableTarget(
            name: "Bench", dependencies: ["CMbedTLS", "Crypto", "DIMP", "Format", "System"], path: "Tests/Bench",
            swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6]
)
