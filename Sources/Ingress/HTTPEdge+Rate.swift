import Catalog
import Core
import Platform

extension HTTPEdge {
    /// Counts a call of somebody who is known, once.
    ///
    /// Who only names a tenant, to sign in there, is nobody yet: strangers can not use up a tenant's rate, and the answer tells
    /// nothing about names.
    /// - Throws: ``ServiceError`` 429; `DatabaseError`.
    @inline(never)
    func count(_ caller: Caller, _ standing: inout RateStanding?) async throws {
        guard standing == nil, caller.session.appID != nil || caller.session.user != nil,
            let rate = caller.tenant.quotas.callRate
        else { return }
        let found = try await limiter.standing(of: caller.tenant.id, rate)
        standing = found
        if let refusal = found.refusal { throw refusal }
    }

    /// Says in an answer how the call stands to its tenant's rate. What a script says of that is not known to be true.
    static func tell(_ standing: RateStanding, in answer: inout ServiceResponse) {
        answer.headers.removeAll { ["ratelimit", "ratelimit-policy"].contains($0.name.lowercased()) }
        answer.headers += standing.headers
    }
}
