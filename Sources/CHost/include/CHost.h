#pragma once

#include "curl_doors.h"
#include "demo.h"
#include "descriptor.h"
#include "fdpass.h"
#include "harness.h"
#include "migrations.h"
#include "polling.h"
#include "process.h"
#include "program.h"
#include "thread.h"
