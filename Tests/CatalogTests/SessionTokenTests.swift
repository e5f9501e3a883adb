import Catalog
import Core
import Database
import FoundationEssentials
import Testing

@Suite struct SessionTokenTests {
    private let key = SecretKeyRing.generate()
    private let born = Timestamp(microseconds: 1_700_000_000_123_456)
    private let now = Date(timeIntervalSince1970: 1_800_000_000)

    private let account = {
        var account = Account(
            id: 7, isAdmin: false, email: "a@b.c", name: "Ada", firstName: nil, lastName: nil, isActive: true,
            role: nil,
            lastLogin: nil)
        account.tokenGeneration = 3
        return account
    }()

    private func tokens(_ keys: String? = nil) async throws -> SessionTokens {
        await SessionTokens(try SecretKeyRing(base64List: keys ?? key))
    }

    private func refusal(
        _ tokens: SessionTokens, _ token: String, at time: Date, expired: Bool = false
    ) async -> SessionTokens.Refusal? {
        do {
            _ = try await tokens.verify(token, now: time, expired: expired)
            return nil
        } catch {
            return error
        }
    }

    @Test func aTokenSaysWhoItIsFor() async throws {
        let tokens = try await tokens()
        let (token, expires) = try await tokens.issue(tenant: "acme", created: born, account: account, now: now)
        let claims = try await tokens.verify(token, now: now)
        #expect(claims.tenant.text == "acme")
        #expect(claims.tenantCreated == born)
        #expect(claims.account == 7)
        #expect(claims.generation == 3)
        #expect(claims.expires == expires)
        #expect(expires.timeIntervalSince(now) == SessionTokens.lifetime)
    }

    @Test func aTokenExpiresAndCanThenOnlyBeRefreshed() async throws {
        let tokens = try await tokens()
        let (token, expires) = try await tokens.issue(tenant: "acme", created: born, account: account, now: now)
        #expect(await refusal(tokens, token, at: expires.addingTimeInterval(-1)) == nil)
        #expect(await refusal(tokens, token, at: expires) == .expired)
        #expect(await refusal(tokens, token, at: expires, expired: true) == nil)
        let end = now.addingTimeInterval(SessionTokens.refreshWindow)
        #expect(await refusal(tokens, token, at: end, expired: true) == .expired)
    }

    @Test func aForgedTokenIsRefused() async throws {
        let tokens = try await tokens()
        let (token, _) = try await tokens.issue(tenant: "acme", created: born, account: account, now: now)
        let (foreign, _) = try await self.tokens(SecretKeyRing.generate()).issue(
            tenant: "acme", created: born, account: account, now: now)
        #expect(await refusal(tokens, foreign, at: now) == .invalid)
        let parts = token.split(separator: ".").map(String.init)
        // {"alg":"none","typ":"JWT"}
        #expect(await refusal(tokens, "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.\(parts[1]).", at: now) == .invalid)
        // The first character: of the last one, some bits do not count.
        let changed = (parts[2].hasPrefix("A") ? "B" : "A") + parts[2].dropFirst()
        #expect(await refusal(tokens, "\(parts[0]).\(parts[1]).\(changed)", at: now) == .invalid)
        #expect(await refusal(tokens, "", at: now) == .invalid)
        #expect(await refusal(tokens, String(repeating: "a.", count: 100_000), at: now) == .invalid)
    }

    @Test func anOldKeyOfTheRingStillVerifies() async throws {
        let (token, _) = try await tokens().issue(tenant: "acme", created: born, account: account, now: now)
        let rotated = try await tokens("\(SecretKeyRing.generate()),\(key)")
        #expect(await refusal(rotated, token, at: now) == nil)
    }
}
