// SPDX-License-Identifier: Apache-2.0
#include "userspace/qos/spec.h"

#include <algorithm>

namespace mizar {

namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kMillisecond = kSecond / 1000 << MZ_TICK_BITS;  // in ticks
constexpr std::uint32_t kFrame = 1514;  // bytes of a usual frame

// Of what queues may be, in ticks; low rates have room for a few packets at least.
constexpr std::uint64_t kMark = kMillisecond;
constexpr std::uint64_t kDrop = 5 * kMillisecond;  // RFC 8289 4.3: CoDel's target
// A TCP sender that has lost all it sent waits 200 ms (RFC 6298 has a second) before it tries
// again: what it is then let has to last as long, or it never gets its rate.
constexpr std::uint64_t kBucket = 250 * kMillisecond;
constexpr std::uint64_t kHorizon = 100 * kMillisecond;
constexpr std::uint64_t kMost = 9000 * kMillisecond;  // fq drops what is ten seconds ahead

Result<> in_range(std::string_view field, std::uint64_t n, std::uint64_t least, std::uint64_t most, std::string_view unit) {
  if (n == 0 || (n >= least && n <= most)) return {};
  return fail(Code::invalid_argument, "{}: {}: must be in {}..{} {}", field, n, least, most, unit);
}

Result<QosLimit> parse_limit(const v1::QosLimit& m, const std::string& place, bool weighted) {
  if (m.weight() != 0 && !weighted)
    return fail(Code::invalid_argument, "{}weight: only expedited and best-effort of the uplink's egress have one", place);
  MZ_CHECK(in_range(place + "weight", m.weight(), 1, 1000, "parts"));
  MZ_CHECK(in_range(place + "rate", m.rate(), kMinRate, kMaxRate, "bits a second"));
  MZ_CHECK(in_range(place + "packets", m.packets(), 1, kMaxPackets, "a second"));
  MZ_CHECK(in_range(place + "guaranteed", m.guaranteed(), kMinRate, kMaxRate, "bits a second"));
  MZ_CHECK(in_range(place + "burst", m.burst(), 1, kMaxBurst, "bytes"));
  if (m.rate() != 0 && m.guaranteed() > m.rate())
    return fail(Code::invalid_argument, "{}guaranteed: {} bit/s are more than its rate, {}", place, m.guaranteed(), m.rate());
  if (m.burst() != 0 && m.rate() == 0)
    return fail(Code::invalid_argument, "{}burst: there is no rate that it could exceed", place);
  return QosLimit{m.rate(), m.packets(), m.guaranteed(), m.burst(), m.weight()};
}

Result<QosShaper> parse_shaper(const v1::QosShaper& m, const std::string& dir, bool weighted) {
  QosShaper s;
  const std::array<const v1::QosLimit*, MZ_CLASSES> classes = {&m.premium(), &m.expedited(), &m.best_effort()};
  auto whole = parse_limit(m.whole(), dir + ".", false);
  if (!whole) return tl::unexpected(whole.error());
  s.whole = *whole;
  std::uint64_t sum = 0;
  for (unsigned k = 0; k < MZ_CLASSES; k++) {
    const std::string place = fmt::format("{}.{}.", dir, kClassNames[k]);
    auto limit = parse_limit(*classes[k], place, weighted && k != MZ_CLASS_PREMIUM);
    if (!limit) return tl::unexpected(limit.error());
    s.classes[k] = *limit;
    sum += limit->guaranteed;
    if (s.whole.rate != 0 && limit->rate > s.whole.rate)
      return fail(Code::invalid_argument, "{}rate: {} bit/s are more than the whole, {}", place, limit->rate, s.whole.rate);
    if (limit->guaranteed != 0 && !s.whole.limits())
      return fail(Code::invalid_argument, "{}guaranteed: {}.rate is not said, of which it would be a part", place, dir);
  }
  if (s.whole.rate != 0 && sum > s.whole.rate)
    return fail(Code::invalid_argument, "{}: classes are guaranteed {} bit/s, more than the whole, {}", dir, sum, s.whole.rate);
  return s;
}

void put(const QosLimit& l, v1::QosLimit* m) {
  m->set_rate(l.rate);
  m->set_packets(l.packets);
  m->set_guaranteed(l.guaranteed);
  m->set_burst(l.burst);
  m->set_weight(l.weight);
}

void put(const QosShaper& s, v1::QosShaper* m) {
  if (!(s.whole == QosLimit{})) put(s.whole, m->mutable_whole());
  if (!(s.classes[0] == QosLimit{})) put(s.classes[0], m->mutable_premium());
  if (!(s.classes[1] == QosLimit{})) put(s.classes[1], m->mutable_expedited());
  if (!(s.classes[2] == QosLimit{})) put(s.classes[2], m->mutable_best_effort());
}

std::uint64_t byte_of(std::uint64_t rate) { return rate == 0 ? 0 : ((8 * kSecond) << MZ_RATE_BITS) / rate; }

std::uint64_t cost(std::uint64_t bytes, std::uint64_t byte) { return bytes * byte >> (MZ_RATE_BITS - MZ_TICK_BITS); }

mz_limit limit_row(const QosLimit& l) {
  mz_limit r{};
  r.byte = byte_of(l.rate);
  r.packet = l.packets == 0 ? 0 : (kSecond << MZ_TICK_BITS) / l.packets;
  r.floor = byte_of(l.guaranteed);
  r.burst = cost(l.burst, r.byte);
  const std::uint64_t packet = r.packet, one = std::max(cost(kFrame, r.byte), packet);
  const std::uint64_t superpacket = cost(superpacket_of(l.rate), r.byte);
  r.mark = std::min(std::max({kMark, 2 * one, 2 * superpacket}), kMost);
  r.drop = std::min(std::max({kDrop, 4 * one, 4 * superpacket}), kMost);
  r.bucket = std::min(std::max(kBucket, 4 * one), kMost);
  r.horizon = std::min(std::max({kHorizon, 8 * one, 8 * superpacket}), kMost);
  return r;
}

Result<> dscp(std::uint32_t n, std::string_view field) {
  if (n < 64) return {};
  return fail(Code::invalid_argument, "{}: {}: must be in 0..63", field, n);
}

}  // namespace

bool QosShaper::empty() const {
  return whole.empty() && std::all_of(classes.begin(), classes.end(), [](const QosLimit& l) { return l.empty(); });
}

Result<QosSpec> parse_qos(const v1::Qos& qos, QosOf target) {
  if (qos.link_rate() && target != QosOf::uplink)
    return fail(Code::invalid_argument, "link_rate is the uplink's");
  if (target != QosOf::endpoint && (!qos.class_().empty() || !qos.priority().empty() || qos.trust()))
    return fail(Code::invalid_argument, "class, priority and trust are an endpoint's, not a VPC's or the uplink's");
  QosSpec spec;
  auto level = parse_level(qos.class_(), qos.priority());
  if (!level) return tl::unexpected(level.error());
  spec.level = *level;
  spec.trust = qos.trust();
  spec.link_rate = qos.link_rate();
  auto out = parse_shaper(qos.egress(), "egress", target == QosOf::uplink);
  if (!out) return tl::unexpected(out.error());
  auto in = parse_shaper(qos.ingress(), "ingress", false);
  if (!in) return tl::unexpected(in.error());
  spec.shaper = {*out, *in};
  return spec;
}

v1::Qos to_message(const QosSpec& spec) {
  v1::Qos m;
  write_level(spec.level, m);
  m.set_trust(spec.trust);
  m.set_link_rate(spec.link_rate);
  if (!spec.shaper[0].empty()) put(spec.shaper[0], m.mutable_egress());
  if (!spec.shaper[1].empty()) put(spec.shaper[1], m.mutable_ingress());
  return m;
}

QosLevels default_levels() {
  QosLevels all{};
  // Telephony (EF), signalling (CS5), real-time interactive (CS4); multimedia conferencing
  // (AF41), streaming (AF31), transactions (AF21); bulk with a share (AF11), default (DF),
  // the scavengers' class (LE, RFC 8622).
  constexpr std::array<std::uint8_t, MZ_LEVELS> outer = {0, 46, 40, 32, 34, 26, 18, 10, 0, 1};
  for (std::uint8_t level = 0; level < MZ_LEVELS; level++) all[level] = {0, outer[level], 0, level, 0};
  // RFC 8325 4.3 maps DSCPs to classes of service by their class selector; where two are one
  // number the finer one holds.
  for (std::uint8_t d = 0; d < 64; d++) {
    const std::uint8_t selector = d >> 3;
    constexpr std::array<std::uint8_t, 8> by_selector = {
        MZ_LEVEL_DEFAULT, MZ_LEVEL(2, 0), MZ_LEVEL(1, 2), MZ_LEVEL(1, 1), MZ_LEVEL(1, 0), MZ_LEVEL(0, 1), MZ_LEVEL(0, 0), MZ_LEVEL(0, 0)};
    all[MZ_LEVEL_OF_DSCP + d].level = by_selector[selector];
  }
  for (std::uint8_t level = 1; level < MZ_LEVELS; level++) all[MZ_LEVEL_OF_DSCP + outer[level]].level = level;
  all[MZ_LEVEL_OF_DSCP + 44].level = MZ_LEVEL(0, 0);  // VOICE-ADMIT (RFC 5865)
  return all;
}

Result<> set_levels(const google::protobuf::RepeatedPtrField<v1::QosLevel>& changes, QosLevels& levels) {
  QosLevels next = levels;
  for (const auto& m : changes) {
    const auto level = parse_level(m.class_(), m.priority());
    if (!level) return wrap(level.error(), "level");
    const std::string place = "level " + level_text(*level);
    if (*level == 0) return fail(Code::invalid_argument, "level: class is missing");
    if (auto rc = dscp(m.outer_dscp(), "outer_dscp"); !rc) return wrap(rc.error(), place);
    next[*level].outer = static_cast<std::uint8_t>(m.outer_dscp());
    if (m.has_inner_dscp()) {
      if (auto rc = dscp(m.inner_dscp(), "inner_dscp"); !rc) return wrap(rc.error(), place);
    }
    next[*level].inner = static_cast<std::uint8_t>(m.inner_dscp());
    next[*level].flags = m.has_inner_dscp() ? MZ_LEVEL_F_INNER : 0;
    for (const auto d : m.trusted()) {
      if (auto rc = dscp(d, "trusted"); !rc) return wrap(rc.error(), place);
      next[MZ_LEVEL_OF_DSCP + d].level = *level;
    }
    if (*level == MZ_LEVEL_DEFAULT) next[0] = next[*level], next[0].level = 0;
  }
  levels = next;
  return {};
}

std::vector<v1::QosLevel> to_messages(const QosLevels& levels) {
  std::vector<v1::QosLevel> all;
  for (std::uint8_t level = 1; level < MZ_LEVELS; level++) {
    auto& m = all.emplace_back();
    write_level(level, m);
    m.set_outer_dscp(levels[level].outer);
    if ((levels[level].flags & MZ_LEVEL_F_INNER) != 0) m.set_inner_dscp(levels[level].inner);
    for (std::uint32_t d = 0; d < 64; d++)
      if (levels[MZ_LEVEL_OF_DSCP + d].level == level) m.add_trusted(d);
  }
  return all;
}

std::vector<v1::QosLevel> changed_levels(const QosLevels& levels) {
  const auto all = to_messages(levels), usual = to_messages(default_levels());
  std::vector<v1::QosLevel> out;
  for (std::size_t i = 0; i < all.size(); i++)
    if (all[i].SerializeAsString() != usual[i].SerializeAsString()) out.push_back(all[i]);
  return out;
}

mz_shaper shaper_row(const QosShaper& shaper, std::uint32_t overhead) {
  mz_shaper row{};
  row.overhead = overhead;
  row.whole = limit_row(shaper.whole);
  if (!shaper.whole.empty()) row.flags |= MZ_SHAPER_F_WHOLE;
  for (unsigned k = 0; k < MZ_CLASSES; k++) {
    row.class_[k] = limit_row(shaper.classes[k]);
    if (shaper.classes[k].limits()) row.flags |= MZ_SHAPER_F_CLASSES;
  }
  return row;
}

std::uint32_t superpacket_of(std::uint64_t rate) {
  if (rate == 0) return kSuperpacket;
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(rate / 8000, 2 * kFrame, kSuperpacket));
}

}  // namespace mizar
