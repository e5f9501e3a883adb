// The demo tenant's scripts travel inside the binary.
#include "demo.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

#define EMBED_END , 0

static const char hello[] = {
#embed "../../deploy/demo/hello.php"
    EMBED_END};
static const char statistics[] = {
#embed "../../deploy/demo/statistics.py"
    EMBED_END};
static const char overview[] = {
#embed "../../deploy/demo/overview.js"
    EMBED_END};
static const char report[] = {
#embed "../../deploy/demo/report.py"
    EMBED_END};

static const struct host_demo_script all[] = {
    {"hello", "php", "Greets whoever is named", hello},
    {"statistics", "python3", "Counts the words of a text", statistics},
    {"overview", "nodejs", "Asks the other two and puts their answers together", overview},
    {"report", "python3", "Runs ten seconds and reports its progress", report},
};

struct host_demo_script host_demo_script_at(size_t index) {
    if (index < sizeof all / sizeof all[0]) return all[index];
    return (struct host_demo_script){0};
}
