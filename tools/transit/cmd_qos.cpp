// SPDX-License-Identifier: Apache-2.0
// transit qos set|clear|show|top|status: classes and rates.
#include <CLI/CLI.hpp>

#include <cmath>
#include <map>
#include <memory>
#include <thread>

#include "tools/transit/client.h"
#include "tools/transit/object.h"
#include "tools/transit/output.h"
#include "tools/transit/qos_settings.h"
#include "userspace/qos/text.h"

namespace transit {
namespace {

constexpr const char* kSettings = R"(Then KEY=VALUE, of an endpoint, a VPC or the uplink:
  egress=RATE, ingress=RATE    bits a second: 64k, 100M, 1.5G; none: no limit
  egress.packets=N             packets a second
  egress.guaranteed=RATE       what nothing outside delays
  egress.burst=BYTES           what may leave at once after a silence
  egress.CLASS[.FIELD]=...     the same of premium, expedited or best-effort
of an endpoint:
  class=CLASS, priority=high|medium|low
  trust=on                     its own DSCPs say its class
of the uplink:
  link-rate=on                 as much as the link says
  egress.CLASS.weight=N        expedited, best-effort: parts of what premium leaves
of levels:
  dscp.CLASS.PRIORITY=OUTER[,INNER], trust.CLASS.PRIORITY=DSCP,...)";

constexpr const char* kTargets = "endpoint VPC/NAME, vpc NAME or uplink";

// The words that name a target: taken off the front of `words`.
Result<> take_target(std::vector<std::string>& words, v1::SetQosRequest& r) {
  const auto take = [&words](std::size_t n) { words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(n)); };
  if (!words.empty() && words[0] == "uplink") {
    r.set_uplink(true);
    return take(1), Result<>();
  }
  if (words.size() >= 2 && (words[0] == "endpoint" || words[0] == "vpc")) {
    words[0] == "vpc" ? r.set_vpc(words[1]) : r.set_endpoint(words[1]);
    return take(2), Result<>();
  }
  return fail(Code::invalid_argument, "qos: whose? name {}", kTargets);
}

std::string words_of(const v1::QosTarget& t) { return t.name().empty() ? t.kind() : t.kind() + " " + t.name(); }

bool is_meant(const v1::QosTarget& t, const v1::SetQosRequest& r) {
  if (r.uplink()) return t.kind() == "uplink";
  return r.vpc().empty() ? t.kind() == "endpoint" && t.name() == r.endpoint() : t.kind() == "vpc" && t.name() == r.vpc();
}

Result<int> print_set(const Context& ctx, const v1::SetQosRequest& r) {
  auto reply = call(ctx, r);
  if (!reply) return Failure(reply.error());
  for (const auto& w : reply->warnings()) fmt::print(stderr, "transit: warning: {}\n", w);
  return print_reply(ctx, *reply, r.dry_run() ? "would be set" : r.has_qos() || r.levels_size() != 0 ? "set" : "cleared");
}

// ---- set, clear ----------------------------------------------------------------------

void keep_changed(const std::vector<std::string>& stand, google::protobuf::RepeatedPtrField<v1::QosLevel>& levels) {
  for (int i = static_cast<int>(stand.size()); i-- > 0;)
    if (levels[i].SerializeAsString() == stand[static_cast<std::size_t>(i)]) levels.DeleteSubrange(i, 1);
}

// What is not named stays: the daemon's settings are read first.
Result<int> set_qos(const Context& ctx, std::vector<std::string> words, bool dry_run) {
  v1::SetQosRequest r;
  const bool levels = !words.empty() && words[0] == "levels";
  if (levels)
    words.erase(words.begin());
  else if (auto rc = take_target(words, r); !rc)
    return Failure(rc.error());
  if (words.empty()) return fail(Code::invalid_argument, "qos: what? give settings, such as egress=100M");
  r.set_dry_run(dry_run);
  auto now = call(ctx, v1::GetQosRequest());
  if (!now) return Failure(now.error());
  for (const auto& t : now->targets())
    if (!levels && is_meant(t, r)) *r.mutable_qos() = t.qos();
  // Of levels as they stand, without the DSCPs that mean them: these are only added to.
  std::vector<std::string> stand;
  for (const auto& l : now->levels()) {
    if (!levels) break;
    *r.add_levels() = l;
    r.mutable_levels()->rbegin()->clear_trusted();
    stand.push_back(r.levels().rbegin()->SerializeAsString());
  }
  for (const auto& word : words)
    if (auto rc = set(r, word); !rc) return Failure(rc.error());
  if (levels) keep_changed(stand, *r.mutable_levels());
  if (levels && !r.has_qos() && r.levels().empty()) return fail(Code::invalid_argument, "qos: levels stand so already");
  if (levels && r.has_qos()) return fail(Code::invalid_argument, "qos: levels have dscp.CLASS.PRIORITY and trust.CLASS.PRIORITY alone");
  if (!levels && r.levels_size() != 0) return fail(Code::invalid_argument, "qos: DSCPs are set by 'transit qos set levels'");
  return print_set(ctx, r);
}

Result<int> clear_qos(const Context& ctx, std::vector<std::string> words) {
  v1::SetQosRequest r;
  if (auto rc = take_target(words, r); !rc) return Failure(rc.error());
  if (!words.empty()) return fail(Code::invalid_argument, "qos: '{}': clear takes a target alone", words[0]);
  return print_set(ctx, r);
}

// ---- show ----------------------------------------------------------------------------

Result<int> show(const Context& ctx) {
  auto reply = call(ctx, v1::GetQosRequest());
  if (!reply) return Failure(reply.error());
  if (ctx.format != Format::table) {
    print_messages(ctx.format, reply->targets());
    return kExitOk;
  }
  Table table({"TARGET", "SET BY", "SETTINGS"});
  for (const auto& t : reply->targets()) table.row({words_of(t), t.here() ? "here" : "plan", fmt::format("{}", fmt::join(settings_of(t.qos()), " "))});
  table.print();
  return kExitOk;
}

std::string listed(const google::protobuf::RepeatedField<std::uint32_t>& numbers) { return fmt::format("{}", fmt::join(numbers, ",")); }

Result<int> levels(const Context& ctx) {
  auto reply = call(ctx, v1::GetQosRequest());
  if (!reply) return Failure(reply.error());
  if (ctx.format != Format::table) {
    print_messages(ctx.format, reply->levels());
    return kExitOk;
  }
  Table table({"CLASS", "PRIORITY", ">OUTER", ">INNER", "TRUSTED DSCPS"});
  for (const auto& l : reply->levels())
    table.row({l.class_(), l.priority(), fmt::to_string(l.outer_dscp()), l.has_inner_dscp() ? fmt::to_string(l.inner_dscp()) : "kept", listed(l.trusted())});
  table.print();
  return kExitOk;
}

// ---- top -----------------------------------------------------------------------------

// A queue, and when it was read.
using Queues = std::map<std::string, std::pair<v1::QosQueue, std::uint64_t>>;
std::string key_of(const v1::QosTarget& t, const v1::QosQueue& q) { return words_of(t) + "|" + q.direction() + "|" + q.class_(); }

Queues queues_of(const v1::QosStatus& s) {
  Queues all;
  for (const auto& t : s.targets())
    for (const auto& q : t.queues()) all[key_of(t, q)] = {q, t.time_ns()};
  return all;
}

std::string milliseconds(double ns) { return ns < 1000 ? "0" : fmt::format("{:.2f}", ns / 1e6); }

Result<int> top(const Context& ctx, double interval) {
  auto first = call(ctx, v1::GetQosRequest());
  if (!first) return Failure(first.error());
  std::this_thread::sleep_for(std::chrono::duration<double>(interval));
  auto second = call(ctx, v1::GetQosRequest());
  if (!second) return Failure(second.error());
  const Queues before = queues_of(*first);
  Json rows = Json::array();
  Table table({"TARGET", "", "CLASS", ">RATE", ">PKT/s", ">QUEUE ms", ">WAIT ms", ">MARKED/s", ">DROPPED/s"});
  for (const auto& t : second->targets())
    for (const auto& q : t.queues()) {
      const auto at = before.find(key_of(t, q));
      if (at == before.end() || t.time_ns() <= at->second.second) continue;  // it came between the two looks
      const auto& [old, then_ns] = at->second;
      const double seconds = static_cast<double>(t.time_ns() - then_ns) / 1e9;
      const auto per_second = [seconds](std::uint64_t now, std::uint64_t then) { return static_cast<double>(now - std::min(now, then)) / seconds; };
      const double bits = per_second(q.bytes(), old.bytes()) * 8, packets = per_second(q.packets(), old.packets());
      const double wait = packets == 0 ? 0 : per_second(q.delay_ns(), old.delay_ns()) / packets;
      const double marked = per_second(q.marked(), old.marked()), dropped = per_second(q.dropped(), old.dropped());
      if (q.packets() == 0 && q.dropped() == 0) continue;  // a class that nothing is of
      rows.push_back({{"target", words_of(t)}, {"direction", q.direction()}, {"class", q.class_()}, {"bits_per_second", bits},
                      {"packets_per_second", packets}, {"interval_ns", t.time_ns() - then_ns}, {"queue_ns", q.queue_ns()},
                      {"queue_before_ns", old.queue_ns()}, {"mean_wait_ns", wait},
                      {"marked_per_second", marked}, {"dropped_per_second", dropped}});
      const auto shown = static_cast<std::uint64_t>(std::llround(bits));
      table.row({words_of(t), q.direction(), q.class_(), mizar::rate_text(shown >= 1000000 ? shown / 10000 * 10000 : shown / 10 * 10),
                 fmt::format("{:.0f}", packets), milliseconds(static_cast<double>(q.queue_ns())), milliseconds(wait),
                 fmt::format("{:.0f}", marked), fmt::format("{:.0f}", dropped)});
    }
  if (ctx.format != Format::table)
    print_value(ctx.format, rows);
  else
    table.print();
  return kExitOk;
}

// ---- status --------------------------------------------------------------------------

std::string or_none(std::uint64_t rate, const char* otherwise) { return rate == 0 ? otherwise : mizar::bit_rate_text(rate); }

Result<int> status(const Context& ctx) {
  auto reply = call(ctx, v1::GetQosRequest());
  if (!reply) return Failure(reply.error());
  if (ctx.format != Format::table) {
    reply->clear_targets();
    reply->clear_levels();
    print_message(ctx.format, *reply);
    return kExitOk;
  }
  const auto& s = *reply;
  print_line(fmt::format("qdisc        {} ({})", s.qdisc().empty() ? "-" : s.qdisc(),
                         s.queueing() == "none" ? "not ours" : "ours: " + s.queueing()));
  print_line(fmt::format("departure    {}", s.paced() ? "packets wait in the qdisc until their time"
                                                      : s.queueing() == "htb" ? "HTB queues by class; endpoints' rates by marks and drops"
                                                                              : "nothing keeps packets: rates by marks and drops"));
  if (!s.problem().empty()) print_line(paint(Colour::yellow, "problem      " + s.problem()));
  print_line(fmt::format("link         {}", or_none(s.link_rate(), "does not say its rate")));
  print_line(fmt::format("uplink rate  {}", or_none(s.uplink_rate(), "none")));
  print_line(fmt::format("guaranteed   {}", or_none(s.guaranteed(), "nothing")));
  print_line(fmt::format("ceilings     {}{}", or_none(s.ceilings(), "none"),
                         s.uplink_rate() != 0 && s.ceilings() > s.uplink_rate()
                             ? fmt::format(" ({:.1f} of the uplink)", static_cast<double>(s.ceilings()) / static_cast<double>(s.uplink_rate()))
                             : ""));
  for (const auto& w : s.warnings()) print_line(paint(Colour::yellow, "warning      " + w));
  return kExitOk;
}

void add_set(CLI::App& parent, Context& ctx) {
  auto* cmd = parent.add_subcommand("set", "Change class or rates of a target; what is not named stays");
  auto words = std::make_shared<std::vector<std::string>>();
  auto dry_run = std::make_shared<bool>(false);
  cmd->add_option("target", *words, fmt::format("{}; or levels", kTargets))
      ->required()
      ->type_name("WORD...");
  cmd->add_flag("--dry-run", *dry_run, "Check only");
  cmd->footer(kSettings);
  cmd->callback([&ctx, words, dry_run] { ctx.action = [&ctx, words, dry_run] { return set_qos(ctx, *words, *dry_run); }; });
}

void add_clear(CLI::App& parent, Context& ctx) {
  auto* cmd = parent.add_subcommand("clear", "Forget what was set here: the plan's word holds, or none");
  auto words = std::make_shared<std::vector<std::string>>();
  cmd->add_option("target", *words, kTargets)->required()->type_name("WORD...");
  cmd->callback([&ctx, words] { ctx.action = [&ctx, words] { return clear_qos(ctx, *words); }; });
}

void add_top(CLI::App& parent, Context& ctx) {
  auto* cmd = parent.add_subcommand("top", "Rates, queues, marks and drops, measured over an interval");
  auto interval = std::make_shared<double>(1);
  cmd->add_option("--interval", *interval, "Seconds between the two looks; default: 1")->check(CLI::Range(0.1, 10.0).description(""))->type_name("0.1..10");
  cmd->callback([&ctx, interval] { ctx.action = [&ctx, interval] { return top(ctx, *interval); }; });
}

}  // namespace

void add_qos(CLI::App& app, Context& ctx) {
  auto* cmd = app.add_subcommand("qos", "Classes and rates of endpoints, VPCs and the uplink")->group("Objects");
  cmd->require_subcommand(1);
  add_set(*cmd, ctx);
  add_clear(*cmd, ctx);
  add_plain(*cmd, ctx, "show", "Who has which settings", [&ctx] { return show(ctx); });
  add_plain(*cmd, ctx, "levels", "What each class and priority is outside: DSCPs", [&ctx] { return levels(ctx); });
  add_top(*cmd, ctx);
  add_plain(*cmd, ctx, "status", "How rates are kept on this host, and what is over-committed", [&ctx] { return status(ctx); });
}

}  // namespace transit
