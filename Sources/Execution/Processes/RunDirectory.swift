import Core
import Glibc

/// The directory that holds what the processes of a sandbox need from us: the harnesses, the sandbox's library, and an
/// empty directory that becomes their root. `cell` removes it at its end.
///
/// The scripts' user may pass through it, but not list or change it, where that is not this program's own.
struct RunDirectory: Sendable {
    let path: String

    /// - Parameters:
    ///   - parent: must exist.
    ///   - library: the file of the sandbox's library.
    /// - Throws: ``ExecutionError`` with code `runDirectory`.
    init(in parent: String, library: String) throws(ExecutionError) {
        var template = Array("\(parent)/scriptorium-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw ExecutionError(.runDirectory, "can not make a run directory in \(parent)", errno: errno)
        }
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        chmod(path, 0o711)
        guard mkdir("\(path)/root", 0o711) == 0, chmod("\(path)/root", 0o711) == 0 else {
            throw ExecutionError(.runDirectory, "can not make \(path)/root", errno: errno)
        }
        for language in ScriptLanguage.allCases { try write(language.harness, to: file(language.harnessName)) }
        // A copy: the scripts' user may not reach where the program is installed.
        try copy(library, to: file(Self.libraryName))
    }

    private static let libraryName = "libsandbox.so"

    /// Where the directory's files are seen in a sandbox that has a root of its own.
    private static let seenIn = "/cell"

    private func file(_ name: String) -> String { "\(path)/\(name)" }

    /// The path of a language's harness as its process sees it.
    @PollThread func harness(of language: ScriptLanguage, in sandbox: Sandbox) -> String {
        seen(language.harnessName, in: sandbox)
    }

    /// The path of the sandbox's library as a zygote sees it.
    @PollThread func library(in sandbox: Sandbox) -> String { seen(Self.libraryName, in: sandbox) }

    @PollThread private func seen(_ name: String, in sandbox: Sandbox) -> String {
        sandbox.hasNamespaces ? "\(Self.seenIn)/\(name)" : file(name)
    }

    /// What of the directory a language's process sees.
    @PollThread func binds(for language: ScriptLanguage) -> [Cell.Bind] {
        [language.harnessName, Self.libraryName].map { Cell.Bind(source: file($0), target: "\(Self.seenIn)/\($0)") }
    }

    /// Removes it, where no `cell` could.
    func remove() {
        for name in ScriptLanguage.allCases.map(\.harnessName) + [Self.libraryName] { unlink(file(name)) }
        rmdir("\(path)/root")
        rmdir(path)
    }

    private func copy(_ source: String, to target: String) throws(ExecutionError) {
        let input = Descriptor(open(source, O_RDONLY | O_CLOEXEC))
        let output = Descriptor(open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o444))
        guard input.isOpen, output.isOpen else {
            throw ExecutionError(.runDirectory, "can not copy \(source)", errno: errno)
        }
        var copied = 0
        repeat {
            copied = sendfile(output.number, input.number, nil, 1 << 20)
        } while copied > 0
        guard copied == 0, fchmod(output.number, 0o444) == 0 else {
            throw ExecutionError(.runDirectory, "can not copy \(source)", errno: errno)
        }
    }

    private func write(_ bytes: UnsafeRawBufferPointer, to file: String) throws(ExecutionError) {
        let descriptor = Descriptor(open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o444))
        guard descriptor.isOpen, Glibc.write(descriptor.number, bytes.baseAddress, bytes.count) == bytes.count,
            fchmod(descriptor.number, 0o444) == 0
        else { throw ExecutionError(.runDirectory, "can not write \(file)", errno: errno) }
    }
}
