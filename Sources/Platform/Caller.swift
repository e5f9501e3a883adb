import Catalog
import Core

/// Who calls, with the tenant that they belong to.
public struct Caller: Sendable {
    public var tenant: TenantSnapshot
    public var session: Session
    /// What the caller's session token says; nil without one.
    public var claims: SessionTokens.Claims?
    /// What scripts of the call can look up.
    public var lookups = LookupTable()
    /// The id of the HTTP request behind the call.
    public var requestID: String
    /// The trace that the call belongs to, for whatever it sets off.
    public var trace: TraceContext

    public init(
        tenant: TenantSnapshot, session: Session, claims: SessionTokens.Claims? = nil, requestID: String,
        trace: TraceContext
    ) {
        self.tenant = tenant
        self.session = session
        self.claims = claims
        self.requestID = requestID
        self.trace = trace
    }
}
