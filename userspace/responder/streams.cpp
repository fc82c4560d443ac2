// SPDX-License-Identifier: Apache-2.0
#include "userspace/responder/streams.h"

#include <algorithm>
#include <array>
#include <cerrno>

namespace mizar::responder {

namespace {
constexpr std::size_t kInMax = 2 + 65535;  // one DNS message over TCP
}

bool Streams::add(UniqueFd fd, std::uint32_t slot, Handler handler) {
  const auto mine = per_slot_.find(slot);
  if (open_.size() >= limits_.all || (mine != per_slot_.end() && mine->second >= limits_.each))
    return false;
  const Id id = ++last_;
  if (!loop_.watch(fd.get(), [this, id] { on_ready(id); })) return false;
  per_slot_[slot]++;
  auto& s = open_[id];
  s.fd = std::move(fd);
  s.slot = slot;
  s.handler = std::move(handler);
  touch(s);
  return true;
}

void Streams::on_ready(Id id) {
  const auto at = open_.find(id);
  if (at == open_.end()) return;
  Stream& s = at->second;
  // Watched for writing as long as something waits: then nothing is read.
  if (!(s.out.empty() ? read(id, s) : flush(id, s))) drop(id);
}

bool Streams::read(Id id, Stream& s) {
  std::array<std::uint8_t, 16384> buffer;
  const std::size_t room = std::min(buffer.size(), kInMax - s.in.size());
  const ssize_t n = ::recv(s.fd.get(), buffer.data(), room, 0);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  if (n == 0) return false;
  if (s.closing) return true;  // thrown away: an early close would take our answer with it
  s.in.insert(s.in.end(), buffer.begin(), buffer.begin() + n);
  const std::size_t taken = s.handler(id, s.slot, s.in);
  if (taken > 0) touch(s);  // a request in crumbs does not keep it open
  s.in.erase(s.in.begin(), s.in.begin() + static_cast<std::ptrdiff_t>(taken));
  return s.in.size() < kInMax && !s.failed;
}

bool Streams::flush(Id id, Stream& s) {
  const ssize_t n = ::send(s.fd.get(), s.out.data(), s.out.size(), MSG_NOSIGNAL);
  if (n < 0 && errno != EAGAIN && errno != EINTR) return false;
  if (n > 0) {
    touch(s);
    s.out.erase(s.out.begin(), s.out.begin() + n);
  }
  if (s.closing && s.out.empty()) ::shutdown(s.fd.get(), SHUT_WR);
  const auto what = s.out.empty() ? EventLoop::For::reading : EventLoop::For::writing;
  return static_cast<bool>(loop_.watch(s.fd.get(), [this, id] { on_ready(id); }, what));
}

// Marked, not dropped, where it fails: the caller may be the stream's own handler.
void Streams::send(Id id, View bytes) {
  const auto at = open_.find(id);
  if (at == open_.end()) return;
  Stream& s = at->second;
  s.out.insert(s.out.end(), bytes.begin(), bytes.end());
  if (!flush(id, s)) s.failed = true;
}

void Streams::close(Id id) {
  const auto at = open_.find(id);
  if (at == open_.end()) return;
  at->second.closing = true;
  if (at->second.out.empty()) ::shutdown(at->second.fd.get(), SHUT_WR);
}

void Streams::drop(Id id) {
  auto node = open_.extract(id);
  loop_.unwatch(node.mapped().fd.get());
  if (--per_slot_[node.mapped().slot] == 0) per_slot_.erase(node.mapped().slot);
}

void Streams::expire(Clock::time_point now) {
  std::vector<Id> late;
  for (const auto& [id, s] : open_)
    if (now >= s.until || s.failed) late.push_back(id);
  for (const auto id : late) drop(id);
}

}  // namespace mizar::responder
