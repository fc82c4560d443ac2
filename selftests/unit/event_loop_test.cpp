// SPDX-License-Identifier: Apache-2.0
// One thread's loop: userspace/base/event_loop.h.
#include "userspace/base/event_loop.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace mizar {
namespace {

UniqueFd event(unsigned count) { return UniqueFd(eventfd(count, EFD_CLOEXEC | EFD_NONBLOCK)); }

class EventLoopTest : public ::testing::Test {
 protected:
  // Two that are ready at once; who is called first calls `then` with the other.
  void both_ready(const std::function<void(UniqueFd& other)>& then) {
    a_ = event(1);
    b_ = event(1);
    for (auto* fds : {&a_, &b_})
      ASSERT_TRUE(loop_->watch(fds->get(), [this, fds, then] {
        called_++;
        loop_->unwatch(fds->get());
        if (called_ == 1) then(fds == &a_ ? b_ : a_);
      }));
    // Behind all that one look at the files found.
    loop_->post([this] { loop_->post([this] { loop_->post([this] { loop_->stop(); }); }); });
    loop_->run();
  }
  std::unique_ptr<EventLoop> loop_ = std::move(*EventLoop::create());
  UniqueFd a_, b_;
  int called_ = 0;
};

TEST_F(EventLoopTest, EachThatIsReadyIsCalled) {
  both_ready([](UniqueFd&) {});
  EXPECT_EQ(called_, 2);
}

TEST_F(EventLoopTest, WhoIsNotWatchedAnyMoreIsNotCalled) {
  both_ready([this](UniqueFd& other) { loop_->unwatch(other.get()); });
  EXPECT_EQ(called_, 1);
}

// What was said of a file that is closed is not said of the next one of its number.
TEST_F(EventLoopTest, AFileThatGetsANumberAnewIsNotReadyByTheOldOnesEvent) {
  int fresh_called = 0;
  both_ready([&](UniqueFd& other) {
    const int number = other.get();
    loop_->unwatch(number);
    other.reset();
    other = event(0);
    ASSERT_EQ(other.get(), number) << "the kernel gives the lowest";
    ASSERT_TRUE(loop_->watch(number, [&] { fresh_called++; }));
  });
  EXPECT_EQ(called_, 1);
  EXPECT_EQ(fresh_called, 0);
}

// Nor by one of another kind than it is watched for now.
TEST_F(EventLoopTest, WatchedAnewForAnotherThing) {
  int reading = 0;
  both_ready([&](UniqueFd& other) {
    std::uint64_t n = 0;
    ASSERT_EQ(::read(other.get(), &n, sizeof n), static_cast<ssize_t>(sizeof n));  // nothing left
    ASSERT_TRUE(loop_->watch(other.get(), [&] { reading++; }));
  });
  EXPECT_EQ(called_, 1);
  EXPECT_EQ(reading, 0);
}

}  // namespace
}  // namespace mizar
