// SPDX-License-Identifier: Apache-2.0
#include "userspace/responder/forwarder.h"

#include <netinet/in.h>

#include <array>
#include <cerrno>

#include "userspace/base/random.h"

namespace mizar::responder {

namespace {

bool connect_to(const UniqueFd& fd, const Target& to) {
  const SocketAddress address(to);
  return ::connect(fd.get(), address.raw(), address.length) == 0 || errno == EINPROGRESS;
}

}  // namespace

bool Forwarder::ask(std::uint32_t slot, const DnsQuery& query, std::vector<Target> whom,
                    std::optional<std::uint32_t> vni, Done done) {
  if (open_.size() >= settings_.all || whom.empty()) return false;
  auto& count = per_slot_[slot];
  if (count >= settings_.each) return false;
  count++;
  const std::uint64_t key = ++last_;
  Question q;
  q.slot = slot;
  q.query = query;
  q.whom = std::move(whom);
  q.vni = vni;
  q.done = std::move(done);
  open_.emplace(key, std::move(q));
  // Not from inside the caller: `done` comes later even where all fails at once.
  loop_.post([this, key] { try_next(key); });
  return true;
}

void Forwarder::try_next(std::uint64_t key) {
  const auto at = open_.find(key);
  if (at == open_.end()) return;
  Question& q = at->second;
  close(q);
  while (q.tries < settings_.tries) {
    q.tries++;
    if (begin(key, q)) return;
  }
  finish(key, {});
}

bool Forwarder::begin(std::uint64_t key, Question& q) {
  q.id = random_number<std::uint16_t>();
  q.tcp = false;
  q.until = Clock::now() + settings_.patience;
  auto fd = make_socket(server(q), SOCK_DGRAM);
  // Connected: the kernel chooses a random port, and takes answers of the server alone.
  if (!fd || !connect_to(*fd, server(q))) return false;
  q.fd = std::move(*fd);
  const Bytes message = dns_question(q.query, q.id, q.vni);
  if (::send(q.fd.get(), message.data(), message.size(), 0) < 0 ||
      !loop_.watch(q.fd.get(), [this, key] { on_udp(key); })) {
    close(q);
    return false;
  }
  return true;
}

void Forwarder::on_udp(std::uint64_t key) {
  const auto at = open_.find(key);
  if (at == open_.end()) return;
  Question& q = at->second;
  static std::array<std::uint8_t, 65535> buffer;
  for (;;) {
    const ssize_t n = ::recv(q.fd.get(), buffer.data(), buffer.size(), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n < 0) return try_next(key);  // nobody listens there
    const View message(buffer.data(), static_cast<std::size_t>(n));
    switch (dns_fit(message, q.query, q.id)) {
      case DnsFit::no: continue;  // forged, or of an earlier try
      case DnsFit::whole: return finish(key, {message.begin(), message.end()});
      case DnsFit::truncated:
        close(q);
        if (!begin_tcp(key, q)) try_next(key);
        return;
    }
  }
}

bool Forwarder::begin_tcp(std::uint64_t key, Question& q) {
  q.tcp = true;
  q.sent = false;
  q.received.clear();
  q.id = random_number<std::uint16_t>();
  q.until = Clock::now() + settings_.patience;
  auto fd = make_socket(server(q), SOCK_STREAM);
  if (!fd || !connect_to(*fd, server(q))) return false;
  q.fd = std::move(*fd);
  return static_cast<bool>(
      loop_.watch(q.fd.get(), [this, key] { on_tcp(key); }, EventLoop::For::writing));
}

bool Forwarder::send_tcp(std::uint64_t key, Question& q) {
  const Bytes message = dns_question(q.query, q.id, q.vni);
  const Bytes framed =
      Writer().u16(static_cast<std::uint16_t>(message.size())).bytes(message).done();
  // A fresh connection takes these few bytes at once, or is none.
  if (::send(q.fd.get(), framed.data(), framed.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(framed.size()))
    return false;
  q.sent = true;
  return static_cast<bool>(loop_.watch(q.fd.get(), [this, key] { on_tcp(key); }));
}

void Forwarder::on_tcp(std::uint64_t key) {
  const auto at = open_.find(key);
  if (at == open_.end()) return;
  Question& q = at->second;
  if (!q.sent) {
    if (!send_tcp(key, q)) try_next(key);
    return;
  }
  std::array<std::uint8_t, 16384> buffer;
  const ssize_t n = ::recv(q.fd.get(), buffer.data(), buffer.size(), 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return try_next(key);
  q.received.insert(q.received.end(), buffer.begin(), buffer.begin() + n);
  Reader r(q.received);
  const View message = r.take(r.u16());
  if (!r.ok()) return;  // more has to come; two bytes of length bound it
  if (dns_fit(message, q.query, q.id) == DnsFit::no) return try_next(key);
  finish(key, {message.begin(), message.end()});
}

void Forwarder::close(Question& q) {
  if (q.fd.valid()) loop_.unwatch(q.fd.get());
  q.fd.reset();
}

void Forwarder::finish(std::uint64_t key, Bytes answer) {
  auto node = open_.extract(key);
  Question& q = node.mapped();
  close(q);
  if (--per_slot_[q.slot] == 0) per_slot_.erase(q.slot);
  q.done(std::move(answer));
}

void Forwarder::expire(Clock::time_point now) {
  std::vector<std::uint64_t> late;
  for (const auto& [key, q] : open_)
    if (q.fd.valid() && now >= q.until) late.push_back(key);
  for (const auto key : late) try_next(key);
}

}  // namespace mizar::responder
