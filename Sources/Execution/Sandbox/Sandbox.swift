import Core

/// How the processes of one `cell` are held (see `Sources/CSandbox/include/sandbox.h`).
@PollThread
final class Sandbox {
    let tier: SandboxTier
    /// The first of the scripts' users; nil stands for this program's own, which is then all of them.
    let user: UInt32?
    /// Where limits of memory can be set for several processes together; nil where that is refused.
    let cgroups: Cgroups?
    /// Where the operator's packages are; nil where there are none.
    let packages: String?

    /// Why a process was ended that nobody here had ended, where the cell knows.
    var reason: @PollThread () -> String? = { nil }

    private var lastUser: UInt32 = 0

    init(tier: SandboxTier, user: UInt32?, cgroups: Cgroups?, packages: String?) {
        self.tier = tier
        self.user = user
        self.cgroups = cgroups
        self.packages = packages
    }

    /// Whether processes have a namespace of their own, and files in memory.
    var hasNamespaces: Bool { tier >= .b }

    /// Where a language's packages are on this machine: those for everybody in `shared`, those of a tenant in
    /// `tenants/NAME`.
    func packages(for language: ScriptLanguage, _ part: String) -> String? {
        packages.map { "\($0)/\(language.rawValue)/\(part)" }
    }

    /// Where a script finds its packages: those of its tenant, and those for everybody. Without namespaces there is no place
    /// that only one tenant sees.
    func packageFolders(for language: ScriptLanguage) -> [String] {
        guard let shared = packages(for: language, "shared") else { return [] }
        return hasNamespaces ? ["/packages/own", "/packages/shared"] : [shared]
    }

    /// How many users a cell of tier A has beside its own (`SANDBOX_USERS`).
    private static let users: UInt32 = 4095

    /// The user of the next process, as its namespace numbers it. Among so many, no two live at the same time.
    func nextUser() -> UInt32 {
        lastUser = lastUser % Self.users + 1
        return lastUser
    }
}
