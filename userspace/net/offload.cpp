// SPDX-License-Identifier: Apache-2.0
#include "userspace/net/offload.h"

#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <vector>

#include "userspace/net/wire.h"

namespace mizar::net {

namespace {

// The old one-switch commands: each covers a family of features (tso: all of
// tx-tcp*-segmentation), which is what callers mean, in one ioctl.
struct Switch {
  Offload what;
  const char* name;
  bool Offloads::*field;
  std::uint32_t get, set;
};
constexpr Switch kSwitches[] = {
    {Offload::rx_csum, "rx checksum", &Offloads::rx_csum, ETHTOOL_GRXCSUM, ETHTOOL_SRXCSUM},
    {Offload::tx_csum, "tx checksum", &Offloads::tx_csum, ETHTOOL_GTXCSUM, ETHTOOL_STXCSUM},
    {Offload::sg, "scatter-gather", &Offloads::sg, ETHTOOL_GSG, ETHTOOL_SSG},
    {Offload::tso, "tso", &Offloads::tso, ETHTOOL_GTSO, ETHTOOL_STSO},
    {Offload::gso, "gso", &Offloads::gso, ETHTOOL_GGSO, ETHTOOL_SGSO},
    {Offload::gro, "gro", &Offloads::gro, ETHTOOL_GGRO, ETHTOOL_SGRO},
};

// One SIOCETHTOOL; `data` starts with the command and takes the answer. Returns what ioctl did.
Result<int> request(int fd, const std::string& ifname, std::string_view what, void* data) {
  MZ_CHECK(wire::check_name(ifname));
  ifreq req{};
  ifname.copy(req.ifr_name, IFNAMSIZ - 1);
  req.ifr_data = static_cast<char*>(data);
  const int rc = ::ioctl(fd, SIOCETHTOOL, &req);
  if (rc >= 0) return rc;
  return fail_errno(wire::code_of(errno), errno, fmt::format("link {}: {}", ifname, what));
}

template <class Data>
Result<> command(int fd, const std::string& ifname, const char* what, Data& data) {
  if (auto rc = request(fd, ifname, what, &data); !rc) return tl::unexpected(rc.error());
  return {};
}

// A message that ends in an array of `more` words; those that are not of its head are 0.
template <class Head>
std::vector<std::uint32_t> with_words(const Head& head, std::size_t more) {
  static_assert(sizeof head % 4 == 0);
  std::vector<std::uint32_t> out(sizeof head / 4 + more);
  std::memcpy(out.data(), &head, sizeof head);
  return out;
}

// All features' names, in the order of their bits.
Result<std::vector<std::string>> features(int fd, const std::string& ifname) {
  ethtool_sset_info sets{};
  sets.cmd = ETHTOOL_GSSET_INFO;
  sets.sset_mask = 1ull << ETH_SS_FEATURES;
  auto counted = with_words(sets, 1);
  if (auto rc = request(fd, ifname, "features", counted.data()); !rc) return tl::unexpected(rc.error());
  ethtool_gstrings names{};
  names.cmd = ETHTOOL_GSTRINGS;
  names.string_set = ETH_SS_FEATURES;
  names.len = counted.back();
  auto told = with_words(names, std::size_t{names.len} * ETH_GSTRING_LEN / 4);
  if (auto rc = request(fd, ifname, "names of features", told.data()); !rc) return tl::unexpected(rc.error());
  std::vector<std::string> out;
  const char* at = reinterpret_cast<const char*>(told.data()) + sizeof names;
  for (std::uint32_t i = 0; i < names.len; i++, at += ETH_GSTRING_LEN) out.emplace_back(at, strnlen(at, ETH_GSTRING_LEN));
  return out;
}

Result<bool> read_switch(int fd, const std::string& ifname, const Switch& s) {
  ethtool_value v{.cmd = s.get, .data = 0};
  MZ_CHECK(command(fd, ifname, s.name, v));
  return v.data != 0;
}

}  // namespace

Result<Ethtool> Ethtool::open() {
  UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail_errno(wire::code_of(errno), errno, "ethtool socket");
  return Ethtool(std::move(fd));
}

Result<Ethtool> Ethtool::open_in(const NetnsRef& ns) {
  std::optional<Ethtool> made;
  MZ_CHECK(run_in(ns, [&]() -> Result<> {
    auto e = open();
    if (!e) return tl::unexpected(e.error());
    made.emplace(std::move(*e));
    return {};
  }));
  return std::move(*made);
}

Result<Offloads> Ethtool::get(const std::string& ifname) const {
  Offloads out;
  for (const Switch& s : kSwitches) {
    auto v = read_switch(fd_.get(), ifname, s);
    if (!v) return tl::unexpected(v.error());
    out.*s.field = *v;
  }
  return out;
}

Result<> Ethtool::set(const std::string& ifname, Offload what, bool on) const {
  for (const Switch& s : kSwitches) {
    if (s.what != what) continue;
    ethtool_value v{.cmd = s.set, .data = on};
    MZ_CHECK(command(fd_.get(), ifname, s.name, v));
    auto now = read_switch(fd_.get(), ifname, s);
    if (!now) return tl::unexpected(now.error());
    if (*now == on) return {};
    return fail(Code::failed_precondition, "link {}: {} stays {}; another offload decides it",
                ifname, s.name, *now ? "on" : "off");
  }
  return fail(Code::invalid_argument, "link {}: no such offload", ifname);
}

Result<> Ethtool::set_feature(const std::string& ifname, std::string_view feature, bool on) const {
  const auto all = features(fd_.get(), ifname);
  if (!all) return tl::unexpected(all.error());
  const auto bit = static_cast<std::size_t>(std::find(all->begin(), all->end(), feature) - all->begin());
  if (bit == all->size()) return fail(Code::unimplemented, "link {}: {}: this kernel has no such feature", ifname, feature);
  ethtool_sfeatures set{};
  set.cmd = ETHTOOL_SFEATURES;
  set.size = static_cast<std::uint32_t>((all->size() + 31) / 32);
  auto words = with_words(set, std::size_t{set.size} * 2);
  auto* block = &words[sizeof set / 4 + bit / 32 * 2];  // ethtool_set_features_block
  block[0] = 1u << bit % 32;
  block[1] = static_cast<std::uint32_t>(on) << bit % 32;
  const auto rc = request(fd_.get(), ifname, feature, words.data());
  if (!rc) return tl::unexpected(rc.error());
  if (*rc & (ETHTOOL_F_UNSUPPORTED | ETHTOOL_F_WISH))
    return fail(Code::failed_precondition, "link {}: {} stays {}", ifname, feature, on ? "off" : "on");
  return {};
}

Result<std::string> Ethtool::driver(const std::string& ifname) const {
  ethtool_drvinfo info{};
  info.cmd = ETHTOOL_GDRVINFO;
  MZ_CHECK(command(fd_.get(), ifname, "driver", info));
  return std::string(info.driver, strnlen(info.driver, sizeof info.driver));
}

Result<std::uint64_t> Ethtool::rate(const std::string& ifname) const {
  ethtool_cmd c{};  // the old command: no link modes are wanted
  c.cmd = ETHTOOL_GSET;
  MZ_CHECK(command(fd_.get(), ifname, "speed", c));
  const std::uint32_t mbit = ethtool_cmd_speed(&c);
  return mbit == static_cast<std::uint32_t>(SPEED_UNKNOWN) ? 0 : std::uint64_t{mbit} * 1'000'000;
}

}  // namespace mizar::net
