// SPDX-License-Identifier: Apache-2.0
#include "tools/linerate/receiver.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sys/mman.h>

#include <algorithm>
#include <optional>

#include "tools/linerate/generator.h"
#include "tools/linerate/receive.skel.h"
#include "userspace/net/netlink.h"

namespace linerate {

namespace {

using mizar::Code;
using mizar::fail;

constexpr std::size_t kStreamBytes = sizeof(mz_lr_stream) * MZ_LR_TRIALS * MZ_LR_STREAMS;

// A NIC's driver may take its link down to make room for XDP.
Result<> wait_for_carrier(const std::string& interface, const std::string& what) {
  auto nl = mizar::net::Netlink::open();
  if (!nl) return tl::unexpected(nl.error());
  const std::uint64_t end = now_ns() + 10'000'000'000;
  for (;;) {
    auto link = nl->link(interface);
    if (!link) return tl::unexpected(link.error());
    if (link->running) return {};
    if (!link->up) return fail(Code::failed_precondition, "{}: is down: ip link set {} up", what, interface);
    if (now_ns() > end)
      return fail(Code::failed_precondition, "{}: no carrier: is the cable in, the other end up?", what);
    wait_until(now_ns() + 10'000'000);
  }
}

}  // namespace

void Receiver::FreeProgram::operator()(mz_lr_receive* p) const { mz_lr_receive__destroy(p); }
void Receiver::Unmap::operator()(void* p) const { munmap(p, kStreamBytes); }
Receiver::~Receiver() = default;

Result<> Receiver::load(const ReceiverSpec& spec, const std::string& what) {
  program_.reset(mz_lr_receive__open());
  if (!program_) return refused(errno, what + ": open the receiver's program");
  bpf_map__set_max_entries(program_->maps.seen, std::max(1u, spec.streams) * MZ_LR_SEEN_WORDS);
  program_->bss->receiver.verify = spec.verify;
  if (!spec.out.empty()) {
    program_->bss->receiver.out = if_nametoindex(spec.out.c_str());
    if (program_->bss->receiver.out == 0)
      return fail(Code::not_found, "interface {}: there is none: see ip link", spec.out);
  }
  if (const int err = mz_lr_receive__load(program_.get()); err != 0)
    return refused(-err, what + ": load the receiver's program");
  void* at =
      mmap(nullptr, kStreamBytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(program_->maps.streams), 0);
  if (at == MAP_FAILED) return refused(errno, what + ": counts");
  streams_.reset(at);
  return {};
}

Result<> Receiver::attach(unsigned ifindex, bool reflect, const std::string& what) {
  const bpf_program* program = reflect ? program_->progs.reflect : program_->progs.receive;
  int err = 0;
  for (const bool native : {true, false}) {
    bpf_link_create_opts o{};
    o.sz = sizeof o;
    o.flags = native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
    link_.reset(bpf_link_create(bpf_program__fd(program), static_cast<int>(ifindex), BPF_XDP, &o));
    native_ = native;
    if (link_.valid()) return {};
    if (native || err == 0) err = errno;
    if (errno == EBUSY || errno == EEXIST)
      return fail(Code::failed_precondition,
                  "{}: another XDP program is there: see ip link; ip link set dev INTERFACE xdp off", what);
  }
  return refused(err, what + ": attach XDP");
}

Result<std::unique_ptr<Receiver>> Receiver::open(const ReceiverSpec& spec) {
  const std::string what = "interface " + spec.interface;
  std::unique_ptr<Receiver> made(new Receiver);
  const auto put = [&]() -> Result<> {
    const unsigned ifindex = if_nametoindex(spec.interface.c_str());
    if (ifindex == 0) return fail(Code::not_found, "{}: there is none: see ip link", what);
    MZ_CHECK(made->load(spec, what));
    MZ_CHECK(made->attach(ifindex, spec.reflect, what));
    return wait_for_carrier(spec.interface, what);
  };
  if (spec.netns.empty()) {
    MZ_CHECK(put());
    return made;
  }
  auto ns = mizar::net::NetnsRef::open(spec.netns);
  if (!ns) return tl::unexpected(ns.error());
  MZ_CHECK(mizar::net::run_in(*ns, put));
  return made;
}

void Receiver::begin(std::uint32_t trial) {
  for (auto& s : streams(trial)) s = {};
  __atomic_store_n(&program_->bss->receiver.trial, trial, __ATOMIC_RELEASE);
}

std::span<mz_lr_stream> Receiver::streams(std::uint32_t trial) const {
  return {static_cast<mz_lr_stream*>(streams_.get()) + mz_lr_slot(trial, 0), MZ_LR_STREAMS};
}

const mz_lr_receiver& Receiver::counts() const { return program_->bss->receiver; }

std::uint64_t Receiver::received(std::uint32_t trial) const {
  std::uint64_t n = 0;
  for (const auto& s : streams(trial)) n += __atomic_load_n(&s.received, __ATOMIC_RELAXED);
  return n;
}

void Receiver::collect(std::uint32_t trial, Outcome& out) const {
  for (const auto& s : streams(trial)) {
    out.received += s.received;
    out.duplicates += s.duplicates;
    out.reordered += s.reordered;
    out.late += s.late;
    out.wrong_length += s.wrong_length;
    out.corrupted += s.corrupted;
    Latency l;
    l.count = s.timed;
    l.max = s.slowest;
    std::copy(std::begin(s.latency), std::end(s.latency), l.buckets.begin());
    out.latency.add(l);
  }
}

}  // namespace linerate
