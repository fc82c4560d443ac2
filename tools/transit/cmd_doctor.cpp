// SPDX-License-Identifier: Apache-2.0
// transit doctor: does this host have what it takes?
#include <CLI/CLI.hpp>
#include <algorithm>

#include "tools/transit/client.h"
#include "tools/transit/output.h"

namespace transit {
namespace {

std::string level_of(const v1::Check& c) {
  switch (c.level()) {
    case v1::Check::OK: return paint(Colour::green, "ok");
    case v1::Check::NOTE: return "note";
    case v1::Check::WARN: return paint(Colour::yellow, "warn");
    default: return paint(Colour::red, "FAIL");
  }
}

Result<int> run_doctor(const Context& ctx) {
  auto reply = call(ctx, v1::DoctorRequest());
  if (!reply) return Failure(reply.error());
  if (ctx.format != Format::table) {
    print_messages(ctx.format, reply->checks());
  } else {
    Table table({"", "CHECK", "FOUND"});
    for (const auto& c : reply->checks()) {
      table.row({level_of(c), c.name(), c.found()});
      if (!c.advice().empty()) table.row({"", "", "-> " + c.advice()});
    }
    table.print();
  }
  const bool failed = std::any_of(reply->checks().begin(), reply->checks().end(),
                                  [](const auto& c) { return c.level() == v1::Check::FAIL; });
  return failed ? kExitFailed : kExitOk;
}

}  // namespace

void add_doctor(CLI::App& app, Context& ctx) {
  app.add_subcommand("doctor", "Check kernel, mounts, limits, offloads and MTU")
      ->group("Insight")
      ->callback([&ctx] { ctx.action = [&ctx] { return run_doctor(ctx); }; });
}

}  // namespace transit
