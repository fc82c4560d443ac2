// SPDX-License-Identifier: Apache-2.0
#include "tools/linerate/trial.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <latch>
#include <optional>
#include <thread>

#include "userspace/base/random.h"

namespace linerate {

std::atomic<bool> stopping = false;

void stop_on_signals() {
  struct sigaction stop {};
  stop.sa_handler = [](int) { stopping = true; };
  sigaction(SIGTERM, &stop, nullptr);
  sigaction(SIGINT, &stop, nullptr);
  struct sigaction wake {};  // no SA_RESTART: it is to interrupt
  wake.sa_handler = [](int) {};
  sigaction(kWake, &wake, nullptr);
}

std::uint32_t next_trial() {
  static std::uint16_t last = mizar::random_number<std::uint16_t>();
  if (++last == 0) ++last;
  return last;
}

namespace {

Result<> pin(unsigned cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  const int err = pthread_setaffinity_np(pthread_self(), sizeof set, &set);
  if (err == 0) return {};
  return mizar::fail_errno(mizar::Code::invalid_argument, err, fmt::format("CPU {}: --cpus", cpu));
}

constexpr std::uint64_t kLook = 1'000'000;  // ns between two looks at who has sent all

// The i-th of n parts of a whole.
std::uint64_t part(std::uint64_t whole, std::size_t i, std::size_t n) {
  return whole / n + (i < whole % n ? 1 : 0);
}

}  // namespace

Result<Senders> Senders::make(const SenderSpec& spec) {
  Senders out;
  for (unsigned i = 0; i < spec.cpus.size(); i++) {
    FrameSpec f = spec.frame;
    f.stream = i;
    auto made = spec.kind == Kind::live ? make_live(spec.interface, make_frame(f))
                                        : make_afxdp(spec.interface, i, make_frame(f));
    if (!made) return tl::unexpected(made.error());
    out.all_.push_back({spec.cpus[i], std::move(*made)});
  }
  return out;
}

Result<Sent> Senders::send(const Load& load) {
  std::vector<std::optional<Result<Sent>>> results(all_.size());
  std::latch ready(static_cast<std::ptrdiff_t>(all_.size())), done(static_cast<std::ptrdiff_t>(all_.size()));
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < all_.size(); i++)
    threads.emplace_back([&, i] {
      const auto pinned = pin(all_[i].cpu);
      Load mine = load;
      mine.rate = load.rate / static_cast<double>(all_.size());
      mine.frames = part(load.frames, i, all_.size());
      ready.arrive_and_wait();
      results[i] =
          pinned ? all_[i].generator->send(mine, stopping) : Result<Sent>(tl::unexpected(pinned.error()));
      done.count_down();
    });
  while (!done.try_wait()) {
    wait_until(now_ns() + kLook);
    for (std::size_t i = 0; i < all_.size(); i++)
      if (stopping || all_[i].generator->waits()) pthread_kill(threads[i].native_handle(), kWake);
  }
  threads.clear();  // joins
  Sent sum;
  for (auto& r : results) {
    if (!*r) return tl::unexpected(r->error());
    sum.frames += (*r)->frames;
    sum.refused += (*r)->refused;
    sum.seconds = std::max(sum.seconds, (*r)->seconds);
  }
  return sum;
}

namespace {

void wait_for_frames(const Receiver& receiver, std::uint32_t trial, std::uint64_t expected, double settle) {
  std::uint64_t seen = receiver.received(trial), last = now_ns();
  while (seen < expected && static_cast<double>(now_ns() - last) < settle * kSecond) {
    wait_until(now_ns() + 1'000'000);
    const std::uint64_t now = receiver.received(trial);
    if (now != seen) last = now_ns();
    seen = now;
  }
}

}  // namespace

Result<Outcome> run_trial(Senders& senders, Receiver& receiver, const TrialSpec& spec, double settle) {
  const std::uint32_t trial = next_trial();
  receiver.begin(trial);
  auto sent = senders.send({spec.rate, spec.frames, trial, spec.time_every});
  if (!sent) return tl::unexpected(sent.error());
  Outcome out;
  out.asked = spec.rate;
  out.seconds = sent->seconds;
  out.sent = sent->frames;
  out.refused = sent->refused;
  out.interrupted = stopping;
  wait_for_frames(receiver, trial, out.left(), settle);
  receiver.collect(trial, out);
  return out;
}

}  // namespace linerate
