#pragma once
#include <stddef.h>

/// The programs that run inside the interpreters: the pieces of each in Sources/Execution/Resources, one after the other.
/// Each returns its text, which is not NUL-terminated, and its length in `*length`.
const unsigned char *host_harness_nodejs(size_t *length);
const unsigned char *host_harness_php(size_t *length);
const unsigned char *host_harness_python2(size_t *length);
const unsigned char *host_harness_python3(size_t *length);
const unsigned char *host_harness_v8js(size_t *length);
