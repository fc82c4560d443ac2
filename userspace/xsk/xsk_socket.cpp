// SPDX-License-Identifier: Apache-2.0
#include "userspace/xsk/xsk_socket.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "bpf/xsk_redirect.skel.h"
#include "userspace/base/unique_fd.h"

namespace mizar::xsk {

namespace {

constexpr std::uint32_t kFrame = 4096;  // bytes of a frame's place
constexpr std::uint32_t kRing = 1024;   // frames of each ring, a power of two

struct Unmap {
  size_t size = 0;
  void operator()(void* p) const { munmap(p, size); }
};
using Mapped = std::unique_ptr<void, Unmap>;

// One ring shared with the kernel: of addresses, or of descriptors.
template <class T>
struct Ring {
  Mapped memory;
  std::uint32_t *producer = nullptr, *consumer = nullptr, *flags = nullptr;
  T* slots = nullptr;

  // What the other side has moved on to.
  static std::uint32_t see(const std::uint32_t* at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
  static void show(std::uint32_t* at, std::uint32_t v) { __atomic_store_n(at, v, __ATOMIC_RELEASE); }
  T& at(std::uint32_t i) { return slots[i & (kRing - 1)]; }
};

template <class T>
bool map_ring(int fd, const xdp_ring_offset& off, std::uint64_t where, Ring<T>& ring) {
  const size_t size = off.desc + kRing * sizeof(T);
  void* p = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, static_cast<off_t>(where));
  if (p == MAP_FAILED) return false;
  ring.memory = Mapped(p, Unmap{size});
  auto* bytes = static_cast<std::uint8_t*>(p);
  ring.producer = reinterpret_cast<std::uint32_t*>(bytes + off.producer);
  ring.consumer = reinterpret_cast<std::uint32_t*>(bytes + off.consumer);
  ring.flags = reinterpret_cast<std::uint32_t*>(bytes + off.flags);
  ring.slots = reinterpret_cast<T*>(bytes + off.desc);
  return true;
}

struct FreeProgram {
  void operator()(mz_xsk_redirect* p) const { mz_xsk_redirect__destroy(p); }
};

size_t receive_queues(const std::string& interface) {
  size_t n = 0;
  std::error_code ec;
  for (const auto& e : std::filesystem::directory_iterator(fmt::format("/sys/class/net/{}/queues", interface), ec))
    n += e.path().filename().string().starts_with("rx-");
  return n;
}

}  // namespace

struct Socket::State {
  std::unique_ptr<mz_xsk_redirect, FreeProgram> program;
  UniqueFd link;  // closed: the program leaves the interface
  UniqueFd fd;
  Mapped frames;  // receive: the first kRing, send: the others
  Ring<std::uint64_t> fill, done;
  Ring<xdp_desc> rx, tx;
  std::vector<std::uint64_t> free;  // places to send from
  Counts counts;
  std::string mode;

  Result<> attach(unsigned ifindex, const std::string& what);
  Result<> make(unsigned ifindex, const std::string& what);
  std::uint8_t* bytes(std::uint64_t at) { return static_cast<std::uint8_t*>(frames.get()) + at; }
};

Result<> Socket::State::attach(unsigned ifindex, const std::string& what) {
  program.reset(mz_xsk_redirect__open_and_load());
  if (!program) return fail_errno(Code::failed_precondition, errno, what + ": load its XDP program");
  for (const bool native : {true, false}) {
    bpf_link_create_opts o{};
    o.sz = sizeof o;
    o.flags = native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
    link.reset(bpf_link_create(bpf_program__fd(program->progs.mz_xsk_redirect), static_cast<int>(ifindex), BPF_XDP, &o));
    if (!link.valid()) continue;
    mode = native ? "native" : "generic";
    return {};
  }
  return fail_errno(Code::failed_precondition, errno, what + ": attach XDP (is another program there?)");
}

Result<> Socket::State::make(unsigned ifindex, const std::string& what) {
  fd.reset(socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail_errno(Code::failed_precondition, errno, "AF_XDP socket (CONFIG_XDP_SOCKETS, root)");
  const size_t size = size_t{2} * kRing * kFrame;
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return fail_errno(Code::internal, errno, what + ": frames");
  frames = Mapped(memory, Unmap{size});

  xdp_umem_reg reg{};
  reg.addr = reinterpret_cast<std::uint64_t>(memory);
  reg.len = size;
  reg.chunk_size = kFrame;
  const int entries = kRing;
  xdp_mmap_offsets off{};
  socklen_t len = sizeof off;
  if (setsockopt(fd.get(), SOL_XDP, XDP_UMEM_REG, &reg, sizeof reg) != 0 ||
      setsockopt(fd.get(), SOL_XDP, XDP_UMEM_FILL_RING, &entries, sizeof entries) != 0 ||
      setsockopt(fd.get(), SOL_XDP, XDP_UMEM_COMPLETION_RING, &entries, sizeof entries) != 0 ||
      setsockopt(fd.get(), SOL_XDP, XDP_RX_RING, &entries, sizeof entries) != 0 ||
      setsockopt(fd.get(), SOL_XDP, XDP_TX_RING, &entries, sizeof entries) != 0 ||
      getsockopt(fd.get(), SOL_XDP, XDP_MMAP_OFFSETS, &off, &len) != 0 ||
      !map_ring(fd.get(), off.fr, XDP_UMEM_PGOFF_FILL_RING, fill) ||
      !map_ring(fd.get(), off.cr, XDP_UMEM_PGOFF_COMPLETION_RING, done) ||
      !map_ring(fd.get(), off.rx, XDP_PGOFF_RX_RING, rx) || !map_ring(fd.get(), off.tx, XDP_PGOFF_TX_RING, tx))
    return fail_errno(Code::failed_precondition, errno, what + ": AF_XDP rings");
  for (std::uint32_t i = 0; i < kRing; i++) {
    fill.at(i) = std::uint64_t{i} * kFrame;
    free.push_back(std::uint64_t{kRing + i} * kFrame);
  }
  fill.show(fill.producer, kRing);

  sockaddr_xdp sa{};
  sa.sxdp_family = AF_XDP;
  sa.sxdp_ifindex = ifindex;
  sa.sxdp_flags = XDP_COPY;
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&sa), sizeof sa) != 0)
    return fail_errno(Code::failed_precondition, errno, what + ": bind AF_XDP");
  const std::uint32_t queue = 0;
  const int sock = fd.get();
  if (bpf_map_update_elem(bpf_map__fd(program->maps.mz_sockets), &queue, &sock, BPF_ANY) != 0)
    return fail_errno(Code::internal, errno, what + ": its queue");
  return {};
}

Socket::Socket(std::unique_ptr<State> state) : s_(std::move(state)) {}
Socket::~Socket() = default;

Result<std::unique_ptr<Socket>> Socket::open(const std::string& interface) {
  const std::string what = fmt::format("interface {}", interface);
  const unsigned ifindex = if_nametoindex(interface.c_str());
  if (ifindex == 0) return fail(Code::not_found, "{}: there is none", what);
  if (const size_t n = receive_queues(interface); n > 1)
    return fail(Code::failed_precondition, "{}: has {} receive queues: make it with numrxqueues 1", what, n);
  auto state = std::make_unique<State>();
  MZ_CHECK(state->attach(ifindex, what));
  MZ_CHECK(state->make(ifindex, what));
  return std::unique_ptr<Socket>(new Socket(std::move(state)));
}

int Socket::fd() const { return s_->fd.get(); }
const Counts& Socket::counts() const { return s_->counts; }
const std::string& Socket::mode() const { return s_->mode; }

unsigned Socket::receive(const std::function<void(std::span<const std::uint8_t>)>& take, unsigned most) {
  State& s = *s_;
  const std::uint32_t begin = *s.rx.consumer, end = s.rx.see(s.rx.producer);
  std::uint32_t fill = *s.fill.producer, at = begin;
  for (; at != end && at - begin < most; at++) {
    const xdp_desc d = s.rx.at(at);
    take({s.bytes(d.addr), d.len});
    s.fill.at(fill++) = d.addr / kFrame * kFrame;  // a received frame begins behind headroom
  }
  s.fill.show(s.fill.producer, fill);
  s.rx.show(s.rx.consumer, at);
  s.counts.received += at - begin;
  return at - begin;
}

bool Socket::send(std::span<const std::uint8_t> frame) {
  State& s = *s_;
  std::uint32_t returned = *s.done.consumer;
  for (const std::uint32_t end = s.done.see(s.done.producer); returned != end; returned++) s.free.push_back(s.done.at(returned));
  s.done.show(s.done.consumer, returned);
  const std::uint32_t at = *s.tx.producer;
  if (s.free.empty() || frame.size() > kFrame || at - s.tx.see(s.tx.consumer) == kRing) {
    s.counts.not_sent++;
    return false;
  }
  const std::uint64_t place = s.free.back();
  s.free.pop_back();
  std::memcpy(s.bytes(place), frame.data(), frame.size());
  s.tx.at(at) = xdp_desc{place, static_cast<__u32>(frame.size()), 0};
  s.tx.show(s.tx.producer, at + 1);
  // Copy mode sends in this call; EAGAIN: the rest goes with the next.
  if (sendto(s.fd.get(), nullptr, 0, MSG_DONTWAIT, nullptr, 0) < 0 && errno != EAGAIN && errno != EBUSY && errno != ENOBUFS) {
    s.counts.not_sent++;
    return false;
  }
  s.counts.sent++;
  return true;
}

}  // namespace mizar::xsk
