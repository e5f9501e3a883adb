import Crypto

/// A step of the schema: SQL without transaction control, which runs in a transaction of its own.
public struct Migration: Sendable, Hashable {
    /// From 1, without gaps.
    public let number: Int
    public let name: String
    public let sql: String

    public init(number: Int, name: String, sql: String) {
        self.number = number
        self.name = name
        self.sql = sql
    }

    /// SHA-256 of the SQL, in hexadecimal.
    public var checksum: String {
        let digits = Array("0123456789abcdef".utf8)
        let bytes = SHA256.hash(data: Array(sql.utf8)).flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// A migration and what the database says of it.
public struct MigrationStatus: Sendable, Hashable {
    public let number: Int
    public let name: String
    /// Nil: not applied.
    public let appliedAt: Timestamp?
    /// Applied, but from another text than this program has, or unknown to it.
    public let isForeign: Bool
}
