// SPDX-License-Identifier: Apache-2.0
// transit-linerate's receiver and generator in the kernel, by BPF_PROG_TEST_RUN: what is counted of
// sequence numbers in any order, of frames that were changed, and of other people's.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <unistd.h>

#include <functional>
#include <memory>

#include "tools/linerate/frame.h"  // before the skeletons, which name its types
#include "tools/linerate/generate.skel.h"
#include "tools/linerate/receive.skel.h"

namespace linerate {
namespace {

constexpr std::uint32_t kTrial = 9, kWindow = MZ_LR_SEEN_WORDS * 32;

Frame frame_of(unsigned size, bool tunnel = false, unsigned stream = 0) {
  FrameSpec s;
  s.size = size;
  s.from = mizar::Addr::v4(0xc6120001);
  s.to = mizar::Addr::v4(0xc6130001);
  s.stream = stream;
  if (tunnel) s.tunnel = Tunnel{100, 7, s.from, {s.to, 32}};
  return make_frame(s);
}

class LinerateCount : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    program_.reset(mz_lr_receive__open_and_load());
    ASSERT_TRUE(program_);
    program_->bss->receiver.verify = 1;
  }

  std::uint32_t run(std::vector<std::uint8_t>& bytes, const bpf_program* program) {
    std::vector<std::uint8_t> out(bytes.size());
    bpf_test_run_opts o{};
    o.sz = sizeof o;
    o.data_in = bytes.data();
    o.data_size_in = static_cast<__u32>(bytes.size());
    o.data_out = out.data();
    o.data_size_out = o.data_size_in;
    EXPECT_EQ(bpf_prog_test_run_opts(bpf_program__fd(program), &o), 0);
    bytes = out;
    return o.retval;
  }

  using Change = std::function<void(std::vector<std::uint8_t>&)>;
  void receive(std::uint32_t seq, const Frame& f = frame_of(64), const Change& change = {}, std::uint32_t trial = kTrial) {
    std::vector<std::uint8_t> bytes = f.bytes;
    mz_lr_sender sender{};
    sender.seq = seq;
    sender.trial = trial;
    stamp_frame(bytes, f.layout, sender, 0);
    if (change) change(bytes);
    verdict_ = run(bytes, program_->progs.receive);
  }

  mz_lr_stream stream(std::uint32_t i = 0) {
    mz_lr_stream s{};
    const std::uint32_t slot = mz_lr_slot(kTrial, i);
    EXPECT_EQ(bpf_map_lookup_elem(bpf_map__fd(program_->maps.streams), &slot, &s), 0);
    return s;
  }

  struct Free {
    void operator()(mz_lr_receive* p) const { mz_lr_receive__destroy(p); }
  };
  std::unique_ptr<mz_lr_receive, Free> program_;
  std::uint32_t verdict_ = 0;
};

struct OrderCase {
  const char* name;
  std::vector<std::uint32_t> seqs;
  std::uint64_t received, duplicates, reordered, late;
  std::uint32_t next;
};

TEST_F(LinerateCount, SequenceNumbersInAnyOrder) {
  const std::uint32_t w = kWindow;
  const OrderCase cases[] = {
      {"in order", {0, 1, 2, 3}, 4, 0, 0, 0, 4},
      {"lost ones", {0, 2, 31, 32, 64}, 5, 0, 0, 0, 65},
      {"the first lost", {5, 6}, 2, 0, 0, 0, 7},
      {"twice", {0, 1, 1, 0, 1}, 2, 3, 0, 0, 2},
      {"behind a later one", {0, 2, 1, 3}, 4, 0, 1, 0, 4},
      {"behind, and twice", {0, 2, 1, 1}, 3, 1, 1, 0, 3},
      {"round the window", {0, w, w + 1, w}, 3, 1, 0, 0, w + 2},
      {"a round behind, never seen", {w + 40, 100}, 2, 0, 1, 0, w + 41},
      {"just too far behind", {w + 40, 41}, 1, 0, 0, 1, w + 41},
      {"too far behind", {2 * w, 0}, 1, 0, 0, 1, 2 * w + 1},
      {"round 32 bits", {0x7fffffff, 0xfffffffe, 0xffffffff, 0, 1, 0xffffffff}, 5, 1, 0, 0, 2},
  };
  std::uint32_t i = 0;
  for (const auto& c : cases) {
    for (const auto seq : c.seqs) receive(seq, frame_of(64, false, i));
    const auto s = stream(i++);
    EXPECT_EQ(s.received, c.received) << c.name;
    EXPECT_EQ(s.duplicates, c.duplicates) << c.name;
    EXPECT_EQ(s.reordered, c.reordered) << c.name;
    EXPECT_EQ(s.late, c.late) << c.name;
    EXPECT_EQ(s.next, c.next) << c.name;
  }
}

TEST_F(LinerateCount, TrialsAreKeptApart) {
  receive(0);
  program_->bss->receiver.trial = kTrial + 1;
  receive(1);
  receive(0, frame_of(64), {}, kTrial + 1);
  receive(0, frame_of(64), {}, 0);
  EXPECT_EQ(stream().received, 1u);
  EXPECT_EQ(program_->bss->receiver.stale, 2u);
  // The same place, four trials later, where any trial counts: all is new.
  program_->bss->receiver.trial = 0;
  receive(1);
  receive(0, frame_of(64), {}, kTrial + MZ_LR_TRIALS);
  EXPECT_EQ(stream().trial, kTrial + MZ_LR_TRIALS);
  EXPECT_EQ(stream().received, 1u);
  EXPECT_EQ(stream().duplicates, 0u);
  EXPECT_EQ(stream().next, 1u);
}

TEST_F(LinerateCount, FramesOfAllSizesAreIntact) {
  std::uint32_t seq = 0;
  for (const bool tunnel : {false, true})
    for (const unsigned size : {64u, 65u, 71u, 128u, 130u, 137u, 256u, 1518u, 4096u, 9000u})
      if (size >= smallest_size(tunnel)) receive(seq++, frame_of(size, tunnel));
  const auto s = stream();
  EXPECT_EQ(s.received, seq);
  EXPECT_EQ(s.wrong_length, 0u);
  EXPECT_EQ(s.corrupted, 0u);
}

TEST_F(LinerateCount, ChangesOfAFrameAreSeen) {
  std::uint32_t seq = 0;
  for (const unsigned size : {65u, 128u, 1518u, 9000u}) {
    const Frame f = frame_of(size);
    receive(seq++, f, [](auto& b) { b.back() ^= 1; });
    EXPECT_EQ(stream().corrupted, seq) << size;
    receive(seq++, f, [](auto& b) { b[60] ^= 0x80; });
    EXPECT_EQ(stream().corrupted, seq) << size;
  }
  const auto corrupted = stream().corrupted;
  receive(seq++, frame_of(128), [](auto& b) { b.pop_back(); });
  EXPECT_EQ(stream().wrong_length, 1u);
  receive(seq++, frame_of(128), [](auto& b) { b.push_back(0); });
  EXPECT_EQ(stream().wrong_length, 2u);
  EXPECT_EQ(stream().corrupted, corrupted);
  EXPECT_EQ(stream().received, seq);
}

TEST_F(LinerateCount, OthersFramesGoOn) {
  const Change changes[] = {
      [](auto& b) { b[12] = 0x86; },             // no IPv4
      [](auto& b) { b[23] = 6; },                // no UDP
      [](auto& b) { b[14] = 0x46; },             // options
      [](auto& b) { b[37] = 8; },                // another port
      [](auto& b) { b[42] ^= 1; },               // no stamp
      [](auto& b) { b.resize(59); },             // cut in the stamp
  };
  std::uint64_t n = 0;
  for (const auto& change : changes) {
    receive(0, frame_of(64), change);
    EXPECT_EQ(verdict_, std::uint32_t{XDP_PASS}) << n;
    EXPECT_EQ(program_->bss->receiver.foreign, ++n);
  }
  receive(0);
  EXPECT_EQ(verdict_, std::uint32_t{XDP_DROP});
  EXPECT_EQ(stream().received, 1u);
}

TEST_F(LinerateCount, ReflectedFramesHaveTheirEndsSwappedAndCount) {
  for (const bool tunnel : {false, true}) {
    FrameSpec spec;
    spec.size = 256;
    spec.from_mac = {2, 0, 0, 0, 0, 1};
    spec.to_mac = {2, 0, 0, 0, 0, 2};
    spec.from = mizar::Addr::v4(0xc6120001);
    spec.to = mizar::Addr::v4(0xc6130001);
    if (tunnel) spec.tunnel = Tunnel{100, 7, spec.from, {spec.to, 32}};
    const Frame f = make_frame(spec);
    std::vector<std::uint8_t> bytes = f.bytes;
    mz_lr_sender sender{};
    sender.trial = kTrial;
    sender.seq = tunnel;
    stamp_frame(bytes, f.layout, sender, 0);
    const auto sent = bytes;
    EXPECT_EQ(run(bytes, program_->progs.reflect), std::uint32_t{XDP_TX});
    auto swapped = sent;
    std::swap_ranges(swapped.begin(), swapped.begin() + 6, swapped.begin() + 6);
    std::swap_ranges(swapped.begin() + 26, swapped.begin() + 30, swapped.begin() + 30);
    std::swap_ranges(swapped.begin() + 34, swapped.begin() + 36, swapped.begin() + 36);
    EXPECT_EQ(bytes, swapped);
    run(bytes, program_->progs.receive);
  }
  EXPECT_EQ(stream().received, 2u);
  EXPECT_EQ(stream().corrupted, 0u);
}

// ---- the generator writes what stamp_frame() would ------------------------------------

TEST_F(LinerateCount, GeneratedFramesAreWhole) {
  for (const bool tunnel : {false, true}) {
    Frame f = frame_of(256, tunnel);
    if (tunnel) f.layout.dst_mask = 0xff;
    std::unique_ptr<mz_lr_generate, void (*)(mz_lr_generate*)> g(mz_lr_generate__open(), mz_lr_generate__destroy);
    ASSERT_TRUE(g);
    g->rodata->frame = f.layout;
    ASSERT_EQ(mz_lr_generate__load(g.get()), 0);
    g->data->sender.trial = kTrial;
    g->data->sender.frames = 3;
    mz_lr_sender same = g->data->sender;
    for (int i = 0; i < 3; i++) {
      std::vector<std::uint8_t> dirty = f.bytes, want = f.bytes;
      std::fill(dirty.begin(), dirty.begin() + f.layout.words * 8, 0xee);  // as a receiver left it
      EXPECT_EQ(run(dirty, g->progs.generate), std::uint32_t{XDP_REDIRECT});
      stamp_frame(want, f.layout, same, 0);
      EXPECT_EQ(dirty, want) << tunnel << i;
    }
    auto one_more = f.bytes;
    EXPECT_EQ(run(one_more, g->progs.generate), std::uint32_t{XDP_DROP});
    EXPECT_EQ(g->data->sender.seq, 3u);
  }
}

}  // namespace
}  // namespace linerate
