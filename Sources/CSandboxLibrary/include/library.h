#pragma once
#include <sandbox.h>
