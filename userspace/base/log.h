// SPDX-License-Identifier: Apache-2.0
// Log lines on standard error, with the priority prefix that systemd's journal
// understands when it is the one listening (sd-daemon(3)).
#pragma once

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace mizar::log {

enum class Level { error = 3, warning = 4, info = 6, debug = 7 };

// Lines above `level` are not written. Default: info.
void set_level(Level level);
bool enabled(Level level);
void write(Level level, std::string_view line);

template <class... A>
void error(fmt::format_string<A...> f, A&&... a) {
  write(Level::error, fmt::format(f, std::forward<A>(a)...));
}
template <class... A>
void warning(fmt::format_string<A...> f, A&&... a) {
  write(Level::warning, fmt::format(f, std::forward<A>(a)...));
}
template <class... A>
void info(fmt::format_string<A...> f, A&&... a) {
  if (enabled(Level::info)) write(Level::info, fmt::format(f, std::forward<A>(a)...));
}
template <class... A>
void debug(fmt::format_string<A...> f, A&&... a) {
  if (enabled(Level::debug)) write(Level::debug, fmt::format(f, std::forward<A>(a)...));
}

}  // namespace mizar::log
