// SPDX-License-Identifier: Apache-2.0
// TCP connections of clients: bounded in number and memory, closed when idle.
// A client that does not read its answers is not read from. Lives in one loop.
#pragma once

#include <chrono>
#include <functional>
#include <map>

#include "userspace/base/event_loop.h"
#include "userspace/responder/sockets.h"
#include "userspace/responder/wire.h"

namespace mizar::responder {

struct StreamLimits {
  std::size_t all = 1024;
  std::size_t each = 16;  // of one client
  std::chrono::milliseconds idle{10000};
};

class Streams {
 public:
  using Clock = std::chrono::steady_clock;
  using Id = std::uint64_t;
  // Called with all bytes not yet taken; returns how many it takes.
  using Handler = std::function<std::size_t(Id id, std::uint32_t slot, View bytes)>;

  Streams(EventLoop& loop, StreamLimits limits) : loop_(loop), limits_(limits) {}

  // Takes one connection over. False: too many; it is closed.
  bool add(UniqueFd fd, std::uint32_t slot, Handler handler);
  // Nothing happens to what is gone already.
  void send(Id id, View bytes);
  // After what was sent has gone out.
  void close(Id id);
  void expire(Clock::time_point now);
  [[nodiscard]] std::size_t size() const { return open_.size(); }

 private:
  struct Stream {
    UniqueFd fd;
    std::uint32_t slot;
    Handler handler;
    Bytes in, out;
    bool closing = false, failed = false;
    Clock::time_point until;
  };
  void on_ready(Id id);
  // Each false: the stream is at its end.
  bool read(Id id, Stream& s);
  bool flush(Id id, Stream& s);
  void drop(Id id);
  void touch(Stream& s) { s.until = Clock::now() + limits_.idle; }

  EventLoop& loop_;
  StreamLimits limits_;
  std::map<Id, Stream> open_;
  std::map<std::uint32_t, std::size_t> per_slot_;
  Id last_ = 0;
};

}  // namespace mizar::responder
