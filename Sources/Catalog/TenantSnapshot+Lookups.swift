import Core

extension TenantSnapshot {
    /// What somebody who calls can look up. A role that is switched off gives nothing.
    /// - Parameters:
    ///   - role: the one that they call with.
    ///   - app: the number of the app that they call with.
    public func lookups(of account: Account?, role: Role?, app: Int64?) -> LookupTable {
        LookupTable([
            account?.lookups ?? [],
            role.flatMap { $0.isActive ? lookups[.role($0.id)] : nil } ?? [],
            app.flatMap { lookups[.app($0)] } ?? [],
            lookups[.tenant] ?? [],
        ])
    }
}
