import CLibPQ

/// The result of a statement. Owns libpq's memory of it.
final class ResultTable: @unchecked Sendable {  // a PGresult is only read once libpq has handed it out
    let handle: OpaquePointer
    let statement: String?

    init(taking handle: OpaquePointer, statement: String?) {
        self.handle = handle
        self.statement = statement
    }

    deinit { PQclear(handle) }

    var rows: [Row] { (0..<PQntuples(handle)).map { Row(table: self, index: $0) } }

    /// How many rows the statement wrote, or read.
    var affected: Int { Int(String(cString: PQcmdTuples(handle))) ?? 0 }

    var commandTag: String { String(cString: PQcmdStatus(handle)) }
}

/// One row of a result.
public struct Row: Sendable {
    let table: ResultTable
    let index: Int32

    /// How many columns there are.
    public var count: Int { Int(PQnfields(table.handle)) }

    /// All columns, from the left; `Optional` takes NULL.
    /// - Throws: `DatabaseError.Code.protocolMisuse` where the count or a type does not fit.
    public func decode<each T: PostgresDecodable>(
        _ types: repeat (each T).Type
    ) throws(DatabaseError) -> (repeat each T) {
        var expected = 0
        for _ in repeat each types { expected += 1 }
        guard expected == count else {
            throw DatabaseError(
                .protocolMisuse, "the result has \(count) columns, \(expected) are read", statement: table.statement)
        }
        var column = -1
        func next<U: PostgresDecodable>(_ type: U.Type) throws(DatabaseError) -> U {
            column += 1
            return try decode(type, at: column)
        }
        return (repeat try next((each T).self))
    }

    /// The only column.
    /// - Throws: as the decoding of several.
    public func decode<T: PostgresDecodable>(_ type: T.Type) throws(DatabaseError) -> T {
        guard count == 1 else {
            throw DatabaseError(
                .protocolMisuse, "the result has \(count) columns, 1 is read", statement: table.statement)
        }
        return try decode(type, at: 0)
    }

    /// One column, counted from 0.
    /// - Throws: `DatabaseError.Code.protocolMisuse` where it does not exist or its type does not fit.
    public func decode<T: PostgresDecodable>(_ type: T.Type, at column: Int) throws(DatabaseError) -> T {
        guard (0..<count).contains(column) else {
            throw DatabaseError(.protocolMisuse, "the result has no column \(column)", statement: table.statement)
        }
        let field = Int32(column)
        let value = PostgresValue(
            type: PostgresType(oid: PQftype(table.handle, field)),
            bytes: PQgetisnull(table.handle, index, field) == 1
                ? nil
                : UnsafeRawBufferPointer(
                    start: PQgetvalue(table.handle, index, field), count: Int(PQgetlength(table.handle, index, field))))
        do {
            return try T.decode(value)
        } catch {
            let name = PQfname(table.handle, field).map { String(cString: $0) } ?? ""
            throw DatabaseError(error.code, "column \(column) (\(name)): \(error.message)", statement: table.statement)
        }
    }
}
