// SPDX-License-Identifier: Apache-2.0
// transit-function-dns: the worked function in user space. Reads the DNS queries that
// bpf/functions/take_dns.bpf.c hands to an interface, and answers them from a list.
#include <poll.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "userspace/base/log.h"
#include "userspace/functions/dns_function.h"
#include "userspace/xsk/xsk_socket.h"

using namespace mizar;

namespace {

volatile sig_atomic_t stopping = 0;

Result<> serve(const std::string& interface, const std::string& path) {
  auto names = functions::read_names(path);
  if (!names) return tl::unexpected(names.error());
  auto socket = xsk::Socket::open(interface);
  if (!socket) return tl::unexpected(socket.error());
  log::info("answering on {} ({} XDP, copy mode) with {} names", interface, (*socket)->mode(), names->size());
  pollfd fd{(*socket)->fd(), POLLIN, 0};
  while (!stopping) {
    if (poll(&fd, 1, -1) < 0 && errno != EINTR) return fail_errno(Code::internal, errno, "poll");
    while ((*socket)->receive([&](std::span<const std::uint8_t> frame) {
      if (const auto answer = functions::answer_frame(frame, *names)) (*socket)->send(*answer);
    }) != 0) {
    }
  }
  const auto& n = (*socket)->counts();
  log::info("{} frames came, {} were answered, {} answers were lost", n.received, n.sent, n.not_sent);
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Answers endpoints' DNS queries from a list of names, as a function in user space.");
  std::string interface, names;
  app.add_option("--interface", interface, "Inner end of the function's interface")->required()->type_name("NAME");
  app.add_option("--names", names, "File of lines 'ADDRESS NAME...'")->required()->type_name("FILE");
  CLI11_PARSE(app, argc, argv);
  struct sigaction stop {};
  stop.sa_handler = [](int) { stopping = 1; };
  sigaction(SIGTERM, &stop, nullptr);
  sigaction(SIGINT, &stop, nullptr);
  if (auto rc = serve(interface, names); !rc) {
    std::fprintf(stderr, "transit-function-dns: %s\n", rc.error().what.c_str());
    return 1;
  }
  return 0;
}
