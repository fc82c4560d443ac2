// SPDX-License-Identifier: Apache-2.0
#include "userspace/net/tap.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include <cerrno>

#include "userspace/base/unique_fd.h"
#include "userspace/net/netlink.h"
#include "userspace/net/wire.h"

namespace mizar::net {

namespace {

// The existing link's index, if it is what the caller wants, judged by the
// attributes of the tun driver.
Result<unsigned> existing_tap(const Link& l, const TapOptions& o) {
  if (l.kind != "tun" || !l.tun || !l.tun->tap)
    return fail(Code::already_exists, "tap {}: the name belongs to another kind of link", l.name);
  if (l.tun->multi_queue != o.multi_queue)
    return fail(Code::already_exists, "tap {}: exists with {} queue", l.name,
                l.tun->multi_queue ? "more than one" : "a single");
  return l.index;
}

Result<> set_up(int fd, const std::string& name, const TapOptions& o) {
  ifreq req{};
  name.copy(req.ifr_name, IFNAMSIZ - 1);
  const int flags =
      IFF_TAP | IFF_NO_PI | (o.vnet_hdr ? IFF_VNET_HDR : 0) | (o.multi_queue ? IFF_MULTI_QUEUE : 0);
  req.ifr_flags = static_cast<short>(flags);
  const auto failed = [&](const char* step) {
    return fail_errno(wire::code_of(errno), errno, fmt::format("tap {}: {}", name, step));
  };
  if (::ioctl(fd, TUNSETIFF, &req) != 0) return failed("create");
  if (o.owner && ::ioctl(fd, TUNSETOWNER, static_cast<unsigned long>(*o.owner)) != 0)
    return failed("set owner");
  if (::ioctl(fd, TUNSETPERSIST, 1ul) != 0) return failed("make persistent");
  return {};
}

}  // namespace

Result<TapInfo> ensure_tap(const std::string& name, const TapOptions& options) {
  MZ_CHECK(wire::check_name(name));
  auto nl = Netlink::open();
  if (!nl) return tl::unexpected(nl.error());
  // Looking first leaves a tap alone that a VMM holds: attaching to it is EBUSY.
  auto link = nl->link(name);
  const bool existed = link.has_value();
  if (!existed && link.error().code != Code::not_found) return tl::unexpected(link.error());
  if (existed) {
    auto index = existing_tap(*link, options);
    if (!index) return tl::unexpected(index.error());
    if (link->tun->persistent && link->tun->vnet_hdr == options.vnet_hdr)
      return TapInfo{*index, false};
  }
  UniqueFd fd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  if (!fd.valid()) return fail_errno(Code::unavailable, errno, "open /dev/net/tun");
  MZ_CHECK(set_up(fd.get(), name, options));
  link = nl->link(name);
  if (!link) return tl::unexpected(link.error());
  return TapInfo{link->index, !existed};
}

}  // namespace mizar::net
