// SPDX-License-Identifier: Apache-2.0
// transit-linerate run, send: RFC 2544's tests, and a single trial towards another host's receiver.
#include <unistd.h>

#include "tools/linerate/commands.h"
#include "tools/linerate/report.h"

namespace linerate {

namespace {

using mizar::Code;
using mizar::fail;

struct RunOptions {
  SendOptions send;
  RunSpec spec;
  std::string receive, receive_netns;
  bool reflected = false;
  std::vector<std::string> tests;
  double precision = 0.5;  // percent
};

Result<Tests> tests_of(const std::vector<std::string>& words) {
  if (words.empty()) return Tests{};
  Tests t{false, false, false, false};
  for (const auto& w : words) {
    if (w == "throughput")
      t.throughput = true;
    else if (w == "latency")
      t.latency = true;
    else if (w == "loss")
      t.loss = true;
    else if (w == "back-to-back")
      t.back_to_back = true;
    else
      return fail(Code::invalid_argument,
                  "--tests: must be of throughput, latency, loss, back-to-back, not '{}'", w);
  }
  return t;
}

// Where the frames come back, and whose MAC they go to if --to-mac does not say.
Result<SenderSpec> ends_of(RunOptions& o) {
  if (o.reflected == !o.receive.empty())
    return fail(Code::invalid_argument, "{}: say --receive INTERFACE or --reflected, one of them",
                o.send.interface);
  if (o.reflected) {
    o.spec.receiver.interface = o.send.interface;
    return sender_of(o.send, nullptr);
  }
  o.spec.receiver.interface = o.receive;
  o.spec.receiver.netns = o.receive_netns;
  auto far = facts_of(o.receive, o.receive_netns);
  if (!far) return tl::unexpected(far.error());
  return sender_of(o.send, &far->link.mac);
}

void show_progress(const std::string& text) {
  if (isatty(STDERR_FILENO)) fmt::print(stderr, "{} ...\n", text);
}

Result<int> run(const Context& ctx, RunOptions o) {
  auto tests = tests_of(o.tests);
  if (!tests) return tl::unexpected(tests.error());
  auto sender = ends_of(o);
  if (!sender) return tl::unexpected(sender.error());
  if ((o.spec.time_every & (o.spec.time_every - 1)) != 0)
    return fail(Code::invalid_argument, "--time-every: {} is no power of two", o.spec.time_every);
  o.spec.tests = *tests;
  o.spec.sender = *sender;
  o.spec.receiver.streams = static_cast<unsigned>(sender->cpus.size());
  o.spec.precision = o.precision / 100;
  o.spec.search_seconds = std::min(o.spec.search_seconds, o.spec.seconds);
  stop_on_signals();
  auto report = measure(o.spec, show_progress);
  if (!report) return tl::unexpected(report.error());
  if (ctx.format == transit::Format::table)
    print_report(*report);
  else
    transit::print_value(ctx.format, report_value(*report));
  return transit::kExitOk;
}

void add_seconds(CLI::App& cmd, const std::string& name, double& target, const std::string& what) {
  cmd.add_option(name, target, what)
      ->check(CLI::Range(0.001, 14400.0).description(""))
      ->type_name("SECONDS")
      ->capture_default_str();
}

// ---- send --------------------------------------------------------------------------

struct OneOptions {
  SendOptions send;
  unsigned size = 64;
  double rate = 0, seconds = 10;
  std::uint64_t frames = 0;
};

Result<int> send(const Context& ctx, const OneOptions& o) {
  auto sender = sender_of(o.send, nullptr);
  if (!sender) return tl::unexpected(sender.error());
  if (o.rate == 0 && o.frames == 0)
    return fail(Code::invalid_argument, "{}: say --rate, --frames or both", o.send.interface);
  RunSpec spec;
  spec.sender = *sender;
  spec.sizes = {o.size};
  auto facts = facts_of(o.send.interface);
  if (!facts) return tl::unexpected(facts.error());
  MZ_CHECK(check_sender(spec, *facts));
  spec.sender.frame.size = o.size;
  auto senders = Senders::make(spec.sender);
  if (!senders) return tl::unexpected(senders.error());
  stop_on_signals();
  Load load{o.rate, o.frames ? o.frames : static_cast<std::uint64_t>(o.rate * o.seconds), next_trial(), 0};
  auto sent = senders->send(load);
  if (!sent) return tl::unexpected(sent.error());
  const double fps = static_cast<double>(sent->frames - sent->refused) / sent->seconds;
  if (ctx.format == transit::Format::table)
    fmt::print("trial {}: {} frames sent, {} refused by {}, {:.4f} Mpps\n", load.trial, sent->frames,
               sent->refused, o.send.interface, fps / 1e6);
  else
    transit::print_value(ctx.format, {{"trial", load.trial},
                                      {"sent", sent->frames},
                                      {"refused", sent->refused},
                                      {"seconds", sent->seconds},
                                      {"mpps", fps / 1e6}});
  return transit::kExitOk;
}

}  // namespace

void add_send(CLI::App& app, Context& ctx) {
  auto* cmd = app.add_subcommand("send", "One trial, for transit-linerate receive on another host");
  auto o = std::make_shared<OneOptions>();
  add_send_options(*cmd, o->send);
  cmd->add_option("--size", o->size, "Bytes of a frame with its checksum")
      ->check(CLI::Range(64u, 65535u).description(""))
      ->type_name("BYTES")
      ->capture_default_str();
  cmd->add_option("--rate", o->rate, "Frames a second; default: as fast as it goes")
      ->check(CLI::Range(0.01, 1e9).description(""))
      ->type_name("FPS");
  cmd->add_option("--frames", o->frames, "So many; default: --rate for --seconds")->type_name("N");
  add_seconds(*cmd, "--seconds", o->seconds, "How long");
  cmd->callback([&ctx, o] { ctx.action = [&ctx, o] { return send(ctx, *o); }; });
}

void add_run(CLI::App& app, Context& ctx) {
  auto* cmd = app.add_subcommand("run", "RFC 2544: throughput, latency, frame loss, back-to-back frames");
  auto o = std::make_shared<RunOptions>();
  RunSpec& s = o->spec;
  add_send_options(*cmd, o->send);
  cmd->add_option("--receive", o->receive, "Where frames arrive")->type_name("INTERFACE");
  cmd->add_option("--receive-netns", o->receive_netns, "... in that namespace")->type_name("NAME");
  cmd->add_flag("--reflected", o->reflected,
                "They come back to the sender: transit-linerate reflect, or a device that does so");
  cmd->add_option("--sizes", s.sizes,
                  "Bytes of frames with their checksum; default: RFC 2544's, 4096 and 9000 where they fit")
      ->delimiter(',')
      ->check(CLI::Range(64u, 65535u).description(""))
      ->type_name("BYTES,...");
  cmd->add_option("--tests", o->tests, "throughput,latency,loss,back-to-back; default: all")
      ->delimiter(',')
      ->type_name("TEST,...");
  add_seconds(*cmd, "--seconds", s.seconds, "Length of a trial that counts; RFC 2544 wants 60");
  add_seconds(*cmd, "--search-seconds", s.search_seconds, "... of one that leads there");
  cmd->add_option("--repeat", s.repeat, "Trials that count, of each kind")
      ->check(CLI::Range(1u, 1000u).description(""))
      ->type_name("N")
      ->capture_default_str();
  add_seconds(*cmd, "--settle", s.settle, "Silence after which nothing more is expected");
  cmd->add_option("--precision", o->precision, "Of the throughput, percent of the highest rate")
      ->check(CLI::Range(0.001, 50.0).description(""))
      ->type_name("PERCENT")
      ->capture_default_str();
  cmd->add_option("--max-rate", s.max_rate,
                  "What 100 % is; default: the line's rate, or all that the generator makes")
      ->check(CLI::Range(1.0, 1e9).description(""))
      ->type_name("FPS");
  cmd->add_option("--time-every", s.time_every, "Latency: one frame in so many, a power of two")
      ->check(CLI::Range(1u, 1u << 20).description(""))
      ->type_name("N")
      ->capture_default_str();
  cmd->add_flag("--verify", s.receiver.verify, "Look at every byte of the payload");
  cmd->callback([&ctx, o] { ctx.action = [&ctx, o] { return run(ctx, *o); }; });
}

}  // namespace linerate
