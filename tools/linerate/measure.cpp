// SPDX-License-Identifier: Apache-2.0
#include "tools/linerate/measure.h"

#include <algorithm>
#include <cmath>

namespace linerate {

namespace {

using mizar::Code;
using mizar::fail;

constexpr unsigned kSizes[] = {64, 128, 256, 512, 1024, 1280, 1518, 4096, 9000};
// Enough to know a rate by.
constexpr std::uint64_t kFirstFrames = 20'000;

bool tunnelled(const RunSpec& spec) { return spec.sender.frame.tunnel.has_value(); }

// Why a size cannot be sent; empty: it can.
std::string unfit(const RunSpec& spec, const Facts& sender, unsigned size) {
  if (const unsigned least = smallest_size(tunnelled(spec)); size < least)
    return fmt::format("{} bytes have no room for headers and stamp: at least {}", size, least);
  if (mtu_needed(size) > sender.link.mtu)
    return fmt::format("MTU {} is too small for frames of {} bytes: ip link set {} mtu {}", sender.link.mtu,
                       size, sender.link.name, mtu_needed(size));
  return {};
}

Result<> check_link(const RunSpec& spec, const Facts& sender) {
  const std::string what = "interface " + sender.link.name;
  if (!sender.link.up)
    return fail(Code::failed_precondition, "{}: is down: ip link set {} up", what, sender.link.name);
  if (spec.sender.kind == Kind::live && sender.features && !sender.features->xmit)
    return fail(Code::failed_precondition,
                "{}: {} takes no XDP frames now: on a veth turn gro on at its other end, or attach XDP "
                "there; else --generator afxdp",
                what, sender.driver.empty() ? "its driver" : sender.driver);
  if (spec.sender.kind == Kind::afxdp && spec.sender.cpus.size() > sender.device.tx_queues)
    return fail(Code::invalid_argument, "{}: --cpus: {} streams for {} transmit queues", what,
                spec.sender.cpus.size(), sender.device.tx_queues);
  return {};
}

Result<> check_sizes(const RunSpec& spec, const Facts& sender) {
  for (const unsigned size : spec.sizes)
    if (const std::string why = unfit(spec, sender, size); !why.empty())
      return fail(Code::invalid_argument, "interface {}: {}", sender.link.name, why);
  return {};
}

// Tries the largest that was asked for: what its frames need only the kernel knows.
Result<> check_largest(const RunSpec& spec) {
  SenderSpec largest = spec.sender;
  largest.frame.size = spec.sizes.empty() ? smallest_size(tunnelled(spec))
                                          : *std::max_element(spec.sizes.begin(), spec.sizes.end());
  auto made = Senders::make(largest);
  if (!made) return tl::unexpected(made.error());
  return {};
}

// All tests of one size.
class SizeRun {
 public:
  SizeRun(const RunSpec& spec, const Facts& facts, Senders& senders, Receiver& receiver, SizeReport& report)
      : spec_(spec), facts_(facts), senders_(senders), receiver_(receiver), report_(report) {}

  Result<> run() {
    MZ_CHECK(reach());
    if (spec_.tests.throughput) MZ_CHECK(throughput());
    if (spec_.tests.latency) MZ_CHECK(latency());
    if (spec_.tests.loss) MZ_CHECK(loss());
    if (spec_.tests.back_to_back) MZ_CHECK(burst());
    return {};
  }

 private:
  Result<Outcome> trial(double rate, double frames, std::uint32_t time_every = 0) {
    const auto n = static_cast<std::uint64_t>(std::max(1.0, std::round(frames)));
    auto o = run_trial(senders_, receiver_, {rate, n, time_every}, spec_.settle);
    if (o && o->interrupted) return fail(Code::internal, "interrupted");
    return o;
  }

  TryRate by_rate() {
    return [this](double rate, bool full) {
      return trial(rate, rate * (full ? spec_.seconds : spec_.search_seconds));
    };
  }

  // What 100 % is: the line, --max-rate, else what the generator makes.
  Result<> reach() {
    const double line = static_cast<double>(facts_.line) / wire_bits(report_.size);
    double rate = line;
    if (spec_.max_rate > 0) rate = line > 0 ? std::min(line, spec_.max_rate) : spec_.max_rate;
    double frames = rate * spec_.search_seconds;
    if (rate == 0) {
      auto first = trial(0, kFirstFrames);
      if (!first) return tl::unexpected(first.error());
      frames = std::max(1.0, first->rate()) * spec_.search_seconds;
    }
    auto o = trial(rate, frames);
    if (!o) return tl::unexpected(o.error());
    if (o->left() == 0)
      return fail(Code::failed_precondition,
                  "interface {}: refused all of {} frames: is the other end up, and its XDP or GRO on?",
                  facts_.link.name, o->sent);
    if (o->received == 0)
      return fail(
          Code::failed_precondition,
          "interface {}: none of {} frames arrived: see --to-mac, and whether what lies between forwards",
          spec_.receiver.interface, o->left());
    report_.reach = *o;
    report_.high = rate > 0 ? rate : o->rate();
    return {};
  }

  Result<> throughput() {
    auto t = find_throughput(report_.high, spec_.precision, spec_.repeat, by_rate());
    if (!t) return tl::unexpected(t.error());
    report_.throughput = *t;
    return {};
  }

  // At the throughput, if that was looked for.
  Result<> latency() {
    const double rate = report_.throughput ? report_.throughput->rate : report_.high;
    if (rate == 0) return {};
    Outcome sum;
    sum.asked = rate;
    for (unsigned i = 0; i < spec_.repeat; i++) {
      auto o = trial(rate, rate * spec_.seconds, spec_.time_every);
      if (!o) return tl::unexpected(o.error());
      sum.seconds += o->seconds;
      sum.sent += o->sent;
      sum.refused += o->refused;
      sum.received += o->received;
      sum.latency.add(o->latency);
    }
    report_.latency = sum;
    return {};
  }

  Result<> loss() {
    auto curve = loss_curve(report_.high, by_rate());
    if (!curve) return tl::unexpected(curve.error());
    report_.loss = *curve;
    return {};
  }

  Result<> burst() {
    // Without a line nothing but the generator says how close frames follow each other.
    const double rate = facts_.line || spec_.max_rate > 0 ? report_.high : 0;
    const auto most = static_cast<std::uint64_t>(std::max(1.0, report_.high * spec_.seconds));
    auto b = back_to_back(most, spec_.repeat,
                          [&](std::uint64_t n) { return trial(rate, static_cast<double>(n)); });
    if (!b) return tl::unexpected(b.error());
    report_.burst = *b;
    return {};
  }

  const RunSpec& spec_;
  const Facts& facts_;
  Senders& senders_;
  Receiver& receiver_;
  SizeReport& report_;
};

void warn(RunReport& report, const SizeReport& s) {
  const auto add = [&](const std::string& text) {
    report.warnings.push_back(fmt::format("{} bytes: {}", s.size, text));
  };
  if (!s.reach.generated())
    add(
        fmt::format("{:.4g} Mpps were asked for and {:.4g} generated: the generator is the limit, not the "
                    "device under test",
                    s.reach.asked / 1e6, s.reach.rate() / 1e6));
  else if (s.throughput && s.throughput->limit == Limit::generator)
    add("the generator is the limit, not the device under test");
  if (s.throughput && s.throughput->rate == 0) add("no rate is without loss");
  if (s.reach.duplicates || s.reach.late)
    add(fmt::format("{} duplicates", s.reach.duplicates + s.reach.late));
  if (s.reach.wrong_length || s.reach.corrupted)
    add(fmt::format("{} frames arrived cut or changed", s.reach.wrong_length + s.reach.corrupted));
}

Result<SizeReport> measure_size(const RunSpec& spec, const Facts& facts, Receiver& receiver, unsigned size) {
  SizeReport out;
  out.size = size;
  out.skipped = unfit(spec, facts, size);
  if (!out.skipped.empty()) return out;
  SenderSpec sender = spec.sender;
  sender.frame.size = size;
  auto senders = Senders::make(sender);
  if (!senders && senders.error().code == Code::invalid_argument && spec.sizes.empty()) {
    out.skipped = senders.error().what;
    return out;
  }
  if (!senders) return tl::unexpected(senders.error());
  MZ_CHECK(SizeRun(spec, facts, *senders, receiver, out).run());
  return out;
}

}  // namespace

Result<> check_sender(const RunSpec& spec, const Facts& sender) {
  MZ_CHECK(check_sizes(spec, sender));
  MZ_CHECK(check_link(spec, sender));
  return check_largest(spec);
}

double wire_bits(unsigned size) { return 8.0 * (size + kWireExtra); }

Result<RunReport> measure(const RunSpec& spec, const std::function<void(const std::string&)>& progress) {
  RunReport report;
  report.spec = spec;
  auto receiving = facts_of(spec.receiver.interface, spec.receiver.netns);
  if (!receiving) return tl::unexpected(receiving.error());
  auto sending = facts_of(spec.sender.interface);
  if (!sending) return tl::unexpected(sending.error());
  MZ_CHECK(check_sizes(spec, *sending));
  auto receiver = Receiver::open(spec.receiver);
  if (!receiver) return tl::unexpected(receiver.error());
  // Once more: an XDP program on one end of a veth changes what the other can do.
  sending = facts_of(spec.sender.interface);
  if (!sending) return tl::unexpected(sending.error());
  MZ_CHECK(check_sender(spec, *sending));
  report.sender = *sending;
  report.receiver = *receiving;
  report.native = (*receiver)->native();
  if (!report.native)
    report.warnings.push_back(fmt::format(
        "interface {}: no native XDP: counted by generic XDP, which is slower", spec.receiver.interface));
  const std::vector<unsigned> sizes =
      spec.sizes.empty() ? std::vector<unsigned>(std::begin(kSizes), std::end(kSizes)) : spec.sizes;
  for (const unsigned size : sizes) {
    progress(fmt::format("{} bytes", size));
    auto s = measure_size(spec, report.sender, **receiver, size);
    if (!s) return tl::unexpected(s.error());
    if (s->skipped.empty()) warn(report, *s);
    report.sizes.push_back(std::move(*s));
  }
  return report;
}

}  // namespace linerate
