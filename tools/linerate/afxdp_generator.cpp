// SPDX-License-Identifier: Apache-2.0
// Frames by an AF_XDP socket: zero copy where the driver has it, and frames of several buffers.
#include <linux/if_xdp.h>
#include <net/if.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <xdp/xsk.h>

#include <cstring>

#include "tools/linerate/generator.h"
#include "userspace/net/device.h"

namespace linerate {

namespace {

using mizar::Code;
using mizar::fail;

constexpr std::uint32_t kRing = 2048;               // descriptors, a power of two
constexpr std::uint32_t kPlace = 4096;              // bytes of a frame's buffer
constexpr std::uint64_t kPatience = 1'000'000'000;  // ns without a frame that leaves
constexpr std::uint16_t kUseSeveral = 1 << 4;       // XDP_USE_SG, Linux 6.6
constexpr std::uint32_t kContinued = 1 << 0;        // XDP_PKT_CONTD

struct FreeUmem {
  void operator()(xsk_umem* u) const { xsk_umem__delete(u); }
};
struct FreeSocket {
  void operator()(xsk_socket* s) const { xsk_socket__delete(s); }
};
struct Unmap {
  void operator()(void* p) const { munmap(p, std::size_t{kRing} * kPlace); }
};

class AfxdpGenerator : public Generator {
 public:
  AfxdpGenerator(std::string interface, Frame frame)
      : interface_(std::move(interface)), what_("interface " + interface_), frame_(std::move(frame)) {
    pieces_ = static_cast<std::uint32_t>((frame_.bytes.size() + kPlace - 1) / kPlace);
  }

  Result<> open(unsigned queue) {
    void* memory = mmap(nullptr, std::size_t{kRing} * kPlace, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return refused(errno, what_ + ": memory for frames");
    memory_.reset(memory);
    xsk_umem_config shared{};
    shared.fill_size = kRing;
    shared.comp_size = kRing;
    shared.frame_size = kPlace;
    xsk_umem* umem = nullptr;
    int err = xsk_umem__create(&umem, memory, std::size_t{kRing} * kPlace, &fill_, &done_, &shared);
    umem_.reset(umem);
    if (err != 0) return refused(-err, what_ + ": AF_XDP memory");
    xsk_socket_config config{};
    config.tx_size = kRing;
    config.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD;  // nothing is received here
    config.bind_flags = static_cast<__u16>(XDP_USE_NEED_WAKEUP | (pieces_ > 1 ? kUseSeveral : 0));
    xsk_socket* socket = nullptr;
    err = xsk_socket__create(&socket, interface_.c_str(), queue, umem, nullptr, &tx_, &config);
    socket_.reset(socket);
    if (err == -EINVAL && pieces_ > 1)
      return fail(
          Code::invalid_argument,
          "{}: a frame of {} bytes needs several buffers, which the driver or Linux before 6.6 has not",
          what_, frame_.bytes.size() + kFcs);
    if (err != 0) return refused(-err, fmt::format("{}: AF_XDP socket on queue {}", what_, queue));
    fill_places();
    most_in_flight_ = zero_copy() ? frames_ : std::min<std::uint32_t>(frames_, MZ_LR_BATCH);
    auto nl = mizar::net::Netlink::open();
    if (!nl) return tl::unexpected(nl.error());
    netlink_ = std::make_unique<mizar::net::Netlink>(std::move(*nl));
    return {};
  }

  Result<Sent> send(const Load& load, const std::atomic<bool>& stop) override {
    mz_lr_sender s{};
    s.seed = 1;
    load.begin(s);
    const auto before = mizar::net::device_info(*netlink_, interface_);
    if (!before) return tl::unexpected(before.error());
    Sent out;
    std::uint64_t last = now_ns();  // when a frame went
    while (out.frames < load.frames && !stop) {
      const std::uint64_t now = now_ns(), due = std::min<std::uint64_t>(mz_lr_due(&s.pace, now, out.frames),
                                                                        load.frames - out.frames);
      if (due == 0) {
        last = now;
        continue;
      }
      const std::uint64_t went = put(s, due, now);
      MZ_CHECK(kick());
      out.frames += went;
      if (went != 0) last = now;
      if (now > last + kPatience) return stuck();
    }
    MZ_CHECK(drain());
    out.seconds = seconds_of(load, s.pace);
    const auto after = mizar::net::device_info(*netlink_, interface_);
    if (!after) return tl::unexpected(after.error());
    out.refused = after->tx_dropped - before->tx_dropped;
    return out;
  }

 private:
  std::uint8_t* place(std::uint64_t at) { return static_cast<std::uint8_t*>(memory_.get()) + at; }

  // In copy mode what stands in the ring only waits for our own next call, and would be latency.
  [[nodiscard]] bool zero_copy() const {
    xdp_options o{};
    socklen_t size = sizeof o;
    return getsockopt(xsk_socket__fd(socket_.get()), SOL_XDP, XDP_OPTIONS, &o, &size) == 0 &&
           (o.flags & XDP_OPTIONS_ZEROCOPY) != 0;
  }

  // Each frame's places follow each other, and keep its bytes from trial to trial. One frame's worth
  // of places at a time is free or taken, so that they come back in the order they went.
  void fill_places() {
    frames_ = kRing / pieces_;
    for (std::uint32_t i = 0; i < frames_; i++)
      std::memcpy(place(at(i)), frame_.bytes.data(), frame_.bytes.size());
  }
  [[nodiscard]] std::uint64_t at(std::uint64_t frame) const { return frame % frames_ * pieces_ * kPlace; }

  // Hands over up to so many frames; returns how many.
  std::uint64_t put(mz_lr_sender& s, std::uint64_t frames, std::uint64_t now) {
    reap();
    frames = std::min<std::uint64_t>(frames, (most_in_flight_ * pieces_ - in_flight_) / pieces_);
    std::uint32_t at_ring = 0;
    const auto slots = static_cast<std::uint32_t>(frames * pieces_);
    if (slots == 0 || xsk_ring_prod__reserve(&tx_, slots, &at_ring) != slots) return 0;
    for (std::uint64_t i = 0; i < frames; i++) {
      const std::uint64_t from = at(next_++);
      stamp_frame({place(from), frame_.bytes.size()}, frame_.layout, s, now);
      for (std::uint32_t p = 0; p < pieces_; p++) describe(*xsk_ring_prod__tx_desc(&tx_, at_ring++), from, p);
    }
    xsk_ring_prod__submit(&tx_, slots);
    in_flight_ += slots;
    return frames;
  }

  void describe(xdp_desc& d, std::uint64_t from, std::uint32_t piece) const {
    const auto size = static_cast<std::uint32_t>(frame_.bytes.size());
    d.addr = from + std::uint64_t{piece} * kPlace;
    d.len = std::min(size - piece * kPlace, kPlace);
    d.options = piece + 1 < pieces_ ? kContinued : 0;
  }

  void reap() {
    std::uint32_t at_ring = 0;
    const std::uint32_t n = xsk_ring_cons__peek(&done_, kRing, &at_ring);
    xsk_ring_cons__release(&done_, n);
    in_flight_ -= n;
  }

  // Copy mode sends in this call, 32 frames at a time.
  Result<> kick() {
    if (!xsk_ring_prod__needs_wakeup(&tx_)) return {};
    if (sendto(xsk_socket__fd(socket_.get()), nullptr, 0, MSG_DONTWAIT, nullptr, 0) >= 0 || errno == EAGAIN ||
        errno == EBUSY || errno == ENOBUFS || errno == EINTR)
      return {};
    return refused(errno, what_ + ": send by AF_XDP");
  }

  // What was handed over leaves before the trial ends.
  Result<> drain() {
    const std::uint64_t end = now_ns() + kPatience;
    for (reap(); in_flight_ != 0; reap()) {
      MZ_CHECK(kick());
      if (now_ns() > end) return stuck();
    }
    return {};
  }

  mizar::Failure stuck() const {
    return fail(Code::failed_precondition,
                "{}: {} frames do not leave: is it up, does its driver still send?", what_,
                in_flight_ / pieces_);
  }

  std::string interface_, what_;
  Frame frame_;
  std::uint32_t pieces_ = 1, frames_ = 0, most_in_flight_ = 0;
  std::uint32_t in_flight_ = 0;  // places
  std::uint64_t next_ = 0;
  std::unique_ptr<void, Unmap> memory_;
  xsk_ring_prod fill_{}, tx_{};
  xsk_ring_cons done_{};
  std::unique_ptr<xsk_umem, FreeUmem> umem_;
  std::unique_ptr<xsk_socket, FreeSocket> socket_;  // goes before its memory
  std::unique_ptr<mizar::net::Netlink> netlink_;
};

}  // namespace

Result<std::unique_ptr<Generator>> make_afxdp(const std::string& interface, unsigned queue,
                                              const Frame& frame) {
  if (if_nametoindex(interface.c_str()) == 0)
    return fail(Code::not_found, "interface {}: there is none: see ip link", interface);
  // The kernel gives a queue back some time after the socket of the trial before was closed.
  for (const std::uint64_t end = now_ns() + 2 * kPatience;;) {
    auto made = std::make_unique<AfxdpGenerator>(interface, frame);
    const auto done = made->open(queue);
    if (done) return std::unique_ptr<Generator>(std::move(made));
    if (done.error().sys != EBUSY || now_ns() > end) return tl::unexpected(done.error());
    wait_until(now_ns() + kPatience / 100);
  }
}

}  // namespace linerate
