// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/delivery.h"

namespace mizar {

std::string name_of(Delivery d) { return d == Delivery::tc ? "tc" : d == Delivery::xdp ? "xdp" : ""; }

Result<Delivery> parse_delivery(std::string_view text) {
  for (const Delivery d : {Delivery::unsaid, Delivery::tc, Delivery::xdp})
    if (text == name_of(d)) return d;
  return fail(Code::invalid_argument, "'{}' is neither tc nor xdp", text);
}

}  // namespace mizar
