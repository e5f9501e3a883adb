import Core
import Database

/// What an ingress wants of a tenant's bucket of tokens, which all ingresses have together.
public struct TokenAsk: Sendable, Hashable {
    public var tenant: TenantID
    public var rate: CallRate
    /// For calls that are there.
    public var wanted: Int
    /// For calls to come, where there are plenty.
    public var ahead = 0
    /// How many of those that were taken ahead, and would be good still, are held no more.
    public var settled = 0
    /// How many of those that were taken ahead come back unused.
    public var returned = 0

    public init(tenant: TenantID, rate: CallRate, wanted: Int) {
        self.tenant = tenant
        self.rate = rate
        self.wanted = wanted
    }
}

/// What an ingress got out of a tenant's bucket.
public struct TokenGrant: Sendable, Hashable {
    public let granted: Int
    public let ahead: Int
    /// What is in the bucket still.
    public let left: Double
    /// Until there is a whole token, by the database's clock; nil where there never will be.
    public let wait: Duration?
}

extension Catalog {
    /// Takes tokens out of the buckets of some tenants, each of which is asked for once.
    /// - Parameter hold: how long tokens that are taken ahead may be used.
    /// - Returns: a grant for each ask, in their order.
    /// - Throws: `DatabaseError`
    public func takeTokens(_ asks: [TokenAsk], hold: Duration) async throws -> [TokenGrant] {
        let rows = try await database.system.execute(
            SystemStatements.takeTokens,
            [
                SQLArray(asks.map(\.tenant.rawValue)), SQLArray(asks.map { Int32(clamping: $0.wanted) }),
                SQLArray(asks.map { Int32(clamping: $0.ahead) }), SQLArray(asks.map { Int32(clamping: $0.settled) }),
                SQLArray(asks.map { Int32(clamping: $0.returned) }), SQLArray(asks.map(\.rate.perSecond)),
                SQLArray(asks.map(\.rate.capacity)), hold.seconds,
            ])
        var grants: [Int64: TokenGrant] = [:]
        for row in rows {
            let (tenant, granted, ahead, left, wait) = try row.decode(
                Int64.self, Int32.self, Int32.self, Double.self, Double?.self)
            grants[tenant] = TokenGrant(
                granted: Int(granted), ahead: Int(ahead), left: left,
                // The slowest rate would fill a bucket in more time than a duration can hold.
                wait: wait.map { .seconds(min($0, 1e9)) })
        }
        return try asks.map { ask in
            guard let grant = grants[ask.tenant.rawValue] else {
                throw DatabaseError(.unavailable, "the bucket of tenant \(ask.tenant) was cleared away")
            }
            return grant
        }
    }
}
