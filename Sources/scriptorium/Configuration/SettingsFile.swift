import Core
import Glibc

/// A file of settings: lines `SCRIPTORIUM_NAME=value`; `#` begins a comment. Nothing in it is passed over: a line that
/// means nothing is a mistake that its author wants to hear of.
enum SettingsFile {
    /// More than a file of settings ever has.
    private static let largest = 1 << 20

    /// The values by their variables.
    /// - Throws: ``Settings/Invalid`` with the path, the line and what is wrong; a value is never part of it.
    static func values(_ path: String) throws(Settings.Invalid) -> [String: String] {
        let bytes = try contents(path)
        guard !bytes.contains(0), let text = String(validating: bytes, as: UTF8.self) else {
            throw Settings.Invalid(description: "The file '\(path)' of --config is not a text in UTF-8.")
        }
        var values: [String: String] = [:]
        var lines: [String: Int] = [:]
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let number = index + 1
            let line = line.trimming(\.isWhitespace)
            guard !line.isEmpty, !line.hasPrefix("#") else { continue }
            guard let equals = line.firstIndex(of: "=") else {
                throw invalid(
                    path, number, "there is no '='. A line is SCRIPTORIUM_NAME=value, or a comment after '#'.")
            }
            let name = String(line[..<equals].trimming(\.isWhitespace))
            guard Setting.all.contains(where: { $0.variable == name }) else {
                throw invalid(path, number, Setting.unknown(name))
            }
            if let first = lines.updateValue(number, forKey: name) {
                throw invalid(path, number, "\(name) was given in line \(first) already. Take one of them away.")
            }
            values[name] = String(line[line.index(after: equals)...].trimming(\.isWhitespace))
        }
        return values
    }

    private static func invalid(_ path: String, _ line: Int, _ text: String) -> Settings.Invalid {
        Settings.Invalid(description: "'\(path)', line \(line): \(text)")
    }

    private static func contents(_ path: String) throws(Settings.Invalid) -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw unreadable(path) }
        defer { close(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = read(file, &buffer, buffer.count)
            if count == 0 { return bytes }
            guard count > 0 else { throw unreadable(path) }
            bytes += buffer[..<count]
            guard bytes.count <= largest else {
                throw Settings.Invalid(description: "The file '\(path)' of --config is larger than 1 MiB.")
            }
        }
    }

    private static func unreadable(_ path: String) -> Settings.Invalid {
        Settings.Invalid(
            description: "The file '\(path)' of --config can not be read: \(String(cString: strerror(errno))).")
    }
}

extension Setting {
    /// Says that there is no setting of this name, and which one may be meant.
    static func unknown(_ name: String) -> String {
        // Names only: what stands before an equals sign by accident may be part of a value.
        let isName = name.wholeMatch(of: /[A-Za-z0-9_]{1,64}/) != nil
        let full = name.uppercased().hasPrefix("SCRIPTORIUM_") ? name.uppercased() : "SCRIPTORIUM_" + name.uppercased()
        let nearest = NearestName.of(full, among: all.map(\.variable)).map { " Did you mean \($0)?" } ?? ""
        return "\(isName ? "'\(name)'" : "What stands before '='") is not a setting.\(nearest)"
            + " 'scriptorium --help' lists all."
    }
}
