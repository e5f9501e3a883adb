import Core

/// Reads and shows lookups. The value of a private one is never shown.
enum LookupDraft {
    /// What stands for a private value.
    static let mask = "**********"

    /// The lookups of a record's relation.
    /// - Parameter owner: `role`, `user` or `app`.
    static func rows(_ record: JSONText, of owner: String, over old: [Lookup]) throws(ServiceError) -> [Lookup] {
        try ChildRows<Lookup>(name: "lookup_by_\(owner)_id", owner: "\(owner)_id", id: \.id).merged(
            record, over: old, match: { row in old.first { $0.name == row["name"]?.string } }, read: lookup)
    }

    /// - Parameter old: the lookup as it is; what the record leaves out stays.
    static func lookup(_ record: JSONText, over old: Lookup?) throws(ServiceError) -> Lookup {
        let fields = RecordFields(record: record)
        let name = try fields.required("name", longest: 200, over: old?.name, of: "a lookup")
        guard Lookup.isValidName(name) else {
            throw .badRequest(
                "'\(name)' is not a valid lookup name: use \(Lookup.nameRule); names that begin with"
                    + " \(Lookup.reservedPrefixes.joined(separator: ", ")) are the platform's own.")
        }
        let isPrivate = try fields.bool("private", over: old?.isPrivate ?? false)
        let wasPrivate = old?.isPrivate == true
        var value = old?.value ?? ""
        // A client that gives back what it was shown keeps the value.
        if let given = record["value"], !(wasPrivate && given.string == mask) {
            value = try text(given)
        } else if wasPrivate, !isPrivate {
            throw .badRequest("'\(name)' is private: give it a new 'value' to make it public.")
        }
        guard value.utf8.count <= Lookup.largestValue else {
            throw .badRequest("'value' may have \(Lookup.largestValue) bytes at most; that of '\(name)' has more.")
        }
        return Lookup(
            id: old?.id ?? 0, name: name, value: value, isPrivate: isPrivate,
            description: try fields.text("description", longest: 255, over: old?.description ?? ""))
    }

    /// A text; numbers, true and false as they are written.
    private static func text(_ value: JSONText) throws(ServiceError) -> String {
        switch value.kind {
        case .null: return ""
        case .string: return value.string ?? ""
        case .number, .bool: return value.text
        case .array, .object: throw .badRequest("'value' must be a text, a number, true or false.")
        }
    }

    static func record(_ lookup: Lookup) -> RecordQuery.Record {
        [
            ("id", .integer(lookup.id)),
            ("name", .string(lookup.name)),
            ("value", .string(lookup.isPrivate ? mask : lookup.value)),
            ("private", .bool(lookup.isPrivate)),
            ("description", .string(lookup.description)),
        ]
    }

    /// Lookups as a relation of a record shows them.
    static func relation(_ lookups: [Lookup], of owner: String, _ id: Int64) -> JSONText {
        .array(lookups.map { .object(record($0) + [("\(owner)_id", .integer(id))]) })
    }
}
