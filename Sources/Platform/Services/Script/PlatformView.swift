import Core

/// The `platform` object without its functions: `config` and `session` (dreamfactory.md §5).
enum PlatformView {
    static func json(of call: ScriptCall, _ settings: PlatformSettings) -> JSONText {
        .object([("config", config), ("session", call.caller.session.json)])
    }

    private static let entries: [(String, JSONText)] = [
        ("version", .string(PlatformSettings.version)),
        ("api_version", .string("2.0")),
        ("api_route_prefix", .string("api")),
        ("status_route_prefix", .string("status")),
        ("xml_root", .string("dfapi")),
        ("always_wrap_resources", .bool(true)),
        ("resources_wrapper", .string("resource")),
        ("default_response_type", .string("application/json")),
        ("login_attribute", .string("email")),
        ("confirm_code_length", .integer(32)),
        ("default_cache_ttl", .integer(18000)),
        ("file_chunk_size", .integer(10_000_000)),
        (
            "db",
            .object([
                ("time_format", .null), ("date_format", .null), ("datetime_format", .null), ("timestamp_format", .null),
            ])
        ),
        ("scripting", .object([("disable", .null), ("default_protocol", .string("http"))])),
    ]

    /// The reference has the keys at the top, its documents under `df`: both work.
    private static let config = JSONText.object(entries + [("df", .object(entries))])
}
