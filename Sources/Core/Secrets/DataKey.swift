import Crypto
import FoundationEssentials

/// The key that seals one tenant's requests, sessions, responses and logs at rest (AES-256-GCM).
public struct DataKey: Sendable {
    private let key: SymmetricKey

    init(_ key: SymmetricKey) {
        self.key = key
    }

    /// Seals `plain`. The label is authenticated with it, so that a sealed value can not be moved to another place.
    /// - Returns: nonce, ciphertext and tag: 28 bytes more than `plain`.
    public func seal(_ plain: [UInt8], label: String) throws -> [UInt8] {
        let box = try AES.GCM.seal(plain, using: key, authenticating: Data(label.utf8))
        return Array(box.combined ?? Data())
    }

    /// Opens what ``seal(_:label:)`` made.
    /// - Throws: `CryptoKitError` where the key or the label differs, or a byte was changed.
    public func open(_ sealed: [UInt8], label: String) throws -> [UInt8] {
        let box = try AES.GCM.SealedBox(combined: sealed)
        return Array(try AES.GCM.open(box, using: key, authenticating: Data(label.utf8)))
    }
}
