// The migrations travel inside the binary, so that a copied program needs no folder beside it.
// A new file in `migrations/` gets a line in each of the two lists; a test compares them with the folder.
#include "migrations.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

#define EMBED_END , 0

static const char m0001[] = {
#embed "../../migrations/0001_roles.sql"
    EMBED_END};
static const char m0002[] = {
#embed "../../migrations/0002_catalog.sql"
    EMBED_END};
static const char m0003[] = {
#embed "../../migrations/0003_queue.sql"
    EMBED_END};
static const char m0004[] = {
#embed "../../migrations/0004_jobs.sql"
    EMBED_END};
static const char m0005[] = {
#embed "../../migrations/0005_operator.sql"
    EMBED_END};
static const char m0006[] = {
#embed "../../migrations/0006_identity.sql"
    EMBED_END};
static const char m0007[] = {
#embed "../../migrations/0007_event_scripts.sql"
    EMBED_END};
static const char m0008[] = {
#embed "../../migrations/0008_store.sql"
    EMBED_END};
static const char m0009[] = {
#embed "../../migrations/0009_child_jobs.sql"
    EMBED_END};
static const char m0010[] = {
#embed "../../migrations/0010_tiers.sql"
    EMBED_END};
static const char m0011[] = {
#embed "../../migrations/0011_usage.sql"
    EMBED_END};
static const char m0012[] = {
#embed "../../migrations/0012_lanes.sql"
    EMBED_END};
static const char m0013[] = {
#embed "../../migrations/0013_rate.sql"
    EMBED_END};
static const char m0014[] = {
#embed "../../migrations/0014_heads.sql"
    EMBED_END};

static const char m0015[] = {
#embed "../../migrations/0015_results.sql"
    EMBED_END};

static const struct host_migration all[] = {
    {"0001_roles.sql", m0001},
    {"0002_catalog.sql", m0002},
    {"0003_queue.sql", m0003},
    {"0004_jobs.sql", m0004},
    {"0005_operator.sql", m0005},
    {"0006_identity.sql", m0006},
    {"0007_event_scripts.sql", m0007},
    {"0008_store.sql", m0008},
    {"0009_child_jobs.sql", m0009},
    {"0010_tiers.sql", m0010},
    {"0011_usage.sql", m0011},
    {"0012_lanes.sql", m0012},
    {"0013_rate.sql", m0013},
    {"0014_heads.sql", m0014},
    {"0015_results.sql", m0015},
};

struct host_migration host_migration_at(size_t index) {
    if (index < sizeof all / sizeof all[0]) return all[index];
    return (struct host_migration){0};
}
