import FoundationEssentials

/// The checkout that the tests were built from.
public enum Checkout {
    private static let root: String = {
        let parts = #filePath.split(separator: "/").dropLast(3)
        return "/" + parts.joined(separator: "/")
    }()

    /// The absolute path of a file or folder of the checkout.
    public static func path(_ relative: String) -> String { root + "/" + relative }

    /// The text of a file of the checkout.
    public static func text(_ relative: String) throws -> String {
        let data = FileManager.default.contents(atPath: path(relative))
        guard let data else { throw Missing(file: relative) }
        return String(decoding: data, as: UTF8.self)
    }

    /// The files below a folder, as paths from the root.
    public static func files(below folder: String, ending: String) throws -> [String] {
        var found: [String] = []
        for name in try FileManager.default.contentsOfDirectory(atPath: path(folder)) {
            let relative = "\(folder)/\(name)"
            var isFolder = false
            if FileManager.default.fileExists(atPath: path(relative), isDirectory: &isFolder), isFolder {
                found += try files(below: relative, ending: ending)
            } else if name.hasSuffix(ending) {
                found.append(relative)
            }
        }
        return found.sorted()
    }

    /// A file that is not there.
    public struct Missing: Error {
        public let file: String
    }
}
