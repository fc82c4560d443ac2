// SPDX-License-Identifier: Apache-2.0
#include "userspace/dataplane/hooks.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <filesystem>

#include "userspace/dataplane/uapi.h"

namespace mizar {

namespace {

constexpr std::array<const char*, 7> kNames = {"endpoint", "uplink-deliver", "uplink-hop", "services",
                                               "gateway-out", "gateway-in", "function"};

// Our filters' places where there are no links: a gateway's come behind the underlay's.
constexpr unsigned kHandle = 1;
unsigned priority_of(Hook hook) {
  return hook == Hook::gateway_out ? 2 : hook == Hook::gateway_in ? 3 : 1;
}

// The interface a pinned link is on; 0 when that is gone.
unsigned link_ifindex(int fd) {
  uapi::LinkInfo info{};
  __u32 len = sizeof info;
  if (bpf_obj_get_info_by_fd(fd, &info, &len) != 0) return 0;
  return info.type == uapi::kLinkXdp || info.type == uapi::kLinkTcx ? info.ifindex : 0;
}

std::string link_mode(int fd) {
  uapi::LinkInfo info{};
  __u32 len = sizeof info;
  if (bpf_obj_get_info_by_fd(fd, &info, &len) != 0) return "?";
  return info.type == uapi::kLinkTcx ? "tcx" : "xdp";
}

bpf_tc_hook ingress_of(unsigned ifindex) {
  bpf_tc_hook h{};
  h.sz = sizeof h;
  h.ifindex = static_cast<int>(ifindex);
  h.attach_point = BPF_TC_INGRESS;
  return h;
}

}  // namespace

const char* hook_name(Hook hook) { return kNames[static_cast<size_t>(hook)]; }

std::string Hooks::pin(Hook hook, unsigned ifindex) const {
  return fmt::format("{}/{}-{}", directory_, hook_name(hook), ifindex);
}

Result<> Hooks::recover() {
  std::error_code ec;
  for (const auto& entry : std::filesystem::directory_iterator(directory_, ec)) {
    const std::string file = entry.path().filename();
    const auto dash = file.rfind('-');
    unsigned ifindex = 0;
    if (dash == std::string::npos) continue;
    std::from_chars(file.data() + dash + 1, file.data() + file.size(), ifindex);
    for (size_t h = 0; h < kNames.size(); h++) {
      if (file.substr(0, dash) != kNames[h]) continue;
      UniqueFd link(bpf_obj_get(entry.path().c_str()));
      if (link.valid() && link_ifindex(link.get()) == ifindex && ifindex != 0) {
        std::string mode = link_mode(link.get());
        slots_[{static_cast<Hook>(h), ifindex}] = Slot{std::move(link), std::move(mode)};
      } else {
        ::unlink(entry.path().c_str());
      }
    }
  }
  if (ec) return fail_errno(Code::internal, ec.value(), directory_);
  return {};
}

// Links of one hook run in the order they were made.
Result<Hooks::Slot> Hooks::attach_tc(Hook which, unsigned ifindex, int prog_fd) {
  if (!clsact_) {
    UniqueFd link(bpf_link_create(prog_fd, static_cast<int>(ifindex), uapi::kTcxIngress, nullptr));
    if (link.valid()) return Slot{std::move(link), "tcx"};
    if (errno != EINVAL) return fail_errno(Code::internal, errno, "attach to TCX ingress");
    clsact_ = true;  // before Linux 6.6
  }
  bpf_tc_hook hook = ingress_of(ifindex);
  bpf_tc_opts opts{};
  opts.sz = sizeof opts;
  opts.prog_fd = prog_fd;
  opts.flags = BPF_TC_F_REPLACE;
  opts.handle = kHandle;
  opts.priority = priority_of(which);
  int rc = bpf_tc_hook_create(&hook);
  if (rc == 0 || rc == -EEXIST) rc = bpf_tc_attach(&hook, &opts);
  if (rc != 0) return fail_errno(Code::internal, -rc, "attach to clsact ingress");
  return Slot{UniqueFd(), "clsact"};
}

Result<Hooks::Slot> Hooks::attach_xdp(unsigned ifindex, int prog_fd) {
  int err = 0;
  for (const bool native : {true, false}) {
    if (native && generic_) continue;
    bpf_link_create_opts opts{};
    opts.sz = sizeof opts;
    opts.flags = native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
    UniqueFd link(bpf_link_create(prog_fd, static_cast<int>(ifindex), BPF_XDP, &opts));
    if (link.valid()) return Slot{std::move(link), native ? "xdp native" : "xdp generic"};
    err = errno;
    if (err == EBUSY)
      return fail(Code::failed_precondition,
                  "another XDP program is there; see 'bpftool net', remove it first");
  }
  return fail_errno(Code::internal, err, "attach XDP");
}

Result<> Hooks::attach(Hook hook, unsigned ifindex, int prog_fd) {
  const auto key = std::make_pair(hook, ifindex);
  const auto found = slots_.find(key);
  if (found != slots_.end() && found->second.link.valid()) {
    if (bpf_link_update(found->second.link.get(), prog_fd, nullptr) == 0) return {};
    // The interface went and came back under the same index: a new link.
    ::unlink(pin(hook, ifindex).c_str());
    slots_.erase(found);
  }
  auto slot = hook == Hook::uplink_hop ? attach_xdp(ifindex, prog_fd) : attach_tc(hook, ifindex, prog_fd);
  if (!slot) return wrap(slot.error(), fmt::format("{} on interface {}", hook_name(hook), ifindex));
  if (slot->link.valid() && bpf_obj_pin(slot->link.get(), pin(hook, ifindex).c_str()) != 0)
    return fail_errno(Code::internal, errno, fmt::format("pin {}", pin(hook, ifindex)));
  slots_.insert_or_assign(key, std::move(*slot));
  return {};
}

Result<> Hooks::detach(Hook hook, unsigned ifindex) {
  const auto found = slots_.find({hook, ifindex});
  if (found == slots_.end()) return {};
  if (!found->second.link.valid()) {
    bpf_tc_hook h = ingress_of(ifindex);
    bpf_tc_opts opts{};
    opts.sz = sizeof opts;
    opts.handle = kHandle;
    opts.priority = priority_of(hook);
    bpf_tc_detach(&h, &opts);  // the interface may be gone, and the filter with it
  }
  ::unlink(pin(hook, ifindex).c_str());
  slots_.erase(found);
  return {};
}

std::vector<Attachment> Hooks::list() const {
  std::vector<Attachment> all;
  for (const auto& [key, slot] : slots_) all.push_back({key.first, key.second, slot.mode});
  return all;
}

}  // namespace mizar
