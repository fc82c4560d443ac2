// SPDX-License-Identifier: Apache-2.0
// Sockets with addresses of both families.
#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>

#include "userspace/base/addr.h"
#include "userspace/base/unique_fd.h"

namespace mizar::responder {

struct Target {
  Addr ip;
  std::uint16_t port = 0;
  bool operator==(const Target&) const = default;

  // "192.0.2.1:53", "[2001:db8::1]:53". Error: invalid_argument.
  static Result<Target> parse(std::string_view text);
  [[nodiscard]] std::string text() const;
};

// A target as the kernel takes it, and back.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = sizeof(sockaddr_storage);

  SocketAddress() = default;
  explicit SocketAddress(const Target& t);
  [[nodiscard]] Target target() const;
  sockaddr* raw() { return reinterpret_cast<sockaddr*>(&storage); }
  [[nodiscard]] const sockaddr* raw() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// Non-blocking, of the target's family. `type`: SOCK_DGRAM or SOCK_STREAM.
Result<UniqueFd> make_socket(const Target& like, int type);

// Bound to `at`, whether that address is there yet or not, and listening if it is
// a stream. `device`: only what comes in by it; empty: any.
Result<UniqueFd> listen_at(const Target& at, int type, const std::string& device);

}  // namespace mizar::responder
