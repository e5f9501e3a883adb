import Core
import FoundationEssentials
import Outbound

/// The cURL options that a script gave to `platform.api`, as far as a tenant may set them.
///
/// It is a list of what is allowed, not of what is not: libcurl has options that name files, sockets, proxies and addresses,
/// and each release adds some.
struct CurlOptions {
    /// For the whole call; nil for as long as the script has.
    private(set) var timeout: Duration?
    private(set) var connection = HTTPCall.Connection()
    /// Nil leaves it to the language.
    private(set) var followsRedirects: Bool?
    private(set) var mostRedirects = CurlOptions.redirectCeiling
    private(set) var decoding: String?
    private(set) var method: String?
    private(set) var headers: [(name: String, value: String)] = []
    private var user: String?
    private var password: String?

    static let redirectCeiling = 10

    /// - Throws: ``ServiceError`` 400 that names the option, what it may be, or which are allowed.
    init(_ given: [(name: String, value: JSONText)]) throws(ServiceError) {
        for (name, value) in given {
            let option = Self.options.first { option in
                option.name == name.uppercased() || String(option.number) == name
                    || option.alias.map { $0 == name.uppercased() } ?? false
            }
            guard let option else {
                throw .badRequest(
                    "The option '\(name.prefix(100))' is not allowed in platform.api. Allowed are headers, parameters, "
                        + "\(Self.options.map(\.name).joined(separator: ", ")).")
            }
            guard option.apply(value, &self) else {
                throw .badRequest("The option \(option.name) of platform.api must be \(option.expected).")
            }
        }
        if let user { headers.append(Self.basic(user, password ?? "")) }
    }

    /// RFC 7617.
    static func basic(_ user: String, _ password: String) -> (name: String, value: String) {
        (name: "authorization", value: "Basic \(Data("\(user):\(password)".utf8).base64EncodedString())")
    }

    private struct Option {
        let name: String
        /// PHP's, which is libcurl's.
        let number: Int
        var alias: String?
        let expected: String
        /// - Returns: whether the value is one that it may have.
        let apply: @Sendable (JSONText, inout CurlOptions) -> Bool
    }

    private static let options: [Option] = [
        seconds("CURLOPT_TIMEOUT", 13, unit: 1) { $0.timeout = $1 },
        seconds("CURLOPT_TIMEOUT_MS", 155, unit: 0.001) { $0.timeout = $1 },
        seconds("CURLOPT_CONNECTTIMEOUT", 78, unit: 1) { $0.connection.timeout = $1 },
        seconds("CURLOPT_CONNECTTIMEOUT_MS", 156, unit: 0.001) { $0.connection.timeout = $1 },
        flag("CURLOPT_FOLLOWLOCATION", 52) { $0.followsRedirects = $1 },
        number("CURLOPT_MAXREDIRS", 68, "a whole number from -1 (\(redirectCeiling) redirects) to \(redirectCeiling)") {
            guard (-1...redirectCeiling).contains($1) else { return false }
            $0.mostRedirects = $1 < 0 ? redirectCeiling : $1
            return true
        },
        text("CURLOPT_ENCODING", 10102, alias: "CURLOPT_ACCEPT_ENCODING") { $0.decoding = $1 },
        text("CURLOPT_USERAGENT", 10018) { $0.headers.append((name: "user-agent", value: $1)) },
        text("CURLOPT_REFERER", 10016) { $0.headers.append((name: "referer", value: $1)) },
        text("CURLOPT_COOKIE", 10022) { $0.headers.append((name: "cookie", value: $1)) },
        text("CURLOPT_CUSTOMREQUEST", 10036) { $0.method = $1 },
        text("CURLOPT_USERPWD", 10005) { options, value in
            let parts = value.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            options.user = String(parts[0])
            options.password = parts.count > 1 ? String(parts[1]) : ""
        },
        text("CURLOPT_USERNAME", 10173) { $0.user = $1 },
        text("CURLOPT_PASSWORD", 10174) { $0.password = $1 },
        text("CURLOPT_XOAUTH2_BEARER", 10220) { $0.headers.append((name: "authorization", value: "Bearer \($1)")) },
        number("CURLOPT_HTTPAUTH", 107, "1 (CURLAUTH_BASIC)") { $1 == 1 },
        Option(name: "CURLOPT_HTTPHEADER", number: 10023, expected: "a list of texts such as \"Name: value\"") {
            guard $0.kind == .array else { return false }
            for line in $0.elements {
                guard let text = line.string, let colon = text.firstIndex(of: ":") else { return false }
                let value = text[text.index(after: colon)...]
                $1.headers.append((name: text[..<colon].lowercased(), value: String(value.trimming { $0 == " " })))
            }
            return true
        },
        flag("CURLOPT_SSL_VERIFYPEER", 64) { $0.connection.verifiesPeer = $1 },
        number("CURLOPT_SSL_VERIFYHOST", 81, "0, 2, true or false") {
            $0.connection.verifiesHost = $1 != 0
            return true
        },
        number("CURLOPT_SSLVERSION", 32, "0, 1, 6 (TLS 1.2) or 7 (TLS 1.3)") {
            $0.connection.oldestTLS = [6: .v1_2, 7: .v1_3][$1]
            return [0, 1, 6, 7].contains($1)
        },
        number("CURLOPT_IPRESOLVE", 113, "0, 1 (IPv4) or 2 (IPv6)") {
            $0.connection.ipVersion = [1: 4, 2: 6][$1]
            return (0...2).contains($1)
        },
        // What scripts give out of habit: it says how PHP hands the answer over, or changes nothing that can be seen.
        flag("CURLOPT_RETURNTRANSFER", 19913) { _, _ in },
        flag("CURLOPT_HEADER", 42) { _, _ in },
        flag("CURLOPT_VERBOSE", 41) { _, _ in },
        number("CURLOPT_HTTP_VERSION", 84, "a whole number") { _, _ in true },
    ]

    private static func flag(
        _ name: String, _ number: Int, _ set: @escaping @Sendable (inout CurlOptions, Bool) -> Void
    ) -> Option {
        Option(name: name, number: number, expected: "true or false") { value, options in
            guard let value = value.bool ?? whole(value).map({ $0 != 0 }) else { return false }
            set(&options, value)
            return true
        }
    }

    private static func number(
        _ name: String, _ number: Int, _ expected: String,
        _ set: @escaping @Sendable (inout CurlOptions, Int) -> Bool
    ) -> Option {
        Option(name: name, number: number, expected: expected) { value, options in
            guard let value = whole(value) ?? value.bool.map({ $0 ? 1 : 0 }) else { return false }
            return set(&options, value)
        }
    }

    private static func text(
        _ name: String, _ number: Int, alias: String? = nil,
        _ set: @escaping @Sendable (inout CurlOptions, String) -> Void
    ) -> Option {
        Option(name: name, number: number, alias: alias, expected: "a text") { value, options in
            guard let value = value.string else { return false }
            set(&options, value)
            return true
        }
    }

    /// - Parameter unit: in seconds. Nought is libcurl's way to say that there is no limit.
    private static func seconds(
        _ name: String, _ number: Int, unit: Double, _ set: @escaping @Sendable (inout CurlOptions, Duration?) -> Void
    ) -> Option {
        Option(name: name, number: number, expected: "a number from 0 (no limit of its own) to \(Int(86_400 / unit))") {
            guard let value = $0.double ?? $0.string.flatMap(Double.init), (0...86_400 / unit).contains(value)
            else { return false }
            set(&$1, value == 0 ? nil : .seconds(value * unit))
            return true
        }
    }

    /// A whole number, or a text that is one, as PHP takes it.
    private static func whole(_ value: JSONText) -> Int? { value.integer ?? value.string.flatMap { Int($0) } }
}
