// SPDX-License-Identifier: Apache-2.0
#include "userspace/responder/finding.h"

#include <algorithm>
#include <cstring>

namespace mizar::responder {

namespace {

constexpr std::string_view kQuestion = "MZH1", kAnswer = "MZH2";
constexpr std::size_t kHead = 4 + 8 + 2 + 2 + 1;
constexpr std::size_t kRow = 16 + 1 + 1 + 2 + 4;
constexpr std::size_t kRowsMax = (1232 - kHead) / kRow;  // through any path without fragments

bool begins(View message, std::string_view with) {
  return message.size() >= with.size() && std::memcmp(message.data(), with.data(), with.size()) == 0;
}

}  // namespace

bool is_health_question(View message) { return begins(message, kQuestion); }

Bytes write_question(const HealthQuestion& q) {
  Writer w;
  w.text(kQuestion).u64(q.id).u32(q.vni).u16(q.first).u8(static_cast<std::uint8_t>(q.service.size())).text(q.service);
  return w.done();
}

std::optional<HealthQuestion> read_question(View message) {
  if (!begins(message, kQuestion)) return std::nullopt;
  Reader r(message.subspan(kQuestion.size()));
  HealthQuestion q;
  q.id = r.u64();
  q.vni = r.u32();
  q.first = r.u16();
  const View name = r.take(r.u8());
  q.service.assign(name.begin(), name.end());
  if (!r.ok() || r.left() != 0) return std::nullopt;
  return q;
}

Bytes write_answer(const HealthQuestion& q, const std::vector<Finding>& all) {
  const std::size_t first = std::min<std::size_t>(q.first, all.size());
  const std::size_t count = std::min(all.size() - first, kRowsMax);
  Writer w;
  w.text(kAnswer)
      .u64(q.id)
      .u16(static_cast<std::uint16_t>(all.size()))
      .u16(static_cast<std::uint16_t>(first))
      .u8(static_cast<std::uint8_t>(count));
  for (const Finding& f : std::span(all).subspan(first, count))
    w.bytes(f.address.bytes())
        .u8(f.healthy)
        .u8(static_cast<std::uint8_t>(f.trouble.what))
        .u16(f.trouble.detail)
        .u32(f.since_ms);
  return w.done();
}

std::optional<HealthAnswer> read_answer(View message) {
  if (!begins(message, kAnswer)) return std::nullopt;
  Reader r(message.subspan(kAnswer.size()));
  HealthAnswer a;
  a.id = r.u64();
  a.total = r.u16();
  a.first = r.u16();
  const unsigned count = r.u8();
  if (!r.ok() || r.left() != count * kRow) return std::nullopt;
  for (unsigned i = 0; i < count; i++) {
    Finding f;
    mz_addr address;
    std::memcpy(&address, r.take(16).data(), sizeof address);
    f.address = Addr(address);
    f.healthy = r.u8() != 0;
    f.trouble.what = static_cast<Problem>(r.u8());
    f.trouble.detail = r.u16();
    f.since_ms = r.u32();
    a.findings.push_back(f);
  }
  return a;
}

}  // namespace mizar::responder
