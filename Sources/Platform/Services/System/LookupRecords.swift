import Catalog
import Core
import Database

/// `system/lookup`: the values that all scripts of the tenant can look up.
struct LookupRecords: RecordKind {
    let lookups: Lookups
    let account: Int64?

    let name = "lookup"

    func all() async throws -> [RecordQuery.Record] { try await lookups.records().map(Self.record) }

    func find(_ id: Int64) async throws -> RecordQuery.Record? {
        try await lookups.records().first { $0.lookup.id == id }.map(Self.record)
    }

    func create(_ records: [JSONText]) async throws -> [RecordQuery.Record] {
        let drafts = try records.enumerated().map { index, record in
            try ServiceError.marking(record: index) { try LookupDraft.lookup(record, over: nil) }
        }
        let names = Set(drafts.map(\.name))
        return try await lookups.update(by: account) { $0 + drafts }.filter { names.contains($0.lookup.name) }
            .map(Self.record)
    }

    func change(_ changes: [RecordChange]) async throws -> [RecordQuery.Record] {
        let all = try await lookups.update(by: account) { old in
            var new = old
            for (number, change) in changes.enumerated() {
                try ServiceError.marking(record: number) {
                    guard let index = new.firstIndex(where: { $0.id == change.id }) else {
                        throw ServiceError.missingRecord(change.id)
                    }
                    new[index] = try LookupDraft.lookup(change.record, over: new[index])
                }
            }
            return new
        }
        return try changes.map { change in
            guard let found = all.first(where: { $0.lookup.id == change.id }) else {
                throw ServiceError.missingRecord(change.id)
            }
            return Self.record(found.lookup, found.stamp)
        }
    }

    func remove(_ ids: [Int64]) async throws {
        _ = try await lookups.update(by: account) { old in
            _ = try ServiceError.marking(each: ids) { id in
                guard old.contains(where: { $0.id == id }) else { throw ServiceError.missingRecord(id) }
            }
            return old.filter { !ids.contains($0.id) }
        }
    }

    private static func record(_ lookup: Lookup, _ stamp: RecordStamp) -> RecordQuery.Record {
        LookupDraft.record(lookup) + stamp.members
    }
}

extension RecordStamp {
    /// As records show it.
    var members: RecordQuery.Record {
        [
            ("created_date", .string(createdAt.description)),
            ("last_modified_date", .string(modifiedAt.description)),
            ("created_by_id", .integer(createdBy)),
            ("last_modified_by_id", .integer(modifiedBy)),
        ]
    }
}
