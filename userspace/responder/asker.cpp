// SPDX-License-Identifier: Apache-2.0
#include "userspace/responder/asker.h"

#include <array>

#include "userspace/base/log.h"
#include "userspace/base/random.h"

namespace mizar::responder {

namespace {

constexpr int kBatch = 64;  // datagrams of one socket before others get their turn

}  // namespace

Asker::~Asker() {
  for (const auto& [family, s] : sockets_)
    if (s.fd.valid()) loop_.unwatch(s.fd.get());
}

void Asker::open_socket(Family family, const std::optional<Addr>& self) {
  Socket& s = sockets_[family];
  if (self && s.fd.valid() && s.self == *self) return;
  if (s.fd.valid()) loop_.unwatch(s.fd.get());
  s.fd.reset();
  if (!self) return;
  auto fd = listen_at({*self, 0}, SOCK_DGRAM, "");
  const auto rc = fd ? loop_.watch(fd->get(), [this, family] { on_answers(family); }) : Result<>(tl::unexpected(fd.error()));
  const std::string problem = rc ? "" : rc.error().what;
  if (!rc && problem != problem_) log::warning("other hosts cannot be asked for backends: {}", problem);
  problem_ = problem;
  if (rc) s = {*self, std::move(*fd)};
}

void Asker::set_asks(const Addrs& self, const std::vector<HealthAsk>& asks) {
  std::map<Key, Open> fresh;
  for (const auto& ask : asks) {
    const Key key{ask.service, ask.host};
    const auto was = open_.find(key);
    const bool same = was != open_.end() && was->second.ask == ask;
    fresh.emplace(key, same ? was->second : Open{ask, Clock::now()});
  }
  open_ = std::move(fresh);
  std::erase_if(by_id_, [this](const auto& q) {
    const auto at = open_.find(q.second);
    return at == open_.end() || at->second.id != q.first;
  });
  if (!open_.empty())
    for (const Family f : {Family::v4, Family::v6}) open_socket(f, self.of(f));
}

void Asker::send(Open& o, std::uint16_t first) {
  by_id_.erase(o.id);
  while ((o.id = random_number<std::uint64_t>()) == 0) continue;
  o.first = first;
  by_id_[o.id] = {o.ask.service, o.ask.host};
  const Bytes message = write_question({o.id, o.ask.vni, first, o.ask.name});
  const auto s = sockets_.find(o.ask.host.family());
  if (s == sockets_.end() || !s->second.fd.valid()) return;
  const SocketAddress to({o.ask.host, port_});
  // One that is lost is asked again.
  ::sendto(s->second.fd.get(), message.data(), message.size(), MSG_NOSIGNAL, to.raw(), to.length);
}

void Asker::tick(Clock::time_point now) {
  for (auto& [key, o] : open_) {
    if (o.due > now) continue;
    o.due = now + o.ask.interval;
    send(o, 0);
  }
}

void Asker::on_answers(Family family) {
  static std::array<std::uint8_t, 65535> buffer;
  for (int i = 0; i < kBatch; i++) {
    const auto s = sockets_.find(family);
    SocketAddress from;
    const ssize_t n = ::recvfrom(s->second.fd.get(), buffer.data(), buffer.size(), 0, from.raw(), &from.length);
    if (n < 0) return;  // nothing more, or nobody listens there
    take(from.target(), View(buffer.data(), static_cast<std::size_t>(n)));
  }
}

// From whom was asked, with the number of the question, about backends the plan says are
// there; all else is somebody else's business.
void Asker::take(const Target& from, View message) {
  const auto answer = read_answer(message);
  if (!answer) return;
  const auto asked = by_id_.find(answer->id);
  if (asked == by_id_.end() || from != Target{asked->second.second, port_}) return;
  Open& o = open_.at(asked->second);
  by_id_.erase(asked);
  o.id = 0;
  const std::size_t known = answer->first + answer->findings.size();
  // Only what was asked for leads on, so that there is an end to it.
  if (answer->first == o.first && known > o.first && known < answer->total) send(o, static_cast<std::uint16_t>(known));
  const HealthAsk ask = o.ask;
  for (const Finding& f : answer->findings)
    if (ask.backends.contains(f.address)) heard_(ask.service, f);
}

}  // namespace mizar::responder
