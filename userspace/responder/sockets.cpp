// SPDX-License-Identifier: Apache-2.0
#include "userspace/responder/sockets.h"

#include <netinet/in.h>

#include <cerrno>
#include <charconv>
#include <cstring>

namespace mizar::responder {

Result<Target> Target::parse(std::string_view text) {
  const auto colon = text.rfind(':');
  const auto bad = [&] { return fail(Code::invalid_argument, "'{}' is not ADDRESS:PORT", text); };
  if (colon == std::string_view::npos) return bad();
  std::string_view host = text.substr(0, colon);
  const bool brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (brackets) host = host.substr(1, host.size() - 2);
  auto ip = Addr::parse(host);
  if (!ip || ip->is_v4() == brackets) return bad();
  Target t{*ip, 0};
  const auto port = text.substr(colon + 1);
  const auto [end, ec] = std::from_chars(port.begin(), port.end(), t.port);
  if (ec != std::errc() || end != port.end() || t.port == 0) return bad();
  return t;
}

std::string Target::text() const {
  return ip.is_v4() ? fmt::format("{}:{}", ip.text(), port)
                    : fmt::format("[{}]:{}", ip.text(), port);
}

SocketAddress::SocketAddress(const Target& t) {
  if (t.ip.is_v4()) {
    auto* in = reinterpret_cast<sockaddr_in*>(&storage);
    in->sin_family = AF_INET;
    in->sin_port = htons(t.port);
    in->sin_addr.s_addr = htonl(t.ip.v4_value());
    length = sizeof *in;
    return;
  }
  auto* in = reinterpret_cast<sockaddr_in6*>(&storage);
  in->sin6_family = AF_INET6;
  in->sin6_port = htons(t.port);
  std::memcpy(&in->sin6_addr, t.ip.bytes().data(), 16);
  length = sizeof *in;
}

Target SocketAddress::target() const {
  if (storage.ss_family == AF_INET) {
    const auto* in = reinterpret_cast<const sockaddr_in*>(&storage);
    return {Addr::v4(ntohl(in->sin_addr.s_addr)), ntohs(in->sin_port)};
  }
  const auto* in = reinterpret_cast<const sockaddr_in6*>(&storage);
  mz_addr a;
  std::memcpy(&a, &in->sin6_addr, sizeof a);
  return {Addr(a), ntohs(in->sin6_port)};
}

Result<UniqueFd> make_socket(const Target& like, int type) {
  const int family = like.ip.is_v4() ? AF_INET : AF_INET6;
  UniqueFd fd(::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return fail_errno(Code::internal, errno, "socket for " + like.text());
  return fd;
}

Result<UniqueFd> listen_at(const Target& at, int type, const std::string& device) {
  auto fd = make_socket(at, type);
  if (!fd) return fd;
  const int on = 1;
  ::setsockopt(fd->get(), IPPROTO_IP, IP_FREEBIND, &on, sizeof on);  // of both families
  ::setsockopt(fd->get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (!at.ip.is_v4()) ::setsockopt(fd->get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (!device.empty() && ::setsockopt(fd->get(), SOL_SOCKET, SO_BINDTODEVICE, device.c_str(),
                                      static_cast<socklen_t>(device.size())) != 0)
    return fail_errno(Code::unavailable, errno, fmt::format("{}: device {}", at.text(), device));
  const SocketAddress address(at);
  if (::bind(fd->get(), address.raw(), address.length) != 0)
    return fail_errno(Code::unavailable, errno, fmt::format("{}: bind", at.text()));
  if (type == SOCK_STREAM && ::listen(fd->get(), 256) != 0)
    return fail_errno(Code::unavailable, errno, fmt::format("{}: listen", at.text()));
  return fd;
}

}  // namespace mizar::responder
