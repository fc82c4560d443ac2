// SPDX-License-Identifier: Apache-2.0
// transit-linerate reflect, receive: the other host's end of a measurement.
#include "tools/linerate/commands.h"
#include "tools/linerate/report.h"

namespace linerate {

namespace {

constexpr std::uint64_t kLook = 100'000'000;  // ns between two looks at the counts

struct FarOptions {
  ReceiverSpec spec;
  double seconds = 0;
};

bool go_on(std::uint64_t end) { return !stopping && (end == 0 || now_ns() < end); }

std::uint64_t end_of(double seconds) {
  return seconds > 0 ? now_ns() + static_cast<std::uint64_t>(seconds * 1e9) : 0;
}

Result<std::unique_ptr<Receiver>> open_far_end(const ReceiverSpec& spec) {
  stop_on_signals();
  auto r = Receiver::open(spec);
  if (r)
    fmt::print(stderr, "{}: {}, {} XDP\n", spec.interface, spec.reflect ? "reflecting" : "receiving",
               (*r)->native() ? "native" : "generic");
  return r;
}

Result<int> reflect(const Context& ctx, const FarOptions& o) {
  auto r = open_far_end(o.spec);
  if (!r) return tl::unexpected(r.error());
  for (const std::uint64_t end = end_of(o.seconds); go_on(end);) wait_until(now_ns() + kLook);
  const mz_lr_receiver& n = (*r)->counts();
  if (ctx.format == transit::Format::table)
    fmt::print("{} frames sent back, {} others left to the kernel\n", n.reflected, n.foreign);
  else
    transit::print_value(ctx.format, {{"reflected", n.reflected}, {"others", n.foreign}});
  return transit::kExitOk;
}

// ---- receive -----------------------------------------------------------------------

// A stream as if it were a trial of its own: sent is what its sequence numbers say.
Outcome outcome_of(const mz_lr_stream& s) {
  Outcome o;
  o.sent = s.next;
  o.received = s.received;
  o.duplicates = s.duplicates;
  o.reordered = s.reordered;
  o.late = s.late;
  o.wrong_length = s.wrong_length;
  o.corrupted = s.corrupted;
  return o;
}

struct Row {
  std::uint32_t trial = 0, stream = 0;
  Outcome counts;
};

// Of the last trials, as many as are kept.
std::vector<Row> rows_of(const Receiver& r) {
  std::vector<Row> out;
  for (std::uint32_t slot = 0; slot < MZ_LR_TRIALS; slot++) {
    const auto streams = r.streams(slot);
    for (std::uint32_t i = 0; i < MZ_LR_STREAMS; i++)
      if (streams[i].received != 0) out.push_back({streams[i].trial, i, outcome_of(streams[i])});
  }
  return out;
}

void print_rows(const Context& ctx, const std::vector<Row>& rows) {
  if (ctx.format != transit::Format::table) {
    transit::Json all = transit::Json::array();
    for (const Row& row : rows) {
      transit::Json v{{"trial", row.trial}, {"stream", row.stream}};
      v.update(counts_value(row.counts));
      all.push_back(std::move(v));
    }
    transit::print_value(ctx.format, all);
    return;
  }
  transit::Table table(
      {">TRIAL", ">STREAM", ">SENT", ">RECEIVED", ">LOST", ">DUPLICATE", ">REORDERED", ">CUT", ">CHANGED"});
  const auto n = [](std::uint64_t v) { return std::to_string(v); };
  for (const Row& row : rows) {
    const Outcome& o = row.counts;
    table.row({n(row.trial), n(row.stream), n(o.sent), n(o.received), n(o.lost()), n(o.duplicates + o.late),
               n(o.reordered), n(o.wrong_length), n(o.corrupted)});
  }
  table.print();
}

Result<int> receive(const Context& ctx, const FarOptions& o) {
  auto r = open_far_end(o.spec);
  if (!r) return tl::unexpected(r.error());
  for (const std::uint64_t end = end_of(o.seconds); go_on(end);) wait_until(now_ns() + kLook);
  print_rows(ctx, rows_of(**r));
  return transit::kExitOk;
}

std::shared_ptr<FarOptions> add_far_options(CLI::App& cmd) {
  auto o = std::make_shared<FarOptions>();
  cmd.add_option("interface", o->spec.interface, "Which")->type_name("INTERFACE")->required();
  cmd.add_option("--seconds", o->seconds, "How long; default: until SIGINT or SIGTERM")
      ->check(CLI::Range(0.001, 1e6).description(""))
      ->type_name("SECONDS");
  return o;
}

}  // namespace

void add_reflect(CLI::App& app, Context& ctx) {
  auto* cmd = app.add_subcommand("reflect", "Send our frames back, addresses and ports swapped, by XDP");
  auto o = add_far_options(*cmd);
  o->spec.reflect = true;
  cmd->add_option("--out", o->spec.out, "Send them out of another interface; default: where they came")
      ->type_name("INTERFACE");
  cmd->callback([&ctx, o] { ctx.action = [&ctx, o] { return reflect(ctx, *o); }; });
}

void add_receive(CLI::App& app, Context& ctx) {
  auto* cmd =
      app.add_subcommand("receive", "Count our frames of the last four trials by stream and sequence number");
  auto o = add_far_options(*cmd);
  cmd->add_flag("--verify", o->spec.verify, "Look at every byte of the payload");
  cmd->callback([&ctx, o] { ctx.action = [&ctx, o] { return receive(ctx, *o); }; });
}

}  // namespace linerate
