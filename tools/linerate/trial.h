// SPDX-License-Identifier: Apache-2.0
// One trial: senders on their CPUs, then what the receiver saw of it.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "tools/linerate/generator.h"
#include "tools/linerate/receiver.h"
#include "tools/linerate/search.h"

namespace linerate {

// Set by SIGINT and SIGTERM.
extern std::atomic<bool> stopping;
void stop_on_signals();  // before anything is sent

struct SenderSpec {
  std::string interface;
  Kind kind = Kind::live;
  std::vector<unsigned> cpus;  // a stream each
  FrameSpec frame = {};
};

// All streams of one interface. Not thread-safe.
class Senders {
 public:
  // Errors: those of the generators.
  static Result<Senders> make(const SenderSpec& spec);

  // `load` is shared out among the streams, which begin together.
  Result<Sent> send(const Load& load);
  [[nodiscard]] unsigned streams() const { return static_cast<unsigned>(all_.size()); }

 private:
  struct One {
    unsigned cpu = 0;
    std::unique_ptr<Generator> generator;
  };
  std::vector<One> all_;
};

struct TrialSpec {
  double rate = 0;  // frames a second, 0: as fast as it goes
  std::uint64_t frames = 0;
  std::uint32_t time_every = 0;  // as in Load
};

// Waits for what is under way until nothing has come for `settle` seconds.
Result<Outcome> run_trial(Senders& senders, Receiver& receiver, const TrialSpec& spec, double settle);

// A number for the next trial: never 0, not the last ones'.
std::uint32_t next_trial();

}  // namespace linerate
