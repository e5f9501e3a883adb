import Core
import Glibc

/// How scripts are run on this machine.
public struct ExecutionOptions: Sendable {
    /// The program `cell`; nil stands for the one beside this program's own file.
    public var cellPath: String?
    /// The interpreters; nil stands for the first that works in `/usr/bin` and then on the `PATH`.
    public var nodePath: String?
    public var phpPath: String?
    public var python2Path: String?
    public var python3Path: String?
    /// Where the run directory is made, which holds the harnesses and the scripts' working directories; nil stands for
    /// `/tmp`. The scripts' user must be able to reach it.
    public var runDirectory: String?
    /// The first of 4096 users and groups that scripts run as where this program is root; otherwise they run as its own.
    public var scriptUID: UInt32?
    /// Zygotes of each language that forks, at least 1.
    public var zygotes: Int
    /// After so many forks a zygote is replaced, for what may have leaked.
    public var forksPerZygote: Int
    /// Node.js processes that are started ahead, at least 1.
    public var parked: Int
    /// What is kept of the Node.js processes that may serve several jobs.
    public var reuse = ReuseRules()

    /// The best tier of the sandbox that is tried.
    public var mostTier: SandboxTier
    /// Whether scripts may run where no tier works. The executor only passes it on: who lets it run scripts must look.
    public var allowsNoSandbox: Bool
    /// The directory of the packages that scripts can import (see README); nil where there are none.
    public var packages: String?

    /// The first of the scripts' users where nothing else is said. They need no entry in `/etc/passwd`.
    public static let defaultScriptUID: UInt32 = 61184

    public init(
        cellPath: String? = nil, nodePath: String? = nil, phpPath: String? = nil, python2Path: String? = nil,
        python3Path: String? = nil,
        runDirectory: String? = nil, scriptUID: UInt32? = nil, zygotes: Int? = nil, forksPerZygote: Int = 10_000,
        parked: Int? = nil, mostTier: SandboxTier = .a, allowsNoSandbox: Bool = false, packages: String? = nil
    ) {
        let cores = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        self.cellPath = cellPath
        self.nodePath = nodePath
        self.phpPath = phpPath
        self.python2Path = python2Path
        self.python3Path = python3Path
        self.runDirectory = runDirectory
        self.scriptUID = scriptUID
        self.zygotes = max(1, zygotes ?? cores)
        self.forksPerZygote = max(1, forksPerZygote)
        self.parked = max(1, parked ?? max(2, cores))
        self.mostTier = mostTier
        self.allowsNoSandbox = allowsNoSandbox
        self.packages = packages
    }
}
