/// How well scripts are contained, the weakest first. What each means is in `Sources/CSandbox/sandbox.h`.
public enum SandboxTier: String, Sendable, Hashable, Comparable, CaseIterable {
    /// Nothing but the process around them.
    case none
    /// Landlock and a filter of system calls, without namespaces.
    case c = "C"
    /// Namespaces of an unprivileged user.
    case b = "B"
    /// Namespaces with a user for each process.
    case a = "A"

    /// A tier that somebody may ask for, by its letter; nil for any other text.
    public init?(demanded text: String) {
        guard let tier = Self(rawValue: text), tier > .none else { return nil }
        self = tier
    }

    public static func < (a: SandboxTier, b: SandboxTier) -> Bool { a.rank < b.rank }

    /// 0 for ``none``, up to 3 for ``a``.
    public var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}
