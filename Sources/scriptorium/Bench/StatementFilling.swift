import Core
import JobQueue

/// The queue's own statements with expressions in the places of their parameters, so that they can be sent by others.
enum StatementFilling {
    /// - Parameter expressions: one for each parameter, in their order.
    /// - Throws: where the statement has not as many: then it has changed, and the benchmark must too.
    static func fill(_ statement: String, _ expressions: [String]) throws(BenchFailure) -> String {
        var text = ""
        var rest = statement[...]
        var seen: Set<Int> = []
        while let mark = rest.firstIndex(of: "$") {
            let digits = rest[rest.index(after: mark)...].prefix { $0.isASCII && $0.isNumber }
            guard let number = Int(digits), (1...expressions.count).contains(number) else {
                throw BenchFailure(description: "a statement of the queue has the parameter $\(digits), unknown here")
            }
            seen.insert(number)
            text += rest[..<mark] + "(\(expressions[number - 1]))"
            rest = rest[digits.endIndex...]
        }
        guard seen.count == expressions.count else {
            throw BenchFailure(
                description:
                    "a statement of the queue has \(seen.count) parameters, and \(expressions.count) were expected")
        }
        return text + rest
    }

    // MARK: What the statements take

    /// Of a batch of accepted jobs.
    /// - Parameters:
    ///   - count: an SQL expression of how many.
    ///   - tenant: one for the tenant of the job with the number `g`.
    ///   - payload: one for the sealed request of each.
    static func enqueued(count: String, tenant: String, payload: String) -> [String] {
        func all(_ value: String) -> String { "array_fill(\(value), array[\(count)])" }
        // As an ingress makes them: what is accepted at about the same time stands together.
        let milliseconds = "lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0')"
        let id = "(\(milliseconds) || right(gen_random_uuid()::text, 23))::uuid"
        return [
            "select array_agg(\(id)) from generate_series(1, \(count)) as s (g)",
            "select array_agg(\(tenant)) from generate_series(1, \(count)) as s (g)",
            all("1::bigint"), all("null::bigint"), all("'bench'::text"), all("1::bigint"), all("1::integer"),
            all("'POST'::text"), all("true"), all("1::smallint"), all("60000::integer"), all("0::bigint"),
            all(payload), all("'\\x00'::bytea"), all("3::smallint"), all("false"), all("null::timestamptz"),
            all("null::bigint"), all("3600000::bigint"), all("null::uuid"), all("null::text"), all("null::bytea"),
            all("null::bytea"), all("0::smallint"), all("null::bigint"), all("null::bigint"), all("null::bigint"),
            "false",
        ]
    }
}

extension StatementFilling {
    /// What a claim tells of runs that have ended, as expressions.
    struct Ended {
        var tenants = "'{}'::bigint[]"
        var counts = "'{}'::integer[]"
        var generation = "0::bigint"
    }

    /// Of a claim.
    static func claimed(_ worker: WorkerID, want: Int, ended: Ended = Ended()) -> [String] {
        let length = "array[cardinality(\(ended.tenants))]"
        return [
            "\(worker.rawValue)", "\(want)", "\(want)", "array[3::smallint]", "\(SandboxTier.a.rank)::smallint",
            ended.tenants, "array_fill(0::bigint, \(length))", ended.counts,
            "array_fill(\(ended.generation), \(length))",
        ]
    }

    /// Of the ends of a batch that a claim has left in `:ids`, `:attempts` and `:created`.
    static func finished(_ worker: WorkerID, count: String, response: String) -> [String] {
        func all(_ value: String) -> String { "array_fill(\(value), array[\(count)])" }
        let numbers = Array(repeating: all("0::bigint"), count: 9)
        return [
            all("null::bigint"), "\(worker.rawValue)", ":ids::uuid[]", ":attempts::smallint[]", all("1::smallint"),
            all(response),
            ":created::timestamptz[]",
        ] + numbers + ["false"]
    }
}
