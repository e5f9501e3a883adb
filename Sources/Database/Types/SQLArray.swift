/// A one-dimensional array of the server; an element may be optional.
public struct SQLArray<Element> {
    public var elements: [Element]
    public init(_ elements: some Sequence<Element>) { self.elements = Array(elements) }
}

extension SQLArray: Sendable where Element: Sendable {}
extension SQLArray: Equatable where Element: Equatable {}

extension SQLArray: ExpressibleByArrayLiteral {
    public init(arrayLiteral elements: Element...) { self.elements = elements }
}

/// The binary form (`array_send` in PostgreSQL's arrayfuncs.c): dimensions, a flag for NULLs and the element's type; for each
/// dimension its length and lower bound; then each element behind its length, -1 for NULL.
extension SQLArray: PostgresEncodable where Element: PostgresEncodable {
    public static var postgresType: PostgresType { Element.postgresType.array ?? .unspecified }

    public func encode(into buffer: inout [UInt8]) {
        buffer.append(networkOrder: Int32(elements.isEmpty ? 0 : 1))
        buffer.append(networkOrder: Int32(elements.contains(where: \.isNull) ? 1 : 0))
        buffer.append(networkOrder: Element.postgresType.oid)
        guard !elements.isEmpty else { return }
        buffer.append(networkOrder: Int32(elements.count))
        buffer.append(networkOrder: Int32(1))
        for element in elements {
            let start = buffer.count
            buffer.append(networkOrder: Int32(-1))
            guard !element.isNull else { continue }
            element.encode(into: &buffer)
            withUnsafeBytes(of: Int32(buffer.count - start - 4).bigEndian) {
                buffer.replaceSubrange(start..<start + 4, with: $0)
            }
        }
    }
}

extension SQLArray: PostgresDecodable where Element: PostgresDecodable {
    public static func decode(_ value: PostgresValue) throws(DatabaseError) -> SQLArray {
        guard var rest = value.bytes.map({ $0[...] }) else { throw value.mismatch("an array") }
        func next() throws(DatabaseError) -> Int {
            guard rest.count >= 4 else { throw value.mismatch("an array") }
            defer { rest = rest.dropFirst(4) }
            return Int(Int32(truncatingIfNeeded: rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }))
        }
        let dimensions = try next()
        _ = try next()
        let type = PostgresType(oid: UInt32(truncatingIfNeeded: try next()))
        guard dimensions > 0 else { return [] }
        let count = try next()
        _ = try next()
        guard dimensions == 1, count >= 0, count <= rest.count else { throw value.mismatch("a flat array") }
        var elements: [Element] = []
        elements.reserveCapacity(count)
        for _ in 0..<count {
            let length = try next()
            guard length <= rest.count else { throw value.mismatch("an array") }
            let bytes = length < 0 ? nil : UnsafeRawBufferPointer(rebasing: rest.prefix(length))
            elements.append(try Element.decode(PostgresValue(type: type, bytes: bytes)))
            rest = rest.dropFirst(max(length, 0))
        }
        return SQLArray(elements)
    }
}
