import Crypto
import CryptoExtras
import FoundationEssentials

/// Hashing and checking of passwords with scrypt (RFC 7914), N = 2^15, r = 8, p = 1: 32 MiB and some 60 ms each.
///
/// The functions keep a core busy: call them where nobody else's work waits.
public enum Password {
    private static let rounds = 1 << 15
    private static let blockSize = 8
    private static let parallelism = 1

    /// `scrypt$N$r$p$salt$hash`, salt and hash in base64.
    public static func hash(_ password: String) throws -> String {
        var generator = SystemRandomNumberGenerator()
        let salt = Data((0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
        let hash = try derive(password, salt: salt, rounds: rounds, blockSize: blockSize, parallelism: parallelism)
        return "scrypt$\(rounds)$\(blockSize)$\(parallelism)"
            + "$\(salt.base64EncodedString())$\(hash.base64EncodedString())"
    }

    /// Whether `password` gives `stored`. A `stored` that is no hash fits nothing.
    public static func verify(_ password: String, against stored: String) -> Bool {
        let parts = stored.split(separator: "$", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 6, parts[0] == "scrypt", let rounds = Int(parts[1]), let blockSize = Int(parts[2]),
            let parallelism = Int(parts[3]), let salt = Data(base64Encoded: parts[4]),
            let expected = Data(base64Encoded: parts[5]),
            let hash = try? derive(
                password, salt: salt, rounds: rounds, blockSize: blockSize, parallelism: parallelism)
        else { return false }
        // Compares every byte whatever the first difference.
        return hash.count == expected.count && zip(hash, expected).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }

    private static func derive(
        _ password: String, salt: Data, rounds: Int, blockSize: Int, parallelism: Int
    ) throws -> Data {
        try KDF.Scrypt.deriveKey(
            from: Data(password.utf8), salt: salt, outputByteCount: 32, rounds: rounds, blockSize: blockSize,
            parallelism: parallelism
        ).withUnsafeBytes { Data($0) }
    }
}
