// SPDX-License-Identifier: Apache-2.0
// Runs the built command line and collects what it says.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

extern char** environ;

namespace transit_test {

struct Outcome {
  int rc = -1;
  std::string out;
  std::string err;
};

// A folder that goes with the test.
class TempDir {
 public:
  TempDir() {
    std::string pattern = std::filesystem::temp_directory_path() / "transit-test-XXXXXX";
    if (::mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  ~TempDir() {
    std::error_code ec;
    if (!path_.empty()) std::filesystem::remove_all(path_, ec);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  [[nodiscard]] std::string at(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline std::string read_file(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

inline void write_file(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
}

// transit stands beside the tests in the build tree.
// Read before any test: in a mount namespace of its own the link may lead nowhere.
inline const std::string kTransitPath =
    std::filesystem::read_symlink("/proc/self/exe").parent_path() / "../../bin/transit";

inline const std::string& transit_path() { return kTransitPath; }

inline Outcome run_transit(std::vector<std::string> args, const std::string& input = "") {
  const TempDir dir;
  write_file(dir.at("in"), input);
  args.insert(args.begin(), "transit");
  std::vector<char*> argv;
  for (auto& a : args) argv.push_back(a.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, dir.at("in").c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, dir.at("out").c_str(), O_WRONLY | O_CREAT, 0600);
  posix_spawn_file_actions_addopen(&files, 2, dir.at("err").c_str(), O_WRONLY | O_CREAT, 0600);
  pid_t pid = 0;
  const int err = ::posix_spawn(&pid, transit_path().c_str(), &files, nullptr, argv.data(),
                                environ);
  posix_spawn_file_actions_destroy(&files);
  Outcome outcome;
  if (err != 0) {
    ADD_FAILURE() << transit_path() << ": cannot be run: " << err;
    return outcome;
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  outcome.rc = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  outcome.out = read_file(dir.at("out"));
  outcome.err = read_file(dir.at("err"));
  return outcome;
}

}  // namespace transit_test
