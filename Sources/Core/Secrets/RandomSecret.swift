import Crypto
import FoundationEssentials

/// Secrets that this program makes up.
public enum RandomSecret {
    /// An API key: 64 hexadecimal digits, like DreamFactory's.
    public static func apiKey() -> String { hex(bytes: 32) }

    /// A password that a person can copy: 24 characters without look-alikes, 136 bits.
    public static func password() -> String {
        let letters = Array("abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789")
        var generator = SystemRandomNumberGenerator()
        return String((0..<24).map { _ in letters[Int.random(in: letters.indices, using: &generator)] })
    }

    /// `bytes` random bytes in hexadecimal.
    public static func hex(bytes: Int) -> String {
        var generator = SystemRandomNumberGenerator()
        return Hex.encode((0..<bytes).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
    }
}

/// Hexadecimal text in lower case.
public enum Hex {
    public static func encode(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}

/// SHA-256 of a secret, as it is stored.
public func sha256(_ secret: String) -> [UInt8] { sha256(Array(secret.utf8)) }

/// The SHA-256 of bytes.
public func sha256(_ bytes: [UInt8]) -> [UInt8] { Array(SHA256.hash(data: Data(bytes))) }
