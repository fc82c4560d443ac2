// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <memory>

namespace mizar::log {

namespace {

spdlog::level::level_enum to_spdlog(Level l) {
  switch (l) {
    case Level::error:
      return spdlog::level::err;
    case Level::warning:
      return spdlog::level::warn;
    case Level::info:
      return spdlog::level::info;
    case Level::debug:
      return spdlog::level::debug;
  }
  return spdlog::level::err;
}

// The journal adds time and name itself; a terminal wants them.
bool to_journal() { return std::getenv("JOURNAL_STREAM") != nullptr; }

spdlog::logger& logger() {
  static const auto l = [] {
    auto made = std::make_shared<spdlog::logger>(
        "mizar", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern(to_journal() ? "%v" : "%H:%M:%S.%e %^%-7l%$ %v");
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *l;
}

}  // namespace

void set_level(Level level) { logger().set_level(to_spdlog(level)); }

bool enabled(Level level) { return logger().should_log(to_spdlog(level)); }

void write(Level level, std::string_view line) {
  static const bool journal = to_journal();
  if (journal)
    logger().log(to_spdlog(level), "<{}>{}", static_cast<int>(level), line);
  else
    logger().log(to_spdlog(level), line);
}

}  // namespace mizar::log
