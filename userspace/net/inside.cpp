// SPDX-License-Identifier: Apache-2.0
#include "userspace/net/inside.h"

#include <sched.h>

#include <system_error>

#include "userspace/net/wire.h"

namespace mizar::net {

Result<std::unique_ptr<Inside>> Inside::enter(const NetnsRef& ns) {
  std::unique_ptr<Inside> self(new Inside);
  try {
    self->thread_ = std::jthread([s = self.get()](const std::stop_token& stop) { s->serve(stop); });
  } catch (const std::system_error& e) {  // no thread to be had
    return fail_errno(Code::resource_exhausted, e.code().value(), "enter network namespace");
  }
  MZ_CHECK(self->run([&]() -> Result<> {
    if (::setns(ns.fd(), CLONE_NEWNET) == 0) return {};
    return fail_errno(wire::code_of(errno), errno, "enter network namespace");
  }));
  return self;
}

Inside::~Inside() = default;

void Inside::serve(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (wake_.wait(lock, stop, [this] { return step_ != nullptr; })) {
    out_ = (*step_)();
    step_ = nullptr;
    wake_.notify_all();
  }
}

Result<> Inside::run(const std::function<Result<>()>& step) {
  std::unique_lock lock(mutex_);
  step_ = &step;
  wake_.notify_all();
  wake_.wait(lock, [this] { return step_ == nullptr; });
  return std::exchange(out_, {});
}

}  // namespace mizar::net
