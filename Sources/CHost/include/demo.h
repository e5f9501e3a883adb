#pragma once
#include <stddef.h>

/// A sample script of `deploy/demo/`, embedded in the program.
struct host_demo_script {
    /// The service's name.
    const char *name;
    /// The service's type.
    const char *type;
    const char *label;
    /// Its source, ended by NUL.
    const char *source;
};

/// The script at `index`, counted from 0; its name is NULL past the last one.
struct host_demo_script host_demo_script_at(size_t index);
