// swift-tools-version:6.2
import PackageDescription

/// Settings of every Swift target of ours: our own warnings stop the build.
let ours: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

extension Target.Dependency {
    static let argumentParser = product(name: "ArgumentParser", package: "swift-argument-parser")
    static let configuration = product(name: "Configuration", package: "swift-configuration")
    static let crypto = product(name: "Crypto", package: "swift-crypto")
    static let cryptoExtras = product(name: "CryptoExtras", package: "swift-crypto")
    static let hummingbird = product(name: "Hummingbird", package: "hummingbird")
    static let hummingbirdCore = product(name: "HummingbirdCore", package: "hummingbird")
    static let httpTypes = product(name: "HTTPTypes", package: "swift-http-types")
    static let jwtKit = product(name: "JWTKit", package: "jwt-kit")
    static let logging = product(name: "Logging", package: "swift-log")
    static let metrics = product(name: "Metrics", package: "swift-metrics")
    static let coreMetrics = product(name: "CoreMetrics", package: "swift-metrics")
    static let nioCore = product(name: "NIOCore", package: "swift-nio")
    static let nioHTTP1 = product(name: "NIOHTTP1", package: "swift-nio")
    static let nioHTTPTypes = product(name: "NIOHTTPTypes", package: "swift-nio-extras")
    static let nioPosix = product(name: "NIOPosix", package: "swift-nio")
    static let nioHTTPTypesHTTP1 = product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras")
    static let serviceLifecycle = product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
    static let unixSignals = product(name: "UnixSignals", package: "swift-service-lifecycle")
}

/// A room of the house: a Swift target with the settings that all of them share.
func room(
    _ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []
) -> Target {
    .target(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: ours)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: ours)
}

let package = Package(
    name: "scriptorium",
    products: [
        .executable(name: "scriptorium", targets: ["scriptorium"]),
        // Loaded by the interpreters that fork for each script.
        .library(name: "sandbox", type: .dynamic, targets: ["CSandboxLibrary"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0", traits: []),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.0"),
        .package(
            url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0",
            traits: ["ConfigurationSupport"]),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.0"),
    ],
    targets: [
        .systemLibrary(name: "CLibPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(
            name: "CLibCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .target(name: "CHost", dependencies: ["CLibCurl"]),
        .target(name: "CSandbox"),
        .target(
            name: "CSandboxLibrary", dependencies: ["CSandbox"],
            // It holds C alone, and must not bring Swift's runtime into an interpreter.
            linkerSettings: [.unsafeFlags(["-nostartfiles", "-static-stdlib", "-Xlinker", "--gc-sections"])]),
        .executableTarget(name: "cell", dependencies: ["CSandbox"]),
        room("Core", [.crypto, .cryptoExtras]),
        room("Telemetry", ["Core", .coreMetrics, .logging]),
        room("Database", ["CHost", "CLibPQ", "Core", .crypto, .logging, .metrics, .serviceLifecycle]),
        room("Catalog", ["Core", "Database", .jwtKit, .logging, .serviceLifecycle]),
        room("JobQueue", ["Core", "Database", .logging, .metrics, .serviceLifecycle]),
        room("Outbound", ["CHost", "CLibCurl", "Core"]),
        room("Execution", ["CHost", "Core", .logging, .metrics, .serviceLifecycle], exclude: ["Resources"]),
        room("Platform", ["Catalog", "Core", "Database", "Execution", "JobQueue", "Outbound", .logging, .metrics]),
        room(
            "Ingress",
            [
                "Catalog", "Core", "Database", "JobQueue", "Platform", .hummingbird, .hummingbirdCore, .httpTypes,
                .logging, .metrics,
                .nioCore, .nioHTTP1, .nioHTTPTypes, .nioHTTPTypesHTTP1, .serviceLifecycle,
            ]),
        room(
            "Worker",
            ["Catalog", "Core", "Database", "JobQueue", "Platform", .logging, .metrics, .serviceLifecycle]),
        .executableTarget(
            name: "scriptorium",
            dependencies: [
                "CHost", "Catalog", "Core", "Database", "Execution", "Ingress", "JobQueue", "Outbound", "Platform",
                "Telemetry", "Worker", "cell",
                .argumentParser, .configuration, .logging, .metrics, .nioCore, .nioHTTP1, .nioPosix, .serviceLifecycle,
                .unixSignals,
            ],
            swiftSettings: ours),
        .target(
            name: "TestSupport", dependencies: ["CHost", "Core", "Database", "Outbound", "scriptorium", .logging],
            path: "Tests/TestSupport", exclude: ["outside_world.py"],
            swiftSettings: ours),
        tests("WallTests", ["Database", "TestSupport"]),
        tests("CoreTests", ["Core"]),
        tests("TelemetryTests", ["Core", "Telemetry", .logging, .metrics]),
        tests("DatabaseTests", ["Core", "Database", "TestSupport", .logging, .serviceLifecycle]),
        tests("ExecutionTests", ["CHost", "Core", "Execution", "TestSupport", "cell", .logging, .serviceLifecycle]),
        .testTarget(
            name: "SiegeTests",
            dependencies: ["CHost", "Core", "Execution", "TestSupport", "cell", .logging, .serviceLifecycle],
            exclude: ["attacks"], swiftSettings: ours),
        tests("OutboundTests", ["Core", "Outbound"]),
        tests("ScriptoriumTests", ["Core", "Database", "Outbound", "TestSupport", .logging]),
        tests("CatalogTests", ["Catalog", "Core", "Database", "TestSupport", .logging, .serviceLifecycle]),
        tests(
            "IngressTests",
            ["Catalog", "Core", "Database", "Ingress", "JobQueue", "Platform", "TestSupport", .logging]),
        tests("JobQueueTests", ["Core", "Database", "JobQueue", "TestSupport", .logging, .serviceLifecycle]),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu2x
)
