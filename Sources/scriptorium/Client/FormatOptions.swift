import ArgumentParser
import Core

/// How a verb prints what it has found.
struct FormatOptions: ParsableArguments {
    @Flag(help: "Prints JSON, a list as one object a line, errors as one object on stderr.")
    var json = false
}

/// Prints one object.
func say(_ object: JSONText, _ format: FormatOptions) {
    say(format.json ? object.text : Table.facts(object))
}

/// Prints a list: in JSON one object a line, else a table of these keys.
func say(_ list: [JSONText], _ format: FormatOptions, _ keys: [String]) {
    if format.json {
        for element in list { say(element.text) }
    } else {
        say(Table(list, keys).text)
    }
}
