/// Elements in their order. What comes is mostly the last of them, and what goes the first: so an array does.
struct SortedList<Element: Comparable & Sendable>: Sendable {
    private var elements: [Element] = []

    var first: Element? { elements.first }
    var count: Int { elements.count }

    mutating func insert(_ element: Element) {
        elements.insert(element, at: place(of: element))
    }

    mutating func removeAll(where isUnwanted: (Element) -> Bool) {
        elements.removeAll(where: isUnwanted)
    }

    /// Takes those out that are before a limit, or at it.
    mutating func removeAll<Key: Comparable>(upTo limit: Key, by key: (Element) -> Key) -> [Element] {
        let some = Array(elements.prefix { key($0) <= limit })
        elements.removeFirst(some.count)
        return some
    }

    /// Where it belongs.
    private func place(of element: Element) -> Int {
        var (low, high) = (0, elements.count)
        while low < high {
            let middle = (low + high) / 2
            if elements[middle] < element { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
