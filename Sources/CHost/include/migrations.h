#pragma once
#include <stddef.h>

/// A numbered SQL file of `migrations/`, embedded in the program.
struct host_migration {
    /// The file's name, such as `0001_roles.sql`.
    const char *name;
    /// Its text, ended by NUL.
    const char *sql;
};

/// The migration at `index`, counted from 0 in the order of their numbers; its name is NULL past the last one.
struct host_migration host_migration_at(size_t index);
