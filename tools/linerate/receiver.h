// SPDX-License-Identifier: Apache-2.0
// The far end on an interface: counts frames by their sequence numbers, or sends them back.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "tools/linerate/linerate_abi.h"
#include "tools/linerate/search.h"
#include "userspace/base/unique_fd.h"

struct mz_lr_receive;

namespace linerate {

struct ReceiverSpec {
  std::string interface;
  std::string netns = {};  // empty: the process's
  unsigned streams = MZ_LR_STREAMS;
  bool verify = false;   // look at whole payloads
  bool reflect = false;  // send back instead of counting
  std::string out = {};  // reflect: leave by another interface
};

// One program on one interface until it is destroyed. Not thread-safe.
class Receiver {
 public:
  // Errors: not_found (interface, namespace), permission_denied, failed_precondition (another program
  // is there, no carrier afterwards).
  static Result<std::unique_ptr<Receiver>> open(const ReceiverSpec& spec);
  ~Receiver();

  [[nodiscard]] bool native() const { return native_; }  // the driver's XDP, else generic
  // From now on only this trial's frames count; 0: any trial's.
  void begin(std::uint32_t trial);
  // Frames of the trial so far, once each.
  [[nodiscard]] std::uint64_t received(std::uint32_t trial) const;
  // Adds what was received to what was sent.
  void collect(std::uint32_t trial, Outcome& out) const;

  // A trial's streams; their memory is the kernel's.
  [[nodiscard]] std::span<mz_lr_stream> streams(std::uint32_t trial) const;
  [[nodiscard]] const mz_lr_receiver& counts() const;

 private:
  struct FreeProgram {
    void operator()(mz_lr_receive* p) const;
  };
  struct Unmap {
    void operator()(void* p) const;
  };
  Receiver() = default;
  Result<> load(const ReceiverSpec& spec, const std::string& what);
  Result<> attach(unsigned ifindex, bool reflect, const std::string& what);

  std::unique_ptr<mz_lr_receive, FreeProgram> program_;
  std::unique_ptr<void, Unmap> streams_;
  mizar::UniqueFd link_;  // closed: the program leaves the interface
  bool native_ = false;
};

}  // namespace linerate
