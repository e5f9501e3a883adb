import Core

extension ScriptLanguage {
    /// What every interpreter needs: the loader, the libraries, the time zones and the locale.
    private static let everybody = [
        "/lib", "/lib64", "/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu",
        "/lib/x86_64-linux-gnu",
        "/lib/aarch64-linux-gnu", "/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo", "/usr/lib/locale",
        "/usr/local/lib/x86_64-linux-gnu",
    ]

    /// Where an interpreter that is installed in a place of its own has its libraries; nil for that of the system.
    static func ownLibrary(of path: String) -> String? {
        let prefix = path.split(separator: "/").dropLast(2)
        return prefix.isEmpty || prefix == ["usr"] ? nil : "/\(prefix.joined(separator: "/"))/lib"
    }

    /// The files and directories of this machine that the interpreter `path` needs; those that do not exist count for
    /// nothing. Everything else is absent in its sandbox.
    func files(of path: String) -> [String] {
        var files = Self.everybody + [path]
        if let library = Self.ownLibrary(of: path) { files.append(library) }
        switch self {
        // Debian's packages link to files there.
        case .nodejs, .v8js: files += libraryFolders + ["/usr/share/javascript"]
        case .php: files += ["/usr/lib/php", "/etc/php", "/usr/share/php", "/usr/local/lib/php", "/usr/local/etc/php"]
        case .python, .python3:
            let version = path.split(separator: "/").last ?? "python3"
            files += [
                "/usr/lib/\(version)", "/usr/lib/python3", "/usr/local/lib/\(version)", "/usr/share/python-wheels",
            ]
        }
        return files
    }
}
