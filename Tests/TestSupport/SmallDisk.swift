import Glibc
import Synchronization

/// A file system of a given size in memory, which a test fills up and frees again.
public struct SmallDisk: Sendable {
    public let path: String

    private static let mounted = Mutex<[String]>([])
    private static let clean: Void = {
        atexit { for path in SmallDisk.mounted.withLock({ $0 }) { umount2(path, Int32(MNT_DETACH)) } }
    }()

    /// Nil where it can not be mounted: that takes root.
    public init?(megabytes: Int) {
        path = TestFolder.path(for: "disk")
        guard mkdir(path, 0o755) == 0, mount("tmpfs", path, "tmpfs", 0, "size=\(megabytes)m,mode=755") == 0 else {
            rmdir(path)
            return nil
        }
        _ = Self.clean
        Self.mounted.withLock { [path] in $0.append(path) }
    }

    private var filler: String { "\(path)/filler" }

    /// Takes all the room that is left.
    public func fill() throws {
        let file = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw NeverHappened(description: "no \(filler)") }
        defer { close(file) }
        var size: off_t = 0
        for step in [off_t(1 << 24), 1 << 20, 1 << 16, 4096] {
            while posix_fallocate(file, size, step) == 0 { size += step }
        }
        guard size > 0 else { throw NeverHappened(description: "the disk was full already") }
    }

    /// Gives the room back.
    public func free() { unlink(filler) }

    /// Nobody may use it any more.
    public func remove() {
        umount2(path, Int32(MNT_DETACH))
        Self.mounted.withLock { [path] in $0.removeAll { $0 == path } }
        rmdir(path)
    }
}
