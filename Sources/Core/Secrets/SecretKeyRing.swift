import Crypto
import CryptoExtras
import FoundationEssentials

/// The installation's secret keys (`SECRET_KEY`): the first one wraps and signs, all of them open and verify.
public struct SecretKeyRing: Sendable {
    /// Why a configured value is no key.
    public struct Invalid: Error, CustomStringConvertible {
        public let description: String
    }

    private let keys: [SymmetricKey]

    /// Reads keys of 32 bytes in base64, separated by commas, the newest first.
    /// - Throws: ``Invalid``, whose text never holds the value.
    public init(base64List: String) throws(Invalid) {
        var keys: [SymmetricKey] = []
        for part in base64List.split(separator: ",") {
            guard let data = Data(base64Encoded: String(part.trimming { $0 == " " })), data.count == 32 else {
                throw Invalid(
                    description: "each key must be 32 bytes in base64, for example from: openssl rand -base64 32")
            }
            keys.append(SymmetricKey(data: data))
        }
        guard !keys.isEmpty else { throw Invalid(description: "there is no key in it") }
        self.keys = keys
    }

    /// A fresh key in the form that ``init(base64List:)`` reads.
    public static func generate() -> String {
        SymmetricKey(size: .bits256).withUnsafeBytes { Data($0).base64EncodedString() }
    }

    /// A fresh data key for a tenant, and the same wrapped for storage.
    public func makeDataKey() throws -> (key: DataKey, wrapped: [UInt8]) {
        let key = SymmetricKey(size: .bits256)
        let raw = key.withUnsafeBytes { Array($0) }
        let box = try AES.GCM.seal(raw, using: wrapping(keys[0]))
        // A nonce of the default length always gives the combined form.
        return (DataKey(key), Array(box.combined ?? Data()))
    }

    /// Opens a wrapped data key with whichever key fits.
    /// - Throws: `CryptoKitError` where none does: the installation's key was changed without keeping the old one.
    public func unwrap(_ wrapped: [UInt8]) throws -> DataKey {
        let box = try AES.GCM.SealedBox(combined: wrapped)
        var failure: any Error = CryptoKitError.authenticationFailure
        for key in keys {
            do {
                return DataKey(SymmetricKey(data: try AES.GCM.open(box, using: wrapping(key))))
            } catch {
                failure = error
            }
        }
        throw failure
    }

    /// Keys for signing session tokens, the newest first; each with a name that tells which it is, not what.
    public var signing: [(id: String, key: SymmetricKey)] {
        keys.map { key in
            let derived = derive(key, "scriptorium.session")
            let name = SHA256.hash(data: derived.withUnsafeBytes { Data($0) }).prefix(6)
            return (name.map { String($0, radix: 16) }.joined(), derived)
        }
    }

    /// What is sealed and what is signed use different keys (NIST SP 800-108: one key, one purpose).
    private func derive(_ key: SymmetricKey, _ purpose: String) -> SymmetricKey {
        HKDF<SHA256>.deriveKey(inputKeyMaterial: key, info: Data(purpose.utf8), outputByteCount: 32)
    }

    private func wrapping(_ key: SymmetricKey) -> SymmetricKey { derive(key, "scriptorium.data-key") }
}

extension StringProtocol {
    /// The text without leading and trailing characters that fit.
    public func trimming(_ fits: (Character) -> Bool) -> SubSequence {
        let head = drop(while: fits)
        guard let last = head.lastIndex(where: { !fits($0) }) else { return head.prefix(0) }
        return head[...last]
    }
}
