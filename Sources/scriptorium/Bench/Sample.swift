import Core

/// What some jobs have taken.
struct Sample: Sendable {
    /// From asking for a process to the result, of each job.
    var times: [Duration] = []
    /// The first part of it: until the process had the job.
    var waits: [Duration] = []
    /// From asking for a process to its end, of each job.
    var wholes: [Duration] = []
    /// From the first job's begin to the last one's end.
    var wall = Duration.zero
    /// Of all processes together.
    var cpu = Duration.zero

    static func += (sum: inout Sample, other: Sample) {
        sum.times += other.times
        sum.waits += other.waits
        sum.wholes += other.wholes
        sum.wall += other.wall
        sum.cpu += other.cpu
    }

    var cpuMilliseconds: Double { cpu.seconds * 1000 / Double(max(1, times.count)) }
    var perSecond: Double { Double(times.count) / max(wall.seconds, 1e-6) }
    /// What a core could do if it did nothing else.
    var perSecondAndCore: Double { Double(times.count) / max(cpu.seconds, 1e-6) }
}

extension [Duration] {
    /// The value, in milliseconds, below which this part of all lies.
    func quantile(_ part: Double) -> Double {
        guard !isEmpty else { return 0 }
        let place = Int((part * Double(count)).rounded(.up)) - 1
        return sorted()[Swift.max(0, Swift.min(count - 1, place))].seconds * 1000
    }
}
