// SPDX-License-Identifier: Apache-2.0
// What is known of an interface before anything is sent.
#pragma once

#include <optional>
#include <string>

#include "tools/transit/output.h"
#include "userspace/net/device.h"

namespace linerate {

using mizar::Result;

struct Facts {
  mizar::net::Link link;
  mizar::net::DeviceInfo device;
  std::string driver;                               // empty: it does not say
  std::uint64_t line = 0;                           // bits a second, 0: none
  std::string no_line;                              // why
  std::optional<mizar::net::XdpFeatures> features;  // Linux 6.3
};

// Of the process's namespace, or the named one. Errors: not_found.
Result<Facts> facts_of(const std::string& interface, const std::string& netns = {});

transit::Json facts_value(const Facts& f);
void print_facts(const Facts& f);

// "10 Gbit/s", or "no line: veth".
std::string line_text(const Facts& f);

}  // namespace linerate
