/// A value that can be a parameter.
public protocol PostgresEncodable: Sendable {
    /// The type that the server is told.
    static var postgresType: PostgresType { get }
    /// SQL's NULL: nothing is encoded.
    var isNull: Bool { get }
    /// Appends the server's binary form.
    func encode(into buffer: inout [UInt8])
}

extension PostgresEncodable {
    public var isNull: Bool { false }
}

/// A value that can be read from a column.
public protocol PostgresDecodable: Sendable {
    /// - Throws: `value.mismatch(_:)` where the type does not fit.
    static func decode(_ value: PostgresValue) throws(DatabaseError) -> Self
}

/// What stands in one column of one row, or in one element of an array. Only valid while it is decoded.
public struct PostgresValue {
    public let type: PostgresType
    /// The server's binary form; nil for NULL.
    public let bytes: UnsafeRawBufferPointer?

    /// The error for a value that is not what was expected.
    public func mismatch(_ expected: String) -> DatabaseError {
        DatabaseError(.protocolMisuse, "expected \(expected), found \(bytes == nil ? "NULL" : type.description)")
    }

    /// An integer in network order, as long as the value.
    func integer() -> Int64 {
        guard let bytes, let first = bytes.first else { return 0 }
        let start: Int64 = first & 0x80 == 0 ? 0 : -1
        return bytes.reduce(start) { $0 << 8 | Int64($1) }
    }
}

extension Optional: PostgresEncodable where Wrapped: PostgresEncodable {
    public static var postgresType: PostgresType { Wrapped.postgresType }
    public var isNull: Bool { self?.isNull ?? true }
    public func encode(into buffer: inout [UInt8]) { self?.encode(into: &buffer) }
}

extension Optional: PostgresDecodable where Wrapped: PostgresDecodable {
    public static func decode(_ value: PostgresValue) throws(DatabaseError) -> Wrapped? {
        value.bytes == nil ? nil : try Wrapped.decode(value)
    }
}

extension PostgresEncodable where Self: RawRepresentable, RawValue: PostgresEncodable {
    public static var postgresType: PostgresType { RawValue.postgresType }
    public var isNull: Bool { rawValue.isNull }
    public func encode(into buffer: inout [UInt8]) { rawValue.encode(into: &buffer) }
}

extension PostgresDecodable where Self: RawRepresentable, RawValue: PostgresDecodable {
    public static func decode(_ value: PostgresValue) throws(DatabaseError) -> Self {
        guard let decoded = Self(rawValue: try RawValue.decode(value)) else { throw value.mismatch("\(Self.self)") }
        return decoded
    }
}

extension [UInt8] {
    /// Appends an integer in network order.
    mutating func append(networkOrder value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
    }
}
