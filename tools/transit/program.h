// SPDX-License-Identifier: Apache-2.0
// What a command line is as a program: usage errors, the action, its exit status.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "tools/transit/context.h"

namespace transit {

// One line that points to --help; the exit code. Also for --help and --version, which are no errors.
int parse_failed(const CLI::App& app, const CLI::ParseError& e);

// Runs what the command line asked for; reports its error, and results that could not be written.
int run_action(const CLI::App& app, const std::function<Result<int>()>& action);

}  // namespace transit
