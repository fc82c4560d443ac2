// SPDX-License-Identifier: Apache-2.0
// RFC 2544's tests of one interface, size after size.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tools/linerate/facts.h"
#include "tools/linerate/trial.h"

namespace linerate {

struct Tests {
  bool throughput = true;    // 26.1
  bool latency = true;       // 26.2
  bool loss = true;          // 26.3
  bool back_to_back = true;  // 26.4
};

struct RunSpec {
  SenderSpec sender;
  ReceiverSpec receiver;
  std::vector<unsigned> sizes;  // empty: RFC 2544's, as far as they fit
  Tests tests;
  double seconds = 10;        // of a trial that counts
  double search_seconds = 1;  // of one that only leads there
  unsigned repeat = 1;
  double settle = 0.2;
  double precision = 0.005;
  double max_rate = 0;  // frames a second; 0: the line's, or all that the generator makes
  std::uint32_t time_every = 64;
};

struct SizeReport {
  unsigned size = 0;
  std::string skipped;  // why; empty: it was measured
  double high = 0;      // what 100 % is, frames a second
  Outcome reach;        // the first trial, at that rate
  std::optional<Throughput> throughput;
  std::optional<Outcome> latency;  // of all repetitions
  std::vector<Outcome> loss;
  std::optional<Burst> burst;
};

struct RunReport {
  RunSpec spec;
  Facts sender, receiver;
  bool native = false;  // the receiver's XDP
  std::vector<SizeReport> sizes;
  std::vector<std::string> warnings;
};

// `progress` is told what begins. Errors: not_found, invalid_argument (a size does not fit),
// permission_denied, failed_precondition (down, no XDP, nothing arrives).
Result<RunReport> measure(const RunSpec& spec, const std::function<void(const std::string&)>& progress);

// Whether `sender` can send those sizes at all, before anything is. The same errors.
Result<> check_sender(const RunSpec& spec, const Facts& sender);

// What a frame takes on the wire, bits.
double wire_bits(unsigned size);

}  // namespace linerate
