extension Int {
    /// A number of bytes as people read it, exact: `10 MiB`, `1 KiB`, `1000 bytes`.
    var inBytes: String {
        for (unit, size) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
        where self >= size && self % size == 0 {
            return "\(self / size) \(unit)"
        }
        return "\(self) bytes"
    }
}

extension Duration {
    /// As people read it: `60 s`, `0.3 s`.
    var inSeconds: String {
        let (seconds, attoseconds) = components
        return attoseconds == 0 ? "\(seconds) s" : "\(Double(seconds) + Double(attoseconds) / 1e18) s"
    }
}
