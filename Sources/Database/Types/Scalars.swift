import Core

extension Bool: PostgresEncodable, PostgresDecodable {
    public static var postgresType: PostgresType { .bool }
    public func encode(into buffer: inout [UInt8]) { buffer.append(self ? 1 : 0) }
    public static func decode(_ value: PostgresValue) throws(DatabaseError) -> Bool {
        guard value.type == .bool, let bytes = value.bytes, bytes.count == 1 else { throw value.mismatch("bool") }
        return bytes[0] != 0
    }
}

extension Int16: PostgresEncodable, PostgresDecodable {
    public static var postgresType: PostgresType { .int2 }
    public func encode(into buffer: inout [UInt8]) { buffer.append(networkOrder: self) }
    public static func decode(_ value: PostgresValue) throws(DatabaseError) -> Int16 {
        guard value.bytes != nil, value.type == .int2 else { throw value.mismatch("int2") }
        return Int16(truncatingIfNeeded: value.integer())
    }
}

extension Int32: PostgresEncodable, PostgresDecodable {
    public static var postgresType: PostgresType { .int4 }
    public func encode(into buffer: inout [UInt8]) { buffer.append(networkOrder: self) }
    public static func decode(_ value: PostgresValue) throws(DatabaseError) -> Int32 {
        guard value.bytes != nil, [.int2, .int4].contains(value.type) else { throw value.mismatch("int4") }
        return Int32(truncatingIfNeeded: value.integer())
    }
}

extension Int64: PostgresEncodable, PostgresDecodable {
    public static var postgresType: PostgresType { .int8 }
    public func encode(into buffer: inout [UInt8]) { buffer.append(networkOrder: self) }
    public static func decode(_ value: PostgresValue) throws(DatabaseError) -> Int64 {
        guard value.bytes != nil, [.int2, .int4, .int8].contains(value.type) else { throw value.mismatch("int8") }
        return value.integer()
    }
}

extension Int: PostgresEncodable, PostgresDecodable {
    public static var postgresType: PostgresType { .int8 }
    public func encode(into buffer: inout [UInt8]) { buffer.append(networkOrder: Int64(self)) }
    public static func decode(_ value: PostgresValue) throws(DatabaseError) -> Int { Int(try Int64.decode(value)) }
}

extension Double: PostgresEncodable, PostgresDecodable {
    public static var postgresType: PostgresType { .float8 }
    public func encode(into buffer: inout [UInt8]) { buffer.append(networkOrder: bitPattern) }
    public static func decode(_ value: PostgresValue) throws(DatabaseError) -> Double {
        guard value.bytes != nil else { throw value.mismatch("float8") }
        switch value.type {
        case .float8: return Double(bitPattern: UInt64(bitPattern: value.integer()))
        case .float4: return Double(Float(bitPattern: UInt32(truncatingIfNeeded: value.integer())))
        default: throw value.mismatch("float8")
        }
    }
}

extension String: PostgresEncodable, PostgresDecodable {
    public static var postgresType: PostgresType { .text }
    public func encode(into buffer: inout [UInt8]) { buffer.append(contentsOf: utf8) }

    private static let textual: Set<PostgresType> = [.text, .varchar, .bpchar, .name, .char, .json, .unknown]

    public static func decode(_ value: PostgresValue) throws(DatabaseError) -> String {
        guard let bytes = value.bytes else { throw value.mismatch("text") }
        if textual.contains(value.type) { return String(decoding: bytes, as: UTF8.self) }
        // The binary form of jsonb is its text after one byte, the version, which is 1.
        guard value.type == .jsonb, bytes.first == 1 else { throw value.mismatch("text") }
        return String(decoding: bytes.dropFirst(), as: UTF8.self)
    }
}

extension Array: PostgresEncodable where Element == UInt8 {
    public static var postgresType: PostgresType { .bytea }
    public func encode(into buffer: inout [UInt8]) { buffer.append(contentsOf: self) }
}

extension Array: PostgresDecodable where Element == UInt8 {
    public static func decode(_ value: PostgresValue) throws(DatabaseError) -> [UInt8] {
        guard value.type == .bytea, let bytes = value.bytes else { throw value.mismatch("bytea") }
        return [UInt8](bytes)
    }
}

extension JobID: PostgresEncodable, PostgresDecodable {
    public static var postgresType: PostgresType { .uuid }

    public func encode(into buffer: inout [UInt8]) {
        buffer.append(networkOrder: high)
        buffer.append(networkOrder: low)
    }

    public static func decode(_ value: PostgresValue) throws(DatabaseError) -> JobID {
        guard value.type == .uuid, let bytes = value.bytes, let id = JobID(bytes: bytes) else {
            throw value.mismatch("uuid")
        }
        return id
    }
}

extension TenantID: PostgresEncodable, PostgresDecodable {}
