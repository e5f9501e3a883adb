import Core

/// The records of a request's body: `{"resource":[…]}`, a bare list, or one bare record (dreamfactory.md §6.3).
struct RecordBody {
    let records: [JSONText]

    /// - Throws: ``ServiceError`` 400 for what is not JSON, or not records.
    init(_ request: ServiceRequest) throws(ServiceError) {
        let json = try Self.json(request)
        let found: [JSONText]
        switch json.kind {
        case .array: found = json.elements
        case .object:
            if let wrapped = json["resource"] {
                guard wrapped.kind == .array else { throw .badRequest("'resource' must be a list of records.") }
                found = wrapped.elements
            } else {
                found = [json]
            }
        default: throw .badRequest("The body must be a record, or {\"resource\":[…]} with a list of records.")
        }
        guard !found.isEmpty else { throw .badRequest("No record(s) detected in request.") }
        guard found.count <= 1000 else { throw .badRequest("One request may carry 1000 records at most.") }
        guard found.allSatisfy({ $0.kind == .object }) else {
            throw .badRequest("Each record in 'resource' must be an object.")
        }
        records = found
    }

    /// The body as JSON without NUL, whatever its content type says.
    /// - Throws: ``ServiceError`` 400 with line and column.
    static func json(_ request: ServiceRequest) throws(ServiceError) -> JSONText {
        guard !request.body.isEmpty else { throw .badRequest("The request has no body. Send JSON.") }
        do {
            return try JSONText(checking: request.body, refusingNUL: true)
        } catch {
            throw .badRequest("The body is not valid JSON: \(error).")
        }
    }
}

/// Typed fields of a record, with errors that name the field.
struct RecordFields {
    let record: JSONText

    /// A text; nil where the field is missing or null.
    func text(_ name: String, longest: Int) throws(ServiceError) -> String? {
        guard let value = record[name], !value.isNull else { return nil }
        guard let text = value.string else { throw .badRequest("'\(name)' must be a text.") }
        guard text.count <= longest else {
            throw .badRequest("'\(name)' may have \(longest) characters at most; this one has \(text.count).")
        }
        return text
    }

    func bool(_ name: String) throws(ServiceError) -> Bool? {
        guard let value = record[name], !value.isNull else { return nil }
        guard let bool = value.bool else { throw .badRequest("'\(name)' must be true or false.") }
        return bool
    }

    func integer(_ name: String) throws(ServiceError) -> Int64? {
        guard let value = record[name], !value.isNull else { return nil }
        guard let integer = value.integer else { throw .badRequest("'\(name)' must be a whole number.") }
        return Int64(integer)
    }
}
