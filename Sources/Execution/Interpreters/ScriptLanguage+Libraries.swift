import Core
import Glibc

/// A library that scripts written for DreamFactory expect.
struct ScriptLibrary {
    let name: String
    /// The Debian package that has it.
    let package: String
}

extension ScriptLanguage {
    var libraries: [ScriptLibrary] {
        switch self {
        case .nodejs:
            [
                ScriptLibrary(name: "lodash", package: "node-lodash"),
                ScriptLibrary(name: "async", package: "node-async"),
            ]
        case .v8js: [ScriptLibrary(name: "lodash", package: "node-lodash")]
        case .php, .python, .python3: []
        }
    }

    /// Where libraries are looked for, beside the interpreter's own places. What the operator has installed with npm
    /// comes before what the distribution has, which Node.js does not search by itself.
    var libraryFolders: [String] {
        switch self {
        case .nodejs, .v8js:
            [
                "/usr/local/lib/node_modules", "/usr/lib/node_modules", "/usr/local/share/nodejs", "/usr/lib/nodejs",
                "/usr/share/nodejs",
            ]
        case .php, .python, .python3: []
        }
    }

    /// A sentence for each expected library that is in none of `folders`.
    func missingLibraries(in folders: [String]) -> [String] {
        libraries.compactMap { library in
            let isThere = folders.contains { folder in
                ["", ".js"].contains { access("\(folder)/\(library.name)\($0)", F_OK) == 0 }
            }
            guard !isThere else { return nil }
            return "The library '\(library.name)' is missing, which scripts may require: "
                + "install the Debian package \(library.package)."
        }
    }
}
