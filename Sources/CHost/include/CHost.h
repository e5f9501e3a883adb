#pragma once

#include "demo.h"
#include "descriptor.h"
#include "migrations.h"
#include "program.h"
#include "thread.h"
