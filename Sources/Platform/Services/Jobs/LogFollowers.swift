import Core
import Synchronization

/// How many follow logs in this process, by tenant: each costs looks at the database while it is open.
final class LogFollowers: Sendable {
    /// At the same time, of one tenant.
    static let mostOfTenant = 100

    private let counts = Mutex<[TenantID: Int]>([:])

    /// One follower's place, for as long as somebody holds it.
    final class Place: Sendable {
        private let followers: LogFollowers
        private let tenant: TenantID

        fileprivate init(_ followers: LogFollowers, _ tenant: TenantID) {
            self.followers = followers
            self.tenant = tenant
        }

        deinit { followers.leave(tenant) }
    }

    /// A place; nil where the tenant has all of its own in use.
    func enter(_ tenant: TenantID) -> Place? {
        let isFree = counts.withLock { counts in
            guard counts[tenant, default: 0] < Self.mostOfTenant else { return false }
            counts[tenant, default: 0] += 1
            return true
        }
        return isFree ? Place(self, tenant) : nil
    }

    private func leave(_ tenant: TenantID) {
        counts.withLock { counts in
            counts[tenant, default: 1] -= 1
            if counts[tenant] == 0 { counts[tenant] = nil }
        }
    }
}
