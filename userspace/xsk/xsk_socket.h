// SPDX-License-Identifier: Apache-2.0
// Frames of one interface in user space, by AF_XDP: what a function in user space
// stands on. One queue, one process; not thread-safe. Copy mode, which every driver
// has: on a veth there is no other.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "userspace/base/result.h"

namespace mizar::xsk {

struct Counts {
  std::uint64_t received = 0;
  std::uint64_t sent = 0;
  std::uint64_t not_sent = 0;  // the ring was full, or the frame too long
};

class Socket {
 public:
  // The only receive queue of `interface`; its XDP program is ours until the socket
  // is closed. Errors: not_found, failed_precondition (another program is there, the
  // interface has several queues, no AF_XDP in the kernel).
  static Result<std::unique_ptr<Socket>> open(const std::string& interface);
  ~Socket();

  [[nodiscard]] int fd() const;  // readable when there are frames
  // Hands out what has come; a frame is the kernel's again when `take` returns.
  // At most so many at once.
  unsigned receive(const std::function<void(std::span<const std::uint8_t>)>& take, unsigned most = 64);
  // Copies the frame out. What does not fit now is counted and lost.
  bool send(std::span<const std::uint8_t> frame);
  [[nodiscard]] const Counts& counts() const;
  [[nodiscard]] const std::string& mode() const;  // "native" or "generic"

 private:
  struct State;
  explicit Socket(std::unique_ptr<State> state);
  std::unique_ptr<State> s_;
};

}  // namespace mizar::xsk
