// SPDX-License-Identifier: Apache-2.0
// transit-linerate: RFC 2544 measurements of network interfaces, and of what lies between them.
#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

#include "tools/linerate/commands.h"
#include "tools/transit/program.h"

namespace linerate {
namespace {

constexpr const char* kFooter = R"(
Rates are frames a second. Sizes are those of RFC 2544: Ethernet header to checksum; on the
wire a frame takes 20 bytes more. 100 % is the line's rate where there is a line; a veth has none,
there it is what the generator makes. Where the rate asked for could not be generated, the
generator is the limit, and that is said. Frames are UDP to port 7 of RFC 2544's addresses.

Latency is from the frame's making to its XDP program at the receiver, by one clock: what
it waited for the others of its batch (64 frames at most) is part of it.

Exit status: 0 done, 1 failed, 2 wrong usage or input, 3 not found.

Examples:
  transit-linerate probe eth1
  transit-linerate run eth1 --receive eth2 --seconds 60 --cpus 0,1,2,3
  transit-linerate reflect eth0                        on another host, then here:
  transit-linerate run eth1 --reflected --to-mac 52:54:00:12:34:56 --sizes 64,1518
  transit-linerate run eth1 --receive eth2 --to-mac 52:54:00:12:34:56 --geneve 100 \
      --from 192.0.2.1 --to 192.0.2.3 --host-id 1 --inner-to 10.0.4.0/22   a bouncer between)";

int main(int argc, char** argv) {
  Context ctx;
  CLI::App app("Measures network interfaces, and what lies between them, as RFC 2544 says.",
               "transit-linerate");
  app.fallthrough();
  app.require_subcommand(1);
  app.get_formatter()->column_width(30);
  transit::add_choice<transit::Format>(
      app, "-o,--output", ctx.format,
      {{"table", transit::Format::table}, {"json", transit::Format::json}, {"yaml", transit::Format::yaml}},
      "table for people, json or yaml for programs")
      ->default_str("table");
  app.set_version_flag("--version", std::string("transit-linerate ") + MZ_VERSION);
  add_probe(app, ctx);
  add_reflect(app, ctx);
  add_receive(app, ctx);
  add_send(app, ctx);
  add_run(app, ctx);
  app.footer(kFooter);
  libbpf_set_print(nullptr);  // errors are told in one line
  libxdp_set_print(nullptr);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return transit::parse_failed(app, e);
  }
  return transit::run_action(app, ctx.action);
}

}  // namespace
}  // namespace linerate

int main(int argc, char** argv) { return linerate::main(argc, argv); }
