// SPDX-License-Identifier: Apache-2.0
#include "userspace/responder/health.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "userspace/base/log.h"

namespace mizar::responder {

namespace {

constexpr std::size_t kStatusMax = 64;  // the status line's beginning says all
using std::chrono::milliseconds;

// What a connection's end says of the backend; nothing: of this host.
std::optional<Problem> problem_of(int error) {
  switch (error) {
    case ECONNREFUSED: return Problem::refused;
    case ECONNRESET:
    case EPIPE: return Problem::reset;
    case ETIMEDOUT: return Problem::silent;
    default: return std::nullopt;
  }
}

}  // namespace

Health::~Health() {
  for (auto& [key, s] : states_)
    if (s.fd.valid()) loop_.unwatch(s.fd.get());
}

void Health::set_targets(const std::vector<HealthTarget>& targets) {
  std::set<HealthKey> wanted;
  for (const auto& t : targets) wanted.insert(t.key);
  for (auto at = states_.begin(); at != states_.end();) {
    State& s = at->second;
    if (wanted.contains(at->first)) {
      ++at;
      continue;
    }
    close(s);
    due_.erase({s.due, at->first});
    at = states_.erase(at);
  }
  const auto now = Clock::now();
  for (const auto& t : targets) {
    const auto [at, fresh] = states_.try_emplace(t.key);
    State& s = at->second;
    const bool otherwise = fresh || s.target.how != t.how;
    const bool elsewhere = s.target.at != t.at;
    if (!otherwise && !elsewhere) continue;
    s.target = t;
    close(s);
    due_.erase({s.due, t.key});
    s.passes = s.failures = 0;
    if (otherwise) s.healthy.reset();
    s.due = now;
    due_.insert({s.due, t.key});
  }
}

void Health::tick(Clock::time_point now) {
  std::vector<HealthKey> late;
  for (const auto& key : open_) {
    const State& s = states_.at(key);
    if (now >= s.begun + milliseconds(s.target.how.timeout_ms)) late.push_back(key);
  }
  for (const auto& key : late) end_late(states_.at(key));
  while (!due_.empty() && due_.begin()->first <= now && open_.size() < most_) {
    const HealthKey key = due_.begin()->second;
    due_.erase(due_.begin());
    begin(states_.at(key), now);
  }
}

void Health::begin(State& s, Clock::time_point now) {
  s.begun = now;
  s.due = now + milliseconds(s.target.how.interval_ms);
  s.connected = false;
  s.received.clear();
  if (!s.target.at) return fail_with(s, {Problem::absent});
  auto fd = make_(s.target.at->ip.family());
  if (!fd) return give_up(s, fd.error().what);
  s.fd = std::move(*fd);
  open_.insert(s.target.key);
  const SocketAddress to(*s.target.at);
  if (::connect(s.fd.get(), to.raw(), to.length) != 0 && errno != EINPROGRESS) {
    const int error = errno;
    if (const auto why = problem_of(error)) return fail_with(s, {*why});
    return give_up(s, fmt::format("connect to {}: {}", s.target.at->text(), std::generic_category().message(error)));
  }
  const auto rc = loop_.watch(s.fd.get(), [this, key = s.target.key] { on_ready(key); }, EventLoop::For::writing);
  if (!rc) give_up(s, rc.error().what);
}

// The loop may have been kept from it: what came in time is heard, and nothing else.
void Health::end_late(State& s) {
  pollfd ready{s.fd.get(), static_cast<short>(s.connected ? POLLIN : POLLOUT), 0};
  if (::poll(&ready, 1, 0) > 0) on_ready(s.target.key);
  if (s.fd.valid()) fail_with(s, {Problem::silent});
}

void Health::on_ready(const HealthKey& key) {
  const auto at = states_.find(key);
  if (at == states_.end() || !at->second.fd.valid()) return;
  at->second.connected ? on_bytes(at->second) : on_connected(at->second);
}

void Health::on_connected(State& s) {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(s.fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) {
    if (const auto why = problem_of(error)) return fail_with(s, {*why});
    return give_up(s, fmt::format("connect to {}: {}", s.target.at->text(), std::generic_category().message(error)));
  }
  if (!s.target.how.http) return pass(s);
  const std::string request = http_request(s.target.how, s.target.key.address);
  // A fresh connection takes these few bytes at once, or is none.
  if (::send(s.fd.get(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
    return fail_with(s, {Problem::reset});
  s.connected = true;
  const auto rc = loop_.watch(s.fd.get(), [this, key = s.target.key] { on_ready(key); });
  if (!rc) give_up(s, rc.error().what);
}

void Health::on_bytes(State& s) {
  std::array<char, kStatusMax> buffer;
  const ssize_t n = ::recv(s.fd.get(), buffer.data(), buffer.size(), 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n < 0) return fail_with(s, {Problem::reset});
  if (n == 0) return fail_with(s, {Problem::closed});
  s.received.append(buffer.data(), static_cast<std::size_t>(n));
  const auto status = http_status(s.received);
  if (!status) return;  // more has to come; a few bytes bound it
  if (*status == 0) return fail_with(s, {Problem::not_http});
  if (*status < 200 || *status >= 400) return fail_with(s, {Problem::status, *status});
  pass(s);
}

void Health::close(State& s) {
  if (!s.fd.valid()) return;
  loop_.unwatch(s.fd.get());
  s.fd.reset();
  open_.erase(s.target.key);
}

// Its next turn: an interval after it began, and not before now.
void Health::end(State& s) {
  close(s);
  s.due = std::max(s.due, Clock::now());
  due_.insert({s.due, s.target.key});
}

void Health::pass(State& s) {
  end(s);
  s.problem.clear();
  s.failures = 0;
  s.passes++;
  probed_(true);
  if (s.passes >= s.target.how.passes) judge(s, true, {});
}

void Health::fail_with(State& s, Trouble why) {
  end(s);
  s.problem.clear();
  s.passes = 0;
  s.failures++;
  probed_(false);
  if (s.failures >= s.target.how.failures) judge(s, false, why);
}

void Health::give_up(State& s, const std::string& problem) {
  end(s);
  if (problem != s.problem)
    log::warning("service {}: backend {} cannot be probed: {}; its verdict stands", s.target.key.service,
                 s.target.key.address.text(), problem);
  s.problem = problem;
}

void Health::judge(State& s, bool healthy, Trouble why) {
  if (s.healthy == healthy) return;
  s.healthy = healthy;
  s.trouble = why;
  s.since = Clock::now();
  changed_(s.target.key);
}

Finding Health::finding(const State& s, Clock::time_point now) const {
  const auto age = std::chrono::duration_cast<milliseconds>(now - s.since).count();
  return {s.target.key.address, *s.healthy, static_cast<std::uint32_t>(std::clamp<std::int64_t>(age, 0, 0xffffffff)),
          s.trouble};
}

std::optional<Finding> Health::find(const HealthKey& key, Clock::time_point now) const {
  const auto at = states_.find(key);
  if (at == states_.end() || !at->second.healthy) return std::nullopt;
  return finding(at->second, now);
}

std::vector<Finding> Health::findings(const std::string& service, Clock::time_point now) const {
  std::vector<Finding> out;
  for (auto at = states_.lower_bound({service, Addr()}); at != states_.end() && at->first.service == service; ++at)
    if (at->second.healthy) out.push_back(finding(at->second, now));
  return out;
}

}  // namespace mizar::responder
