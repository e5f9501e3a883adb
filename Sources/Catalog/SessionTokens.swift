import Core
import Database
import FoundationEssentials
import JWTKit

/// Session tokens: JWTs (RFC 7519) signed with HS256 by a key of the installation.
public struct SessionTokens: Sendable {
    /// How long a token is good: 24 hours, as DreamFactory's `DF_JWT_TTL`.
    public static let lifetime: TimeInterval = 24 * 3600
    /// How long after its issue a token may still be exchanged for a fresh one: 14 days, as `DF_JWT_REFRESH_TTL`.
    public static let refreshWindow: TimeInterval = 14 * 24 * 3600

    /// What a token says.
    public struct Claims: Sendable {
        public let id: JobID
        public let tenant: TenantName
        /// When that tenant was made: another one may have had the name before it.
        public let tenantCreated: Timestamp
        public let account: Int64
        /// Of the account's passwords, the one that it was issued for.
        public let generation: Int32
        public let issued: Date
        public let expires: Date
        /// For how long it was issued; one that replaces it is good as long.
        public let lifetime: TimeInterval
    }

    /// Why a token is refused.
    public enum Refusal: Error, Sendable {
        case invalid, expired
    }

    private struct Payload: JWTPayload {
        var iss: String
        var sub: String
        var jti: String
        var tenant: String
        var born: Int64
        /// Tokens of before have none: they are of the first password that a program with generations knows.
        var gen: Int32?
        /// Missing where it is ``SessionTokens/lifetime``.
        var ttl: Double?
        var iat: Double
        var exp: Double

        /// Times are checked by the reader, which may accept an expired token for a refresh.
        func verify(using algorithm: some JWTAlgorithm) async throws {}
    }

    private static let issuer = "scriptorium"
    private let keys: JWTKeyCollection
    private let newest: JWKIdentifier

    /// Signs with the ring's first key and accepts all of them.
    public init(_ ring: SecretKeyRing) async {
        keys = JWTKeyCollection()
        let signing = ring.signing
        newest = JWKIdentifier(string: signing.first?.id ?? "")
        for key in signing {
            await keys.add(hmac: HMACKey(key: key.key), digestAlgorithm: .sha256, kid: JWKIdentifier(string: key.id))
        }
    }

    /// A token for an account, and when it expires.
    /// - Parameter lifetime: for how long it is good, up to the refresh window.
    public func issue(
        tenant: String, created: Timestamp, account: Account, lifetime: TimeInterval = Self.lifetime, now: Date
    ) async throws -> (token: String, expires: Date) {
        let lifetime = min(lifetime, Self.refreshWindow)
        let expires = Date(timeIntervalSince1970: (now.timeIntervalSince1970 + lifetime).rounded(.down))
        let payload = Payload(
            iss: Self.issuer, sub: String(account.id),
            jti: JobID(milliseconds: UInt64(now.timeIntervalSince1970 * 1000)).description, tenant: tenant,
            born: created.microseconds, gen: account.tokenGeneration,
            ttl: lifetime == Self.lifetime ? nil : lifetime, iat: now.timeIntervalSince1970.rounded(.down),
            exp: expires.timeIntervalSince1970)
        return (try await keys.sign(payload, kid: newest), expires)
    }

    /// Reads a token.
    /// - Parameter expired: whether a token past its time, but within the refresh window, is acceptable.
    /// - Throws: ``Refusal``
    public func verify(_ token: String, now: Date, expired: Bool = false) async throws(Refusal) -> Claims {
        guard token.utf8.count <= 4096, let payload = try? await keys.verify(token, as: Payload.self),
            payload.iss == Self.issuer, let id = JobID(payload.jti), let tenant = TenantName(payload.tenant),
            let account = Int64(payload.sub)
        else { throw .invalid }
        let claims = Claims(
            id: id, tenant: tenant, tenantCreated: Timestamp(microseconds: payload.born), account: account,
            generation: payload.gen ?? 0, issued: Date(timeIntervalSince1970: payload.iat),
            expires: Date(timeIntervalSince1970: payload.exp), lifetime: payload.ttl ?? Self.lifetime)
        guard now < claims.expires || expired && now < claims.issued.addingTimeInterval(Self.refreshWindow) else {
            throw .expired
        }
        return claims
    }
}
