/// Parameters in the form that libpq takes, all binary.
struct ParameterList {
    private(set) var types: [UInt32] = []
    private var ranges: [Range<Int>?] = []
    private var bytes: [UInt8] = []

    init(_ parameters: [(any PostgresEncodable)?]) {
        for parameter in parameters {
            guard let parameter else {
                types.append(PostgresType.unspecified.oid)
                ranges.append(nil)
                continue
            }
            types.append(type(of: parameter).postgresType.oid)
            let start = bytes.count
            if parameter.isNull {
                ranges.append(nil)
            } else {
                parameter.encode(into: &bytes)
                ranges.append(start..<bytes.count)
            }
        }
        // An empty value is a pointer to something of length 0; NULL is no pointer.
        bytes.append(0)
    }

    var count: Int32 { Int32(types.count) }

    func withPointers<R>(
        _ body: (
            _ values: UnsafePointer<UnsafePointer<CChar>?>?, _ lengths: UnsafePointer<Int32>?,
            _ formats: UnsafePointer<Int32>?
        ) -> R
    ) -> R {
        bytes.withUnsafeBytes { buffer in
            let base = buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
            let values = ranges.map { range in range.flatMap { range in base.map { $0 + range.lowerBound } } }
            let lengths = ranges.map { Int32($0?.count ?? 0) }
            let formats = [Int32](repeating: 1, count: ranges.count)
            return body(values, lengths, formats)
        }
    }

    /// Whether a statement prepared for `other` takes these: NULL without a type goes everywhere.
    func fits(_ other: [UInt32]) -> Bool {
        types.count == other.count && zip(types, other).allSatisfy { $0 == $1 || $0 == 0 }
    }
}
