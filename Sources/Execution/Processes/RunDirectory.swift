import Core
import Glibc

/// The directory that holds the harnesses and the processes' working directories. `cell` removes it at its end.
///
/// The scripts' user may pass through it, but not list or change it, where that is not this program's own.
struct RunDirectory: Sendable {
    let path: String
    /// The user and group of the working directories; nil stands for our own.
    let uid: UInt32?

    /// - Parameter parent: must exist.
    /// - Throws: ``ExecutionError`` with code `runDirectory`.
    init(in parent: String, uid: UInt32?) throws(ExecutionError) {
        var template = Array("\(parent)/scriptorium-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw ExecutionError(.runDirectory, "can not make a run directory in \(parent)", errno: errno)
        }
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        self.uid = uid
        chmod(path, 0o711)
        for language in ScriptLanguage.allCases { try write(language.harness, to: harness(of: language)) }
    }

    func harness(of language: ScriptLanguage) -> String { "\(path)/\(language.harnessName)" }

    /// Makes an empty directory that only the scripts' user may enter; returns its name in the run directory.
    func makeWorkingDirectory() throws(ExecutionError) -> String {
        var template = Array("\(path)/w-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw ExecutionError(.runDirectory, "can not make a working directory in \(path)", errno: errno)
        }
        let made = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        if let uid, chown(made, uid, uid) != 0 {
            throw ExecutionError(.runDirectory, "can not give away \(made)", errno: errno)
        }
        return String(made.dropFirst(path.utf8.count + 1))
    }

    private func write(_ bytes: UnsafeRawBufferPointer, to file: String) throws(ExecutionError) {
        let descriptor = Descriptor(open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o444))
        guard descriptor.isOpen, Glibc.write(descriptor.number, bytes.baseAddress, bytes.count) == bytes.count,
            fchmod(descriptor.number, 0o444) == 0
        else { throw ExecutionError(.runDirectory, "can not write \(file)", errno: errno) }
    }
}
