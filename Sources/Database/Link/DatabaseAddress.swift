import CLibPQ
import FoundationEssentials

/// Where the URL of a database leads, without its secrets.
public struct DatabaseAddress: Sendable, Hashable, CustomStringConvertible {
    /// `HOST:PORT`, or the folder of the socket in the place of the host; several with commas between them.
    public let description: String

    /// - Parameter url: a `postgres://` URI or libpq's `name=value` pairs.
    /// - Throws: `DatabaseError.Code.protocolMisuse` where it can not be read. The text says how one is written, and
    ///   nothing of this one: what is misread may be a password.
    public init(url: String) throws(DatabaseError) {
        guard let options = PQconninfoParse(url, nil) else {
            throw Self.unreadable(
                "it is neither postgres://USER:PASSWORD@HOST:PORT/DATABASE?OPTION=VALUE nor NAME=VALUE pairs, or has an option that libpq does not know"
            )
        }
        defer { PQconninfoFree(options) }
        var values: [String: String] = [:]
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { values[String(cString: keyword)] = String(cString: value) }
            option += 1
        }
        let environment = ProcessInfo.processInfo.environment
        let hosts = Self.list(values["host"] ?? values["hostaddr"] ?? environment["PGHOST"])
        let ports = Self.list(values["port"] ?? environment["PGPORT"])
        guard ports.allSatisfy({ $0.isEmpty || UInt16($0).map { $0 > 0 } ?? false }),
            hosts.allSatisfy({ !$0.contains("@") })
        else {
            // A password with one of these signs in it is cut in two, and the rest is taken for a host and a port.
            throw Self.unreadable(
                "its host or port is none. In a URI the signs @ : / ? # % of a password are written %40 %3A %2F %3F %23 %25"
            )
        }
        description = (hosts.isEmpty ? [""] : hosts).enumerated().map { index, host in
            let port = ports.count > index ? ports[index] : ports.last ?? ""
            let name = host.isEmpty ? "localhost" : host.contains(":") ? "[\(host)]" : host
            return "\(name):\(port.isEmpty ? "5432" : port)"
        }.joined(separator: ", ")
    }

    private static func list(_ text: String?) -> [String] {
        guard let text, !text.isEmpty else { return [] }
        return text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }

    private static func unreadable(_ why: String) -> DatabaseError {
        DatabaseError(.protocolMisuse, "the URL of the database can not be read: \(why)")
    }
}
