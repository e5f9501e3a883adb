import Glibc

/// A name that a Python script gives its process, by which it is found among those of the machine: inside its sandbox its
/// number is another one.
public struct ScriptName: Sendable {
    public let text = "t" + String(UInt64.random(in: 0 ... .max), radix: 36)

    public init() {}

    /// The script's first line.
    public var line: String { "import ctypes; ctypes.CDLL(None).prctl(15, b'\(text)')  # PR_SET_NAME\n" }

    /// The process, as this machine numbers it; nil where there is none that lives.
    public var process: pid_t? { Processes.named(text).first(where: Processes.isAlive) }
}
