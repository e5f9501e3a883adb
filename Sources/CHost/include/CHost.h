#pragma once
#include "migrations.h"
