// SPDX-License-Identifier: Apache-2.0
#include "userspace/net/wire.h"

#include <net/if.h>
#include <netlink/errno.h>

#include <cerrno>
#include <cstdlib>
#include <optional>

namespace mizar::net::wire {

Code code_of(int err) {
  switch (err) {
    case ENODEV:
    case ENOENT:
    case ENXIO:
    case ESRCH:
    case EADDRNOTAVAIL:
      return Code::not_found;
    case EEXIST:
      return Code::already_exists;
    case EINVAL:
    case ERANGE:
    case ENAMETOOLONG:
      return Code::invalid_argument;
    case EPERM:
    case EACCES:
      return Code::permission_denied;
    case EBUSY:
    case ENETDOWN:
    case ENOTCONN:
      return Code::failed_precondition;
    case ENOMEM:
    case ENOBUFS:
    case ENOSPC:
    case EMFILE:
    case ENFILE:
      return Code::resource_exhausted;
    case EAGAIN:
    case ENETUNREACH:
    case EHOSTUNREACH:
      return Code::unavailable;
    case EOPNOTSUPP:
    case ENOSYS:
    case EAFNOSUPPORT:
      return Code::unimplemented;
    default:
      return Code::internal;
  }
}

Result<> check_name(std::string_view name) {
  if (name.empty() || name.size() >= IFNAMSIZ)
    return fail(Code::invalid_argument, "link name '{}' must have 1 to {} characters", name,
                IFNAMSIZ - 1);
  const auto bad = [](char c) { return c <= ' ' || c == '/' || c == ':' || c == '%' || c == 0x7f; };
  for (char c : name)
    if (bad(c))
      return fail(Code::invalid_argument, "link name '{}' has a forbidden character", name);
  if (name == "." || name == "..")
    return fail(Code::invalid_argument, "link name '{}' is not usable", name);
  return {};
}

unsigned char family_of(const Addr& a) { return a.is_v4() ? AF_INET : AF_INET6; }

Result<Addr> addr_of(int family, const void* bytes, std::size_t size) {
  if (family == AF_INET && size >= 4) {
    std::uint32_t v;
    std::memcpy(&v, bytes, 4);
    return Addr::v4(__builtin_bswap32(v));
  }
  if (family == AF_INET6 && size >= 16) {
    mz_addr v;
    std::memcpy(&v, bytes, 16);
    return Addr(v);
  }
  return fail(Code::internal, "address of family {} with {} bytes from the kernel", family, size);
}

void Message::put_addr(int type, const Addr& a) {
  const auto& b = a.bytes();
  if (a.is_v4())
    put(type, b.data() + 12, 4);
  else
    put(type, b.data(), 16);
}

int receive(nl_sock* sock, const std::function<bool(const nlmsghdr&)>& on) {
  sockaddr_nl from{};
  unsigned char* buf = nullptr;
  const int n = nl_recv(sock, &from, &buf, nullptr);
  const std::unique_ptr<unsigned char, void (*)(void*)> owner(buf, std::free);
  if (n == 0 || n == -NLE_AGAIN) return 0;
  if (n == -NLE_NOMEM) return -ENOBUFS;  // libnl's word for an overrun as well
  if (n < 0) return -EIO;
  if (from.nl_pid != 0) return 1;  // only the kernel is believed
  int left = n;
  for (auto* h = reinterpret_cast<nlmsghdr*>(buf); nlmsg_ok(h, left); h = nlmsg_next(h, &left))
    if (!on(*h)) break;
  return 1;
}

namespace {

// The end of an exchange: an errno (0 = well) and the kernel's explanation.
struct End {
  int err = 0;
  std::string text;
};

End end_of(const nlmsghdr& h) {
  auto* hdr = const_cast<nlmsghdr*>(&h);
  End end;
  if (nlmsg_datalen(hdr) < static_cast<int>(sizeof(int))) return end;
  end.err = -*static_cast<const int*>(nlmsg_data(hdr));
  // The socket asks for capped answers: attributes follow nlmsgerr at once.
  if (h.nlmsg_type != NLMSG_ERROR || !(h.nlmsg_flags & NLM_F_ACK_TLVS)) return end;
  if (nlattr* msg = nlmsg_find_attr(hdr, sizeof(nlmsgerr), NLMSGERR_ATTR_MSG))
    end.text.assign(
        static_cast<const char*>(nla_data(msg)),
        strnlen(static_cast<const char*>(nla_data(msg)), static_cast<std::size_t>(nla_len(msg))));
  return end;
}

// Reads until the answer to `sent` ends.
End read_answer(nl_sock* sock, const nlmsghdr& sent, const OnMessage& on, bool& interrupted) {
  const bool ack = sent.nlmsg_flags & NLM_F_ACK;
  // NLM_F_DUMP shares its bits with NLM_F_REPLACE | NLM_F_EXCL of a change.
  const bool dump = !ack && (sent.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
  std::optional<End> end;
  while (!end) {
    const int rc = receive(sock, [&](const nlmsghdr& h) {
      // An answer left behind by an exchange that timed out is not ours.
      if (h.nlmsg_seq != sent.nlmsg_seq) return true;
      interrupted = interrupted || (h.nlmsg_flags & NLM_F_DUMP_INTR);
      if (h.nlmsg_type == NLMSG_ERROR || h.nlmsg_type == NLMSG_DONE) {
        end = end_of(h);
      } else {
        if (on) on(h);
        if (!dump && !ack) end = End{};
      }
      return !end;
    });
    if (rc == 0) return {EAGAIN, "no answer in time"};
    if (rc < 0) return {-rc, {}};
  }
  return *end;
}

}  // namespace

Result<> exchange(nl_sock* sock, Message& m, const std::string& what, const OnMessage& on) {
  if (!m.complete()) return fail(Code::internal, "{}: netlink message too small", what);
  nl_complete_msg(sock, m.raw());
  const int rc = nl_send(sock, m.raw());
  if (rc < 0) return fail(Code::internal, "{}: send to the kernel: {}", what, nl_geterror(rc));
  bool interrupted = false;
  const End end = read_answer(sock, *nlmsg_hdr(m.raw()), on, interrupted);
  if (end.err != 0) {
    const std::string full = end.text.empty() ? what : fmt::format("{} ({})", what, end.text);
    return fail_errno(code_of(end.err), end.err, full);
  }
  // The table changed under the dump, which may miss entries.
  if (interrupted) return fail_errno(Code::unavailable, EINTR, what);
  return {};
}

}  // namespace mizar::net::wire
