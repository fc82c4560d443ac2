// SPDX-License-Identifier: Apache-2.0
// Frames by BPF_F_TEST_XDP_LIVE_FRAMES: no socket, no sender's stack, any driver that takes XDP frames.
#include <bpf/libbpf.h>
#include <net/if.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "tools/linerate/generator.h"  // before the skeleton, which names its types
#include "tools/linerate/generate.skel.h"
#include "tools/linerate/live_frames.h"

namespace linerate {

namespace {

using mizar::Code;
using mizar::fail;

constexpr std::uint64_t kForever = 0x7fffffff;  // as many runs as a call takes

struct FreeProgram {
  void operator()(mz_lr_generate* p) const { mz_lr_generate__destroy(p); }
};

class LiveGenerator : public Generator {
 public:
  LiveGenerator(std::string interface, Frame frame)
      : what_("interface " + interface), frame_(std::move(frame)) {}

  Result<> load(unsigned ifindex) {
    program_.reset(mz_lr_generate__open());
    if (!program_) return refused(errno, what_ + ": open the generator's program");
    program_->rodata->frame = frame_.layout;
    program_->rodata->frame.out = ifindex;
    if (const int err = mz_lr_generate__load(program_.get()); err != 0)
      return refused(-err, what_ + ": load the generator's program");
    program_->links.count_refused = bpf_program__attach(program_->progs.count_refused);
    if (program_->links.count_refused == nullptr)
      return refused(errno, what_ + ": watch what it refuses (tracepoint xdp_devmap_xmit)");
    // One of no trial: whether the kernel takes frames of this size.
    program_->data->sender.frames = 1;
    if (const int run_err = run(1); run_err != 0) return failed(-run_err);
    return {};
  }

  Result<Sent> send(const Load& load, const std::atomic<bool>& stop) override {
    mz_lr_sender& s = program_->data->sender;
    load.begin(s);
    s.thread = static_cast<std::uint32_t>(syscall(SYS_gettid));
    while (s.seq < s.frames && !stop) {
      // Paced runs end by kWake, which is EINTR here.
      const std::uint64_t runs = load.rate == 0 ? s.frames - s.seq : kForever;
      if (const int err = run(static_cast<std::uint32_t>(std::min(runs, kForever)));
          err != 0 && err != -EINTR)
        return failed(-err);
    }
    return Sent{s.seq, s.refused, seconds_of(load, s.pace)};
  }

  [[nodiscard]] bool waits() const override {
    const mz_lr_sender& s = program_->data->sender;
    return __atomic_load_n(&s.seq, __ATOMIC_RELAXED) >= s.frames;
  }

 private:
  int run(std::uint32_t frames) {
    return mz_live_frames(bpf_program__fd(program_->progs.generate), frame_.bytes.data(),
                          static_cast<std::uint32_t>(frame_.bytes.size()), frames);
  }

  mizar::Failure failed(int err) const {
    if (err == EINVAL)
      return fail(Code::invalid_argument,
                  "{}: a frame of {} bytes is no live frame (a page is too short, or Linux before 5.18): use "
                  "--generator afxdp",
                  what_, frame_.bytes.size() + kFcs);
    return refused(err, what_ + ": send live frames");
  }

  std::string what_;
  Frame frame_;
  std::unique_ptr<mz_lr_generate, FreeProgram> program_;
};

}  // namespace

Result<std::unique_ptr<Generator>> make_live(const std::string& interface, const Frame& frame) {
  const unsigned ifindex = if_nametoindex(interface.c_str());
  if (ifindex == 0) return fail(Code::not_found, "interface {}: there is none: see ip link", interface);
  auto made = std::make_unique<LiveGenerator>(interface, frame);
  MZ_CHECK(made->load(ifindex));
  return std::unique_ptr<Generator>(std::move(made));
}

}  // namespace linerate
