// SPDX-License-Identifier: Apache-2.0
// Services as the daemon keeps them: who gets their flows, and what becomes of flows whose
// backend goes.
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "userspace/base/log.h"
#include "userspace/base/unique_fd.h"
#include "userspace/transitd/daemon.h"
#include "userspace/transitd/described_frame.h"

namespace mizar {

v1::ListServicesReply Daemon::services() const {
  v1::ListServicesReply reply;
  const auto now = Verdicts::Clock::now();
  for (const auto& m : applied_.rest().services()) {  // none is added here
    auto* out = reply.add_services();
    *out->mutable_service() = m;
    const ServiceSpec& s = goal_.services.find(object_key(m.vpc(), m.name()))->second;
    if (!s.health) continue;
    for (const Addr& vip : s.address.all()) {
      const auto standing = vips_.standing(s, vip);
      for (const BackendSpec& b : s.backends) {
        const auto& ip = b.address.of(vip.family());
        if (!ip) continue;
        auto* to = out->add_backends();
        to->set_name(b.name);
        to->set_address(ip->text());
        to->set_host(host_label(b.host_id));
        to->set_serving(standing.contains(*ip));
        const auto* v = verdicts_.find(s, *ip);
        if (!v) continue;
        to->set_state(v->healthy ? v1::HEALTHY : v1::UNHEALTHY);
        to->set_since_ms(static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::milliseconds>(now - v->since).count()));
        if (!v->healthy) to->set_problem(text_of(v->trouble));
      }
    }
  }
  return reply;
}

// Flows that stand are left alone: only a plan takes a backend's flows away.
Result<v1::ReportHealthReply> Daemon::report_health(const v1::ReportHealthRequest& request) {
  if (!dp_.loaded()) return fail(Code::failed_precondition, "no goal state yet: nobody's health is asked");
  if (!verdicts_.take(goal_, request) && verdicts_met_) return v1::ReportHealthReply();
  log_verdicts();
  MZ_CHECK(meet_verdicts());
  return v1::ReportHealthReply();
}

Result<Vips::Changes> Daemon::ensure_vips() {
  verdicts_met_ = false;
  auto changes = vips_.apply(goal_, hz_);
  if (!changes) return changes;
  if (changes->doubtful) {
    const auto forgotten =
        flows_.forget_unless([this](const mz_flow_key& key, const mz_flow& flow) { return vips_.serves(key, flow); });
    if (!forgotten) return tl::unexpected(forgotten.error());
    ask_where_they_stand(*forgotten);
  }
  verdicts_met_ = true;
  return changes;
}

// Who gets new flows is another; what fails is tried again by retry_pending().
Result<> Daemon::meet_verdicts() {
  const auto rc = ensure_vips();
  const std::string problem = rc ? "" : rc.error().what;
  if (!rc && problem != verdicts_problem_) log::error("services: {}; tried again", problem);
  verdicts_problem_ = problem;
  return rc ? Result<>() : tl::unexpected(rc.error());
}

void Daemon::log_verdicts() {
  for (const auto& line : verdicts_.news(goal_)) log::info("{}", line);
}

// The answer to this is a packet of a flow that nobody knows: it goes to the next backend,
// or to none, and a RST comes back that fits. Without it one that waits for data would
// wait for as long as its keepalive, if it has one.
void Daemon::ask_where_they_stand(const std::vector<Flows::Entry>& forgotten) const {
  if (forgotten.empty()) return;
  const UniqueFd fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));  // 0: receives nothing
  if (!fd.valid()) {
    log::warning("services: who waits for a backend that went is not told: {}", std::strerror(errno));
    return;
  }
  for (const auto& [key, flow] : forgotten) {
    if (key.proto != IPPROTO_TCP || flow.state == MZ_FLOW_OPENING || flow.state >= MZ_FLOW_CLOSED) continue;
    const auto port = dp_.ports().get(flow.ifindex % MZ_PORTS);
    if (!port || port->ifindex != flow.ifindex) continue;
    MacBytes mac;
    std::copy(std::begin(port->mac), std::end(port->mac), mac.begin());
    const auto frame = keepalive_frame(key, mac);
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_ifindex = static_cast<int>(flow.ifindex);
    // One that is lost costs its endpoint the wait it would have had anyway.
    (void)sendto(fd.get(), frame.data(), frame.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  }
}

}  // namespace mizar
