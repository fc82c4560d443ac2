// SPDX-License-Identifier: Apache-2.0
#include "userspace/transitd/prober.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "bpf/abi/wire.h"
#include "userspace/transitd/control_packet.h"

namespace mizar {

namespace {

constexpr auto kPeriod = std::chrono::milliseconds(100);
constexpr unsigned kLost = 3;

// An address of either family as the system calls take it.
class SocketAddress {
 public:
  SocketAddress() = default;
  SocketAddress(const Addr& a, std::uint16_t port) {
    if (a.is_v4()) {
      u_.in4.sin_family = AF_INET;
      u_.in4.sin_port = htons(port);
      u_.in4.sin_addr.s_addr = htonl(a.v4_value());
      len_ = sizeof u_.in4;
    } else {
      u_.in6.sin6_family = AF_INET6;
      u_.in6.sin6_port = htons(port);
      std::memcpy(&u_.in6.sin6_addr, a.bytes().data(), 16);
      len_ = sizeof u_.in6;
    }
  }
  [[nodiscard]] const sockaddr* get() const { return &u_.any; }
  [[nodiscard]] socklen_t len() const { return len_; }
  sockaddr* fill() { return &u_.any; }
  socklen_t* fill_len() { return &len_; }

  [[nodiscard]] Addr address() const {
    if (u_.any.sa_family == AF_INET) return Addr::v4(ntohl(u_.in4.sin_addr.s_addr));
    mz_addr a;
    std::memcpy(&a, &u_.in6.sin6_addr, sizeof a);
    return Addr(a);
  }
  // The same place in both.
  [[nodiscard]] std::uint16_t port() const { return ntohs(u_.in4.sin_port); }

 private:
  union {
    sockaddr any;
    sockaddr_in in4;
    sockaddr_in6 in6;
  } u_{};
  socklen_t len_ = sizeof u_;
};

Result<UniqueFd> open_socket(const Addr& source) {
  UniqueFd fd(socket(source.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return fail_errno(Code::internal, errno, "prober");
  const SocketAddress sa(source, 0);
  if (bind(fd.get(), sa.get(), sa.len()) != 0)
    return fail_errno(Code::failed_precondition, errno,
                      fmt::format("address {}: not on this host, cannot probe from it", source.text()));
  return fd;
}

}  // namespace

Result<std::unique_ptr<Prober>> Prober::start(std::uint32_t self, const Addrs& source,
                                              Changed changed) {
  std::unique_ptr<Prober> p(new Prober);
  p->self_ = self;
  p->changed_ = std::move(changed);
  for (const Addr& a : source.all()) {
    auto fd = open_socket(a);
    if (!fd) return tl::unexpected(fd.error());
    (a.is_v4() ? p->socket4_ : p->socket6_) = std::move(*fd);
  }
  p->timer_.reset(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!p->timer_.valid()) return fail_errno(Code::internal, errno, "prober");
  itimerspec spec{};
  spec.it_interval.tv_nsec = std::chrono::nanoseconds(kPeriod).count();
  spec.it_value = spec.it_interval;
  timerfd_settime(p->timer_.get(), 0, &spec, nullptr);
  p->thread_ = std::jthread([raw = p.get()](const std::stop_token& stop) { raw->run(stop); });
  return p;
}

Prober::~Prober() = default;

void Prober::set_targets(const std::map<std::uint32_t, Addr>& hops,
                         const std::map<std::uint32_t, bool>& down) {
  const std::lock_guard lock(mutex_);
  std::erase_if(targets_, [&](const auto& t) {
    const auto now = hops.find(t.first);
    return now == hops.end() || now->second != t.second.address;
  });
  by_address_.clear();
  for (const auto& [id, address] : hops) {
    const auto [at, fresh] = targets_.try_emplace(id);
    if (fresh) {
      at->second.address = address;
      const auto was = down.find(id);
      at->second.down = was != down.end() && was->second;
    }
    by_address_[address] = id;
  }
}

std::optional<std::chrono::microseconds> Prober::rtt(std::uint32_t host) const {
  const std::lock_guard lock(mutex_);
  const auto found = targets_.find(host);
  if (found == targets_.end() || found->second.rtt.count() == 0) return std::nullopt;
  return found->second.rtt;
}

void Prober::send(const Addr& host, std::span<const std::uint8_t> payload) const {
  const SocketAddress sa(host, MZ_GENEVE_PORT);
  sendto((host.is_v4() ? socket4_ : socket6_).get(), payload.data(), payload.size(), MSG_DONTWAIT,
         sa.get(), sa.len());
}

void Prober::run(const std::stop_token& stop) {
  // poll() passes over a descriptor of -1.
  std::array<pollfd, 3> fds = {pollfd{socket4_.get(), POLLIN, 0},
                               pollfd{socket6_.get(), POLLIN, 0}, pollfd{timer_.get(), POLLIN, 0}};
  while (!stop.stop_requested()) {  // the timer wakes it up to look
    if (poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) return;
    if (socket4_.valid()) take_answers(socket4_);
    if (socket6_.valid()) take_answers(socket6_);
    std::uint64_t ticks;
    if (read(timer_.get(), &ticks, sizeof ticks) == sizeof ticks) probe_all();
  }
}

void Prober::probe_all() {
  const auto packet = probe_packet(self_);
  std::vector<std::uint32_t> lost;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [id, t] : targets_) {
      if (t.unanswered >= kLost && !t.down) {
        t.down = true;
        lost.push_back(id);
      }
      t.unanswered++;
      t.sent = Clock::now();
      send(t.address, packet);
    }
  }
  for (const auto id : lost) changed_(id, true);
}

void Prober::take_answers(const UniqueFd& socket) {
  std::array<std::uint8_t, 512> buffer{};
  std::vector<std::uint32_t> back;
  for (;;) {
    SocketAddress from;
    if (recvfrom(socket.get(), buffer.data(), buffer.size(), 0, from.fill(), from.fill_len()) < 0) break;
    const std::lock_guard lock(mutex_);
    const auto who = by_address_.find(from.address());
    if (who == by_address_.end() || from.port() != MZ_GENEVE_PORT) continue;
    Target& t = targets_[who->second];
    if (t.unanswered == 1)
      t.rtt = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - t.sent);
    t.unanswered = 0;
    if (t.down) {
      t.down = false;
      back.push_back(who->second);
    }
  }
  for (const auto id : back) changed_(id, false);
}

}  // namespace mizar
