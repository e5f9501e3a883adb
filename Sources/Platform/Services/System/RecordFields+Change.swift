import Core

/// What a record makes of a field that has a value already: what it leaves out stays, and null clears.
extension RecordFields {
    /// - Parameter cleared: what null makes of it.
    func text(
        _ name: String, longest: Int, over old: String, cleared: String = ""
    ) throws(ServiceError) -> String {
        isLeftOut(name) ? old : try text(name, longest: longest) ?? cleared
    }

    func text(_ name: String, longest: Int, over old: String?) throws(ServiceError) -> String? {
        isLeftOut(name) ? old : try text(name, longest: longest)
    }

    func integer(_ name: String, over old: Int64?) throws(ServiceError) -> Int64? {
        isLeftOut(name) ? old : try integer(name)
    }

    /// A switch is on or off: it can not be cleared.
    func bool(_ name: String, over old: Bool) throws(ServiceError) -> Bool {
        guard !isNull(name) else { throw .badRequest("'\(name)' must be true or false, and can not be null.") }
        return try bool(name) ?? old
    }

    /// A text that every record of the kind has.
    /// - Parameter old: nil where the record is new.
    /// - Throws: ``ServiceError`` 400 where it is missing, null or empty.
    func required(_ name: String, longest: Int, over old: String?, of kind: String) throws(ServiceError) -> String {
        guard let text = try text(name, longest: longest, over: old), !text.trimming({ $0 == " " }).isEmpty else {
            throw .badRequest("'\(name)' is missing: \(kind) needs one.")
        }
        return text
    }

    private func isLeftOut(_ name: String) -> Bool { record[name] == nil }
    private func isNull(_ name: String) -> Bool { record[name]?.isNull == true }
}
