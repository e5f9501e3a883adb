import FoundationEssentials
import TestSupport
import Testing

/// Imports run one way (the rooms' order in the README): a room imports only those below it.
@Suite struct ImportTests {
    /// Each room with the rooms that it may import.
    private static let below: [String: Set<String>] = [
        "Core": [],
        "Telemetry": ["Core"],
        "Database": ["Core"],
        "Outbound": ["Core"],
        "Execution": ["Core"],
        "Catalog": ["Core", "Database"],
        "JobQueue": ["Core", "Database"],
        "Platform": ["Core", "Database", "Catalog", "JobQueue", "Outbound", "Execution"],
        "Ingress": ["Core", "Database", "Catalog", "JobQueue", "Platform"],
        "Worker": ["Core", "Database", "Catalog", "JobQueue", "Execution", "Platform"],
        "scriptorium": [
            "Core", "Telemetry", "Database", "Catalog", "JobQueue", "Outbound", "Execution", "Platform", "Ingress",
            "Worker",
        ],
    ]

    @Test(arguments: below.keys.sorted())
    func aRoomImportsOnlyWhatIsBelowIt(room: String) throws {
        let allowed = try #require(Self.below[room])
        let rooms = Set(Self.below.keys)
        let files = try Checkout.files(below: "Sources/\(room)", ending: ".swift")
        #expect(!files.isEmpty)
        for file in files {
            for module in Self.imports(of: try Checkout.text(file)) where rooms.contains(module) {
                #expect(allowed.contains(module), "\(file) imports \(module)")
            }
        }
    }

    @Test func everyRoomIsKnownHere() throws {
        let folders = try FileManager.default.contentsOfDirectory(atPath: Checkout.path("Sources"))
        let c: Set<String> = ["CHost", "CLibPQ", "CLibCurl", "CSandbox", "CSandboxLibrary", "cell"]
        #expect(Set(folders).subtracting(c) == Set(Self.below.keys))
    }

    @Test func libpqAndLibcurlHaveOneImporterEach() throws {
        for file in try Checkout.files(below: "Sources", ending: ".swift") {
            let imports = Self.imports(of: try Checkout.text(file))
            if imports.contains("CLibPQ") { #expect(file.hasPrefix("Sources/Database/"), "\(file)") }
            if imports.contains("CLibCurl") { #expect(file.hasPrefix("Sources/Outbound/"), "\(file)") }
            #expect(!imports.contains("Foundation"), "\(file) imports all of Foundation: 45 MB")
        }
    }

    private static func imports(of text: String) -> Set<String> {
        var found: Set<String> = []
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard let index = words.firstIndex(of: "import"),
                words.prefix(index).allSatisfy({ $0 == "public" || $0.hasPrefix("@") }),
                words.count > index + 1
            else { continue }
            // `import struct Module.Name` names a kind first.
            let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "let", "var", "typealias"]
            let module =
                kinds.contains(words[index + 1]) && words.count > index + 2 ? words[index + 2] : words[index + 1]
            found.insert(String(module.prefix { $0 != "." }))
        }
        return found
    }
}
