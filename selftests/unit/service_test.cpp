// SPDX-License-Identifier: Apache-2.0
// Mirrors userspace/base/service.h: what a service manager hears.
#include "userspace/base/service.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

using namespace mizar;

namespace {

// The manager's end, at `name` ("@...": abstract), which the environment says.
class Manager {
 public:
  explicit Manager(const std::string& name) : name_(name), fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::memcpy(at.sun_path, name.data(), name.size());
    if (name[0] == '@') at.sun_path[0] = 0;
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(bind(fd_.get(), reinterpret_cast<const sockaddr*>(&at), size), 0) << name;
    setenv("NOTIFY_SOCKET", name.c_str(), 1);
  }
  ~Manager() {
    for (const char* variable : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) unsetenv(variable);
    if (name_[0] != '@') unlink(name_.c_str());
  }
  // What it was told meanwhile.
  std::vector<std::string> heard() {
    std::vector<std::string> all;
    std::array<char, 64> some{};
    for (ssize_t n; (n = recv(fd_.get(), some.data(), some.size(), MSG_DONTWAIT)) > 0;)
      all.emplace_back(some.data(), static_cast<std::size_t>(n));
    return all;
  }

 private:
  std::string name_;
  UniqueFd fd_;
};

// Serves until a watchdog's message would have come several times over.
void serve_for(std::chrono::milliseconds time) {
  block_signals();
  auto loop = EventLoop::create();
  ASSERT_TRUE(loop);
  ASSERT_TRUE((*loop)->every(time, [] { kill(getpid(), SIGTERM); }));
  ASSERT_TRUE(serve_until_stopped(**loop));
  sigset_t signals;  // the one that stopped it is still there: a daemon would end now
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  const timespec now{};
  EXPECT_EQ(sigtimedwait(&signals, nullptr, &now), SIGTERM);
}

std::string name(const char* what) { return "mz-service-" + std::to_string(getpid()) + what; }

const std::vector<std::string> kReadyAndStopping = {"READY=1", "STOPPING=1"};

TEST(Service, SaysThatItIsReadyAndThatItStops) {
  Manager m((std::filesystem::temp_directory_path() / name("-path")).string());
  serve_for(std::chrono::milliseconds(20));
  EXPECT_EQ(m.heard(), kReadyAndStopping);
}

TEST(Service, SaysItToAnAbstractSocket) {
  Manager m("@" + name("-abstract"));
  serve_for(std::chrono::milliseconds(20));
  EXPECT_EQ(m.heard(), kReadyAndStopping);
}

TEST(Service, SaysThreeTimesAWatchdogsPeriodThatItLives) {
  Manager m("@" + name("-watchdog"));
  setenv("WATCHDOG_USEC", "30000", 1);
  setenv("WATCHDOG_PID", std::to_string(getpid()).c_str(), 1);
  serve_for(std::chrono::milliseconds(75));  // a socket takes 10 before somebody reads
  const auto heard = m.heard();
  ASSERT_FALSE(heard.empty());
  EXPECT_EQ(heard.front(), "READY=1");
  EXPECT_GT(std::count(heard.begin(), heard.end(), "WATCHDOG=1"), 2);
}

TEST(Service, AnotherProcessesWatchdogIsNotItsOwn) {
  Manager m("@" + name("-other"));
  setenv("WATCHDOG_USEC", "30000", 1);
  setenv("WATCHDOG_PID", "1", 1);
  serve_for(std::chrono::milliseconds(100));
  EXPECT_EQ(m.heard(), kReadyAndStopping);
}

TEST(Service, ServesWithoutAManager) { serve_for(std::chrono::milliseconds(20)); }

}  // namespace
