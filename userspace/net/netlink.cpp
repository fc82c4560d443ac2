// SPDX-License-Identifier: Apache-2.0
#include "userspace/net/netlink.h"

#include <sys/socket.h>
#include <sys/time.h>

#include "userspace/net/wire.h"

namespace mizar::net {

namespace {
constexpr timeval kAnswerLimit{.tv_sec = 5, .tv_usec = 0};
// The kernel cuts a dump into pieces of at most 32 KiB.
constexpr std::size_t kReceiveBytes = 32 * 1024;
}  // namespace

void NlSocketFree::operator()(nl_sock* s) const { nl_socket_free(s); }

Result<NlSocket> wire::connect(int protocol) {
  NlSocket sock(nl_socket_alloc());
  if (!sock) return fail(Code::resource_exhausted, "netlink socket: out of memory");
  if (const int rc = nl_connect(sock.get(), protocol); rc < 0)
    return fail(Code::internal, "netlink socket: {}", nl_geterror(rc));
  nl_socket_disable_auto_ack(sock.get());  // a question needs no second answer
  nl_socket_disable_msg_peek(sock.get());
  nl_socket_set_msg_buf_size(sock.get(), kReceiveBytes);
  const int fd = nl_socket_get_fd(sock.get()), on = 1;
  // Better error texts; a kernel without them still works.
  (void)::setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  (void)::setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  if (::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kAnswerLimit, sizeof kAnswerLimit) != 0)
    return fail_errno(Code::internal, errno, "netlink socket: receive time limit");
  return sock;
}

Result<Netlink> Netlink::open() {
  auto sock = wire::connect(NETLINK_ROUTE);
  if (!sock) return tl::unexpected(sock.error());
  return Netlink(std::move(*sock));
}

Result<Netlink> Netlink::open_in(const NetnsRef& ns) {
  std::optional<Netlink> made;
  MZ_CHECK(run_in(ns, [&]() -> Result<> {
    auto nl = open();
    if (!nl) return tl::unexpected(nl.error());
    made.emplace(std::move(*nl));
    return {};
  }));
  return std::move(*made);
}

}  // namespace mizar::net
