// The sandbox as a library of its own, for interpreters that fork: nothing but CSandbox is in it, and the one thing that
// this target adds is how it is linked (see Package.swift).
#include "library.h"
