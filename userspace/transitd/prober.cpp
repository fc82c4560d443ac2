// SPDX-License-Identifier: Apache-2.0
#include "userspace/transitd/prober.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include <array>
#include <cerrno>
#include <vector>

#include "bpf/abi/wire.h"
#include "userspace/transitd/control_packet.h"

namespace mizar {

namespace {

constexpr auto kPeriod = std::chrono::milliseconds(100);
constexpr unsigned kLost = 3;

sockaddr_in socket_address(const Addr& a, std::uint16_t port) {
  sockaddr_in sa{};
  sa.sin_family = AF_INET;
  sa.sin_port = htons(port);
  sa.sin_addr.s_addr = htonl(a.v4_value());
  return sa;
}

}  // namespace

Result<std::unique_ptr<Prober>> Prober::start(std::uint32_t self, const Addr& source,
                                              Changed changed) {
  std::unique_ptr<Prober> p(new Prober);
  p->self_ = self;
  p->changed_ = std::move(changed);
  p->socket_.reset(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  p->timer_.reset(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!p->socket_.valid() || !p->timer_.valid()) return fail_errno(Code::internal, errno, "prober");
  const sockaddr_in sa = socket_address(source, 0);
  if (bind(p->socket_.get(), reinterpret_cast<const sockaddr*>(&sa), sizeof sa) != 0)
    return fail_errno(Code::failed_precondition, errno,
                      fmt::format("address {}: not on this host, cannot probe from it", source.text()));
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
  const sockaddr_in sa = socket_address(host, MZ_GENEVE_PORT);
  sendto(socket_.get(), payload.data(), payload.size(), MSG_DONTWAIT,
         reinterpret_cast<const sockaddr*>(&sa), sizeof sa);
}

void Prober::run(const std::stop_token& stop) {
  std::array<pollfd, 2> fds = {pollfd{socket_.get(), POLLIN, 0}, pollfd{timer_.get(), POLLIN, 0}};
  while (!stop.stop_requested()) {  // the timer wakes it up to look
    if (poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) return;
    take_answers();
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

void Prober::take_answers() {
  std::array<std::uint8_t, 512> buffer{};
  std::vector<std::uint32_t> back;
  for (;;) {
    sockaddr_in from{};
    socklen_t len = sizeof from;
    if (recvfrom(socket_.get(), buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from),
                 &len) < 0)
      break;
    const std::lock_guard lock(mutex_);
    const auto who = by_address_.find(Addr::v4(ntohl(from.sin_addr.s_addr)));
    if (who == by_address_.end() || ntohs(from.sin_port) != MZ_GENEVE_PORT) continue;
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
