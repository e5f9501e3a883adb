/// What a frame between the executor and a harness is. A frame is the length of its payload (u32, little-endian), its
/// type (u8), and the payload, JSON in UTF-8.
enum FrameType: UInt8 {
    /// From a parked process: it has warmed up.
    case ready = 0
    /// To the harness: run this.
    case job = 1
    case apiRequest = 2
    case apiResponse = 3
    /// From the harness: how it ended. One counts.
    case result = 4
    /// To the harness, instead of a job: only parse this.
    case check = 5

    /// `payload` as a frame of this type.
    func frame(_ payload: String) -> [UInt8] {
        var frame: [UInt8] = []
        frame.reserveCapacity(5 + payload.utf8.count)
        withUnsafeBytes(of: UInt32(payload.utf8.count).littleEndian) { frame.append(contentsOf: $0) }
        frame.append(rawValue)
        frame.append(contentsOf: payload.utf8)
        return frame
    }
}
