import ArgumentParser
import Database

/// A moment as the command line has it: RFC 3339, or how long ago.
struct Moment: ExpressibleByArgument {
    let text: String

    init?(argument: String) {
        let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86400]
        if let unit = argument.last.flatMap({ units[$0] }), let number = Int64(argument.dropLast()),
            (0...36_500).contains(number / (86400 / unit))
        {
            text = (Timestamp.now + .seconds(-number * unit)).description
        } else if argument.wholeMatch(of: /\d{4}-\d{2}-\d{2}([Tt ]\d{2}:\d{2}.*)?/) != nil {
            text = argument
        } else {
            return nil
        }
    }
}
