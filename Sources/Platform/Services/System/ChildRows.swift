import Core

/// The rows of a record's relation as a write gives them (`"x_by_y_id":[…]`): a row with an id changes the one that is
/// stored, one without is new, and one whose owner is null goes. Rows that are not named stay.
struct ChildRows<Row> {
    /// The relation's name.
    let name: String
    /// The member that names the owner, such as `role_id`.
    let owner: String
    let id: KeyPath<Row, Int64>

    /// - Parameters:
    ///   - record: the owner's record.
    ///   - old: the rows that are stored.
    ///   - match: the stored row that a row without an id stands for; nil for a new one.
    ///   - read: makes a row from its JSON, over the one that is stored or a new one.
    /// - Throws: ``ServiceError`` 400 that names the relation.
    func merged(
        _ record: JSONText, over old: [Row], match: (JSONText) -> Row? = { _ in nil },
        read: (JSONText, Row?) throws(ServiceError) -> Row
    ) throws(ServiceError) -> [Row] {
        guard let given = record[name], !given.isNull else { return old }
        guard given.kind == .array, given.elements.allSatisfy({ $0.kind == .object }) else {
            throw .badRequest("'\(name)' must be a list of objects.")
        }
        guard given.elements.count <= 1000 else { throw .badRequest("'\(name)' may have 1000 rows at most.") }
        var rows = old
        for row in given.elements {
            let stored = try stored(row, old) ?? match(row)
            if row[owner]?.isNull == true {
                guard let stored else { throw .badRequest("A row of '\(name)' with '\(owner)' null needs its 'id'.") }
                rows.removeAll { $0[keyPath: id] == stored[keyPath: id] }
                continue
            }
            let new = try read(row, stored)
            if let stored, let index = rows.firstIndex(where: { $0[keyPath: id] == stored[keyPath: id] }) {
                rows[index] = new
            } else {
                rows.append(new)
            }
        }
        return rows
    }

    private func stored(_ row: JSONText, _ old: [Row]) throws(ServiceError) -> Row? {
        guard let given = row["id"], !given.isNull else { return nil }
        guard let number = given.integer, let found = old.first(where: { $0[keyPath: id] == Int64(number) }) else {
            throw .badRequest(
                "'\(name)' has no row with the id \(given.text.prefix(40)). Leave 'id' out for a new row.")
        }
        return found
    }
}
