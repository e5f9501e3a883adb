/// A moment, as `timestamptz` keeps it.
public struct Timestamp: Hashable, Comparable, Sendable {
    /// Since 1970-01-01T00:00:00Z.
    public let microseconds: Int64

    public init(microseconds: Int64) { self.microseconds = microseconds }

    public static func < (a: Timestamp, b: Timestamp) -> Bool { a.microseconds < b.microseconds }

    /// Later by `duration`, to the microsecond.
    public static func + (moment: Timestamp, duration: Duration) -> Timestamp {
        let (seconds, attoseconds) = duration.components
        return Timestamp(microseconds: moment.microseconds + seconds * 1_000_000 + attoseconds / 1_000_000_000_000)
    }
}

/// `timestamptz` counts microseconds from 2000-01-01T00:00:00Z.
extension Timestamp: PostgresEncodable, PostgresDecodable {
    private static let epoch: Int64 = 946_684_800_000_000

    public static var postgresType: PostgresType { .timestamptz }

    public func encode(into buffer: inout [UInt8]) { buffer.append(networkOrder: microseconds - Self.epoch) }

    public static func decode(_ value: PostgresValue) throws(DatabaseError) -> Timestamp {
        guard value.type == .timestamptz, value.bytes != nil else { throw value.mismatch("timestamptz") }
        let (sum, overflow) = value.integer().addingReportingOverflow(epoch)
        // The smallest and the largest number are -infinity and infinity.
        guard !overflow, value.integer() != .min else { throw value.mismatch("a finite timestamptz") }
        return Timestamp(microseconds: sum)
    }
}

extension Timestamp: CustomStringConvertible {
    /// RFC 3339 in UTC, to the millisecond (rounded down): `2026-11-21T03:48:11.123Z`.
    public var description: String {
        let (days, time) = Self.split(microseconds, by: 86_400_000_000)
        let (year, month, day) = Self.civil(days: days)
        let milliseconds = time / 1000
        func padded(_ value: Int64, _ width: Int) -> String {
            let digits = String(value)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))T\(padded(milliseconds / 3_600_000, 2)):"
            + "\(padded(milliseconds / 60000 % 60, 2)):\(padded(milliseconds / 1000 % 60, 2))."
            + "\(padded(milliseconds % 1000, 3))Z"
    }

    /// Reads RFC 3339 (§5.6), with any offset, to the microsecond; nil for another form or a date that does not exist.
    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        func number(_ range: Range<Int>, _ bounds: ClosedRange<Int64>) -> Int64? {
            guard range.upperBound <= bytes.count else { return nil }
            var value: Int64 = 0
            for byte in bytes[range] {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
                value = value * 10 + Int64(byte - UInt8(ascii: "0"))
            }
            return bounds.contains(value) ? value : nil
        }
        func has(_ index: Int, _ characters: String) -> Bool {
            index < bytes.count && characters.utf8.contains(bytes[index])
        }
        guard let year = number(0..<4, 0...9999), has(4, "-"), let month = number(5..<7, 1...12), has(7, "-"),
            let day = number(8..<10, 1...31), has(10, "Tt "), let hour = number(11..<13, 0...23), has(13, ":"),
            let minute = number(14..<16, 0...59), has(16, ":"), let second = number(17..<19, 0...60)
        else { return nil }
        let days = Self.days(year: year, month: month, day: day)
        guard Self.civil(days: days) == (year, month, day) else { return nil }
        var index = 19
        var fraction: Int64 = 0
        if has(index, ".") {
            index += 1
            let start = index
            while has(index, "0123456789"), let digit = number(index..<index + 1, 0...9) {
                if index - start < 6 { fraction = fraction * 10 + digit }
                index += 1
            }
            guard index > start else { return nil }
            for _ in 0..<max(0, 6 - (index - start)) { fraction *= 10 }
        }
        var offset: Int64 = 0
        if has(index, "Zz") {
            index += 1
        } else {
            guard has(index, "+-"), let hours = number(index + 1..<index + 3, 0...23), has(index + 3, ":"),
                let minutes = number(index + 4..<index + 6, 0...59)
            else { return nil }
            offset = (hours * 60 + minutes) * (has(index, "-") ? -1 : 1)
            index += 6
        }
        guard index == bytes.count else { return nil }
        let seconds = days * 86400 + hour * 3600 + (minute - offset) * 60 + second
        microseconds = seconds * 1_000_000 + fraction
    }

    /// Quotient and remainder, rounded down also for negative values.
    private static func split(_ value: Int64, by unit: Int64) -> (Int64, Int64) {
        let (quotient, rest) = value.quotientAndRemainder(dividingBy: unit)
        return rest < 0 ? (quotient - 1, rest + unit) : (quotient, rest)
    }

    /// The date of the proleptic Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date algorithms").
    private static func civil(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = split(days + 719_468, by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * marchMonth + 2) / 5 + 1)
    }

    /// Days since 1970-01-01, by the same source.
    private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let (era, yearOfEra) = split(month <= 2 ? year - 1 : year, by: 400)
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}
