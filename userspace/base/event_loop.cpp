// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/event_loop.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include <array>
#include <cerrno>

namespace mizar {

Result<std::unique_ptr<EventLoop>> EventLoop::create() {
  std::unique_ptr<EventLoop> loop(new EventLoop);
  loop->epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  loop->wake_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!loop->epoll_.valid() || !loop->wake_.valid())
    return fail_errno(Code::internal, errno, "event loop");
  EventLoop* self = loop.get();
  MZ_CHECK(loop->watch(loop->wake_.get(), [self] { self->drain(); }));
  return loop;
}

Result<> EventLoop::watch(int fd, std::function<void()> ready, For what) {
  epoll_event ev{};
  ev.events = what == For::reading ? EPOLLIN : EPOLLOUT;
  const Watch fresh{++last_serial_, std::move(ready)};
  ev.data.u64 = std::uint64_t{fresh.serial} << 32 | static_cast<std::uint32_t>(fd);
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &ev) != 0 &&
      (errno != EEXIST || epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &ev) != 0))
    return fail_errno(Code::internal, errno, "event loop: watch");
  watches_.insert_or_assign(fd, fresh);
  return {};
}

void EventLoop::unwatch(int fd) {
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  watches_.erase(fd);
}

Result<> EventLoop::every(std::chrono::milliseconds period, std::function<void()> tick) {
  UniqueFd timer(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer.valid()) return fail_errno(Code::internal, errno, "event loop: timer");
  itimerspec spec{};
  spec.it_interval.tv_sec = period.count() / 1000;
  spec.it_interval.tv_nsec = period.count() % 1000 * 1'000'000;
  spec.it_value = spec.it_interval;
  timerfd_settime(timer.get(), 0, &spec, nullptr);
  const int fd = timer.get();
  MZ_CHECK(watch(fd, [fd, tick = std::move(tick)] {
    std::uint64_t expirations;
    if (read(fd, &expirations, sizeof expirations) == sizeof expirations) tick();
  }));
  timers_.push_back(std::move(timer));
  return {};
}

void EventLoop::post(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(work));
  }
  const std::uint64_t one = 1;
  // Full only when 2^64-1 wake-ups wait: then it is awake anyway.
  [[maybe_unused]] const auto n = write(wake_.get(), &one, sizeof one);
}

void EventLoop::drain() {
  std::uint64_t count;
  [[maybe_unused]] const auto n = read(wake_.get(), &count, sizeof count);
  std::vector<std::function<void()>> work;
  {
    const std::lock_guard lock(mutex_);
    work.swap(posted_);
  }
  for (auto& w : work) w();
}

void EventLoop::run_posted() {
  pollfd posted{wake_.get(), POLLIN, 0};
  while (poll(&posted, 1, -1) < 0 && errno == EINTR) {}
  drain();
}

void EventLoop::run() {
  std::array<epoll_event, 32> events{};
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (stopped_) return;
    }
    const int n = epoll_wait(epoll_.get(), events.data(), events.size(), -1);
    for (int i = 0; i < n; i++) {
      // A callback may have taken the next one's watch away, and given its number to
      // another file.
      const std::uint64_t data = events[static_cast<size_t>(i)].data.u64;
      const auto found = watches_.find(static_cast<int>(data & 0xffffffff));
      if (found == watches_.end() || found->second.serial != data >> 32) continue;
      const auto ready = found->second.ready;
      ready();
    }
  }
}

void EventLoop::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  post([] {});
}

}  // namespace mizar
