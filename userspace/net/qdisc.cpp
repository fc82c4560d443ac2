// SPDX-License-Identifier: Apache-2.0
#include <linux/pkt_sched.h>

#include "userspace/net/netlink.h"
#include "userspace/net/wire.h"

namespace mizar::net {

namespace {

using wire::Message;

// A limit in packets, in the words of each kind that has one.
Result<> put_limit(Message& m, const std::string& kind, unsigned packets) {
  if (kind == "pfifo") {
    const tc_fifo_qopt options{.limit = packets};
    m.put(TCA_OPTIONS, &options, sizeof options);
  } else if (kind == "fq") {
    m.nest(TCA_OPTIONS, [&] { m.put_u32(TCA_FQ_PLIMIT, packets); });
  } else if (kind == "fq_codel") {
    m.nest(TCA_OPTIONS, [&] { m.put_u32(TCA_FQ_CODEL_LIMIT, packets); });
  } else {
    return fail(Code::invalid_argument, "qdisc {}: has no limit in packets", kind);
  }
  return {};
}

}  // namespace

Result<std::string> Netlink::root_qdisc(unsigned ifindex) {
  // The link's own answer names it, even the built-in ones no qdisc query shows.
  auto l = link(ifindex);
  if (!l) return tl::unexpected(l.error());
  return l->qdisc;
}

Result<> Netlink::set_root_qdisc(unsigned ifindex, const std::string& kind,
                                 unsigned limit_packets) {
  const auto what = fmt::format("link {}: set root qdisc {}", ifindex, kind);
  if (kind.empty() || kind.size() >= IFNAMSIZ)
    return fail(Code::invalid_argument, "{}: no such kind", what);
  tcmsg h{};
  h.tcm_family = AF_UNSPEC;
  h.tcm_ifindex = static_cast<int>(ifindex);
  h.tcm_parent = TC_H_ROOT;
  Message m(RTM_NEWQDISC, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, h);
  m.put_text(TCA_KIND, kind);
  if (limit_packets != 0) MZ_CHECK(put_limit(m, kind, limit_packets));
  auto rc = wire::exchange(sock_.get(), m, what);
  if (!rc && rc.error().sys == ENOENT) {  // a missing link is ENODEV
    Error e = rc.error();
    e.code = Code::unimplemented;
    return tl::unexpected(std::move(e));
  }
  return rc;
}

}  // namespace mizar::net
