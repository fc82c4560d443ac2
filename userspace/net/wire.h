// SPDX-License-Identifier: Apache-2.0
// Private to userspace/net: building one rtnetlink message and reading its
// answer. Messages are written by hand on libnl's buffers because the typed
// objects of libnl-route cannot say everything we ask for in one message.
#pragma once

#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "userspace/base/addr.h"
#include "userspace/base/result.h"
#include "userspace/net/netlink.h"

namespace mizar::net::wire {

// What an errno of the networking system calls means to our callers.
Code code_of(int err);

// A link name the kernel takes as it stands. Error: invalid_argument.
// '%' is refused: the kernel would read it as a pattern.
Result<> check_name(std::string_view name);

// A socket of the calling thread's namespace: NETLINK_ROUTE, NETLINK_GENERIC.
Result<NlSocket> connect(int protocol);

unsigned char family_of(const Addr& a);
Result<Addr> addr_of(int family, const void* bytes, std::size_t size);

// One request. Attributes past the buffer's end (a page; ours need 300 bytes)
// are remembered and fail the exchange.
class Message {
 public:
  // `flags`: NLM_F_ACK for a change, NLM_F_DUMP for a listing, else 0 for a
  // question with one answer.
  template <class Header>
  Message(int type, int flags, const Header& header)
      : msg_(nlmsg_alloc_simple(type, NLM_F_REQUEST | flags)) {
    append(header);
  }

  template <class Pod>
  void append(const Pod& pod) {
    Pod copy = pod;  // nlmsg_append() takes no const
    note(msg_ ? nlmsg_append(msg_.get(), &copy, sizeof copy, NLMSG_ALIGNTO) : -1);
  }
  void put(int type, const void* data, std::size_t size) {
    note(msg_ ? nla_put(msg_.get(), type, static_cast<int>(size), data) : -1);
  }
  void put_u32(int type, std::uint32_t v) { put(type, &v, sizeof v); }
  void put_text(int type, const std::string& s) { put(type, s.c_str(), s.size() + 1); }
  void put_mac(int type, const MacBytes& mac) { put(type, mac.data(), mac.size()); }
  void put_addr(int type, const Addr& a);  // 4 or 16 bytes, as its family has it
  template <class Body>
  void nest(int type, Body&& body) {
    nlattr* start = msg_ ? nla_nest_start(msg_.get(), type) : nullptr;
    if (!start) return note(-1);
    body();
    nla_nest_end(msg_.get(), start);
  }

  [[nodiscard]] bool complete() const { return complete_; }
  [[nodiscard]] nl_msg* raw() const { return msg_.get(); }

 private:
  struct Free {
    void operator()(nl_msg* m) const { nlmsg_free(m); }
  };
  void note(int rc) { complete_ = complete_ && rc >= 0; }

  std::unique_ptr<nl_msg, Free> msg_;
  bool complete_ = true;
};

// The attributes of a received message after its fixed header, by type.
template <class Header, int kMax>
class Attributes {
 public:
  explicit Attributes(const nlmsghdr& h) {
    auto* hdr = const_cast<nlmsghdr*>(&h);  // libnl's parser takes no const; it only reads
    valid_ = nlmsg_parse(hdr, sizeof(Header), at_.data(), kMax, nullptr) >= 0;
    if (valid_) header_ = static_cast<const Header*>(nlmsg_data(hdr));
  }
  [[nodiscard]] bool valid() const { return valid_; }
  [[nodiscard]] const Header& header() const { return *header_; }
  [[nodiscard]] nlattr* operator[](int type) const { return at_[static_cast<std::size_t>(type)]; }
  [[nodiscard]] std::uint32_t u32(int type) const {
    nlattr* a = (*this)[type];
    return a && nla_len(a) >= 4 ? nla_get_u32(a) : 0;
  }
  [[nodiscard]] std::string text(int type) const {
    nlattr* a = (*this)[type];
    if (!a) return {};
    const std::string_view all(static_cast<const char*>(nla_data(a)),
                               static_cast<std::size_t>(nla_len(a)));
    return std::string(all.substr(0, all.find('\0')));
  }

 private:
  std::array<nlattr*, kMax + 1> at_{};
  const Header* header_ = nullptr;
  bool valid_ = false;
};

// A neighbour message (RTM_NEWNEIGH, RTM_DELNEIGH) in our words.
Result<Neighbour> neighbour_of(const nlmsghdr& h);

using OnMessage = std::function<void(const nlmsghdr&)>;

// Hands each message of one received datagram to `on`; false ends the walk.
// Returns 1 read, 0 nothing pending (or the time limit passed), -errno.
int receive(nl_sock* sock, const std::function<bool(const nlmsghdr&)>& on);

// Sends `m` and reads its answer: the acknowledgement, the one message, or
// the dump. `what` names the object and the step in an error, whose `sys` is
// the kernel's errno and which carries the kernel's own explanation.
Result<> exchange(nl_sock* sock, Message& m, const std::string& what, const OnMessage& on = {});

}  // namespace mizar::net::wire
