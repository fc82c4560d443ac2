// SPDX-License-Identifier: Apache-2.0
// A daemon's life in its service manager: signals, readiness, watchdog.
#pragma once

#include <string_view>

#include "userspace/base/event_loop.h"

namespace mizar {

// SIGTERM and SIGINT are the loop's, SIGPIPE is nobody's. Before any thread is
// made: they inherit it.
void block_signals();

// Runs the loop until a signal stops it. The manager is told when it begins and
// ends, and in time that it is alive.
Result<> serve_until_stopped(EventLoop& loop);

}  // namespace mizar
