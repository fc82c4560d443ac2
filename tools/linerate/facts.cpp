// SPDX-License-Identifier: Apache-2.0
#include "tools/linerate/facts.h"

#include <array>

#include "userspace/net/offload.h"

namespace linerate {

namespace {

using mizar::net::XdpMode;

// Links of software that stand for a cable of their own; all others have none, whatever they say:
// a veth says 10 Gbit/s.
bool may_have_line(const std::string& kind) {
  static constexpr std::array kKinds{"", "vlan", "bond", "team", "macvlan"};
  return std::find(kKinds.begin(), kKinds.end(), kind) != kKinds.end();
}

const char* mode_text(XdpMode m) {
  switch (m) {
    case XdpMode::none: return "none";
    case XdpMode::generic: return "generic";
    case XdpMode::native: return "native";
    case XdpMode::offload: return "offload";
    case XdpMode::several: return "several";
  }
  return "";
}

void read_driver(const mizar::net::Ethtool& ethtool, Facts& f) {
  if (auto driver = ethtool.driver(f.link.name)) f.driver = *driver;
  if (!may_have_line(f.link.kind)) {
    f.no_line = f.link.kind;
    return;
  }
  if (auto rate = ethtool.rate(f.link.name)) f.line = *rate;
  if (f.line != 0) return;
  const std::string who = f.driver.empty() ? "its driver" : f.driver;
  f.no_line = f.link.running ? who + " does not say a speed" : "no carrier";
}

Result<Facts> read_here(const std::string& interface) {
  auto nl = mizar::net::Netlink::open();
  if (!nl) return tl::unexpected(nl.error());
  auto link = nl->link(interface);
  if (!link && link.error().code == mizar::Code::not_found)
    return mizar::fail(mizar::Code::not_found, "interface {}: there is none: see ip link", interface);
  if (!link) return tl::unexpected(link.error());
  auto device = mizar::net::device_info(*nl, interface);
  if (!device) return tl::unexpected(device.error());
  auto ethtool = mizar::net::Ethtool::open();
  if (!ethtool) return tl::unexpected(ethtool.error());
  auto features = mizar::net::xdp_features(link->index);
  if (!features) return tl::unexpected(features.error());
  Facts f;
  f.link = *link;
  f.device = *device;
  f.features = *features;
  read_driver(*ethtool, f);
  return f;
}

using Features = mizar::net::XdpFeatures;

constexpr struct {
  const char *key, *text;
  bool Features::*field;
} kFeatures[] = {{"native", "native XDP (driver mode)", &Features::basic},
                 {"redirect", "XDP redirects from it", &Features::redirect},
                 {"transmit", "XDP frames out of it", &Features::xmit},
                 {"receive_buffers", "multi-buffer receive", &Features::rx_buffers},
                 {"transmit_buffers", "multi-buffer transmit", &Features::xmit_buffers},
                 {"zero_copy", "AF_XDP zero copy", &Features::zero_copy},
                 {"hardware_offload", "hardware offload", &Features::offload}};

}  // namespace

Result<Facts> facts_of(const std::string& interface, const std::string& netns) {
  if (netns.empty()) return read_here(interface);
  auto ns = mizar::net::NetnsRef::open(netns);
  if (!ns) return tl::unexpected(ns.error());
  Facts out;
  MZ_CHECK(mizar::net::run_in(*ns, [&]() -> Result<> {
    auto f = read_here(interface);
    if (!f) return tl::unexpected(f.error());
    out = std::move(*f);
    return {};
  }));
  return out;
}

transit::Json facts_value(const Facts& f) {
  transit::Json xdp{{"attached", mode_text(f.device.xdp)}};
  xdp["program"] = f.device.xdp_program ? transit::Json(f.device.xdp_program) : transit::Json();
  for (const auto& row : kFeatures) xdp[row.key] = f.features ? transit::Json((*f.features).*row.field) : transit::Json();
  return {{"interface", f.link.name},
          {"driver", f.driver},
          {"line_bits_per_second", f.line ? transit::Json(f.line) : transit::Json()},
          {"no_line", f.line ? transit::Json() : transit::Json(f.no_line)},
          {"receive_queues", f.device.rx_queues},
          {"transmit_queues", f.device.tx_queues},
          {"mtu", f.link.mtu},
          {"max_mtu", f.device.max_mtu ? transit::Json(f.device.max_mtu) : transit::Json()},
          {"up", f.link.up},
          {"carrier", f.link.running},
          {"xdp", xdp}};
}

std::string line_text(const Facts& f) {
  return f.line ? fmt::format("{:g} Gbit/s", static_cast<double>(f.line) / 1e9) : "no line: " + f.no_line;
}

void print_facts(const Facts& f) {
  transit::Table table({"PROPERTY", "FOUND"});
  table.row({"interface", f.link.name + (f.link.running ? "" : f.link.up ? ", no carrier" : ", down")});
  table.row({"driver", f.driver.empty() ? "unknown" : f.driver});
  table.row({"line", line_text(f)});
  table.row({"queues", fmt::format("{} receive, {} transmit", f.device.rx_queues, f.device.tx_queues)});
  table.row({"MTU", f.device.max_mtu ? fmt::format("{}, at most {}", f.link.mtu, f.device.max_mtu)
                                     : std::to_string(f.link.mtu)});
  table.row({"XDP attached", f.device.xdp_program ? fmt::format("{}, program {}", mode_text(f.device.xdp),
                                                                f.device.xdp_program)
                                                  : mode_text(f.device.xdp)});
  for (const auto& row : kFeatures)
    table.row({row.text, !f.features                   ? "unknown: Linux before 6.3 does not say"
                         : (*f.features).*row.field ? "yes"
                                                    : "no"});
  table.print();
}

}  // namespace linerate
