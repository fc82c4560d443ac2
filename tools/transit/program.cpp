// SPDX-License-Identifier: Apache-2.0
#include "tools/transit/program.h"

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "tools/transit/output.h"

namespace transit {
namespace {

// "transit endpoint add": the command that was being parsed.
std::string command_of(const CLI::App& app) {
  std::string name = app.get_name();
  for (const CLI::App* at = &app;;) {
    const auto chosen = at->get_subcommands();
    if (chosen.empty()) return name;
    at = chosen.front();
    name += " " + at->get_name();
  }
}

int cannot_write(const CLI::App& app, int err) {
  return report({Code::internal, err, "cannot write the result to standard output"}, app.get_name());
}

}  // namespace

int parse_failed(const CLI::App& app, const CLI::ParseError& e) {
  if (e.get_exit_code() == 0) return app.exit(e);  // --help, --version
  std::string what = e.what();
  // A word that is no command makes CLI11 miss the command, not mind the word.
  const auto unknown = app.remaining(true);
  if (!unknown.empty()) what = fmt::format("'{}' is not known here", unknown.front());
  fmt::print(stderr, "{}: {}: see {} --help\n", app.get_name(), what.substr(0, what.find('\n')), command_of(app));
  return kExitUsage;
}

int run_action(const CLI::App& app, const std::function<Result<int>()>& action) try {
  auto done = action();
  // A full disk or a closed pipe shows here, or when a buffer fills before.
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) return cannot_write(app, errno);
  return done ? *done : report(done.error(), app.get_name());
} catch (const std::system_error& e) {  // fmt::print
  return cannot_write(app, e.code().value());
}

}  // namespace transit
