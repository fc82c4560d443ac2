// SPDX-License-Identifier: Apache-2.0
// Results as tables for people and JSON for programs.
#pragma once

#include "tools/linerate/measure.h"

namespace linerate {

transit::Json report_value(const RunReport& report);
void print_report(const RunReport& report);

// What a receiver counted of one trial.
transit::Json counts_value(const Outcome& o);

// 12,345 ns -> "12.3 us"
std::string time_text(std::uint64_t ns);

}  // namespace linerate
