import Database
import FoundationEssentials
import TestSupport
import Testing

@Suite struct SchemaTests {
    @Test func everyMigrationIsEmbedded() throws {
        let files = try FileManager.default.contentsOfDirectory(atPath: Checkout.path("migrations")).sorted()
        let embedded = Migration.embedded
        #expect(embedded.map(\.number) == Array(1...files.count))
        for (file, migration) in zip(files, embedded) {
            #expect(file.hasSuffix("_\(migration.name).sql"))
            #expect(Int(file.prefix(4)) == migration.number)
            #expect(migration.sql == (try Checkout.text("migrations/\(file)")))
        }
    }

    /// What crosses tenants is listed: each room has one file with those statements.
    @Test func whatCrossesTenantsIsListed() throws {
        for file in try Checkout.files(below: "Sources", ending: ".swift") where !file.hasPrefix("Sources/Database/") {
            let text = try Checkout.text(file)
            guard text.contains(".system.") else { continue }
            // Up to the end of each call through the system scope only listed statements may stand.
            for part in text.components(separatedBy: "database.system.").dropFirst() {
                let call = part.prefix(400)
                #expect(call.contains("SystemStatements."), "\(file) runs an unlisted statement across tenants")
            }
        }
    }
}

extension String {
    fileprivate func components(separatedBy separator: String) -> [Substring] {
        var parts: [Substring] = []
        var rest = self[...]
        while let range = rest.firstRange(of: separator) {
            parts.append(rest[..<range.lowerBound])
            rest = rest[range.upperBound...]
        }
        return parts + [rest]
    }
}
