// SPDX-License-Identifier: Apache-2.0
// transit program list|load|attach|detach without the daemon, and replace
// through it.
#include <bpf/libbpf.h>
#include <net/if.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

#include "tools/transit/choice.h"
#include "tools/transit/client.h"
#include "tools/transit/output.h"
#include "tools/transit/pins.h"

namespace transit {
namespace {

// Linux 6.6 has these; Debian 12's headers are of 6.1. From include/uapi/linux/bpf.h.
constexpr int kTcxIngress = 46;   // BPF_TCX_INGRESS
constexpr int kTcxEgress = 47;    // BPF_TCX_EGRESS
constexpr __u32 kTcxLink = 11;    // BPF_LINK_TYPE_TCX
struct TcxInfo {                  // bpf_link_info.tcx, in the same union as .xdp
  __u32 ifindex;
  __u32 attach_type;
};

struct ProgramOptions {
  std::string target;  // object file, program or link
  std::string pin;
  std::string device;
  int hook = kTcxIngress;
  std::string directory;
  bool verbose = false;
};

// ---- list -----------------------------------------------------------------------

std::string interface_name(__u32 ifindex) {
  char name[IF_NAMESIZE];
  if (ifindex == 0) return "gone";  // the interface was deleted, the link lives on
  return ::if_indextoname(ifindex, name) == nullptr ? fmt::format("index {}", ifindex) : name;
}

std::string hook_name(__u32 type, __u32 attach_type) {
  if (type == BPF_LINK_TYPE_XDP) return "xdp";
  if (type != kTcxLink) return fmt::format("link type {}", type);
  return attach_type == kTcxIngress ? "tcx-ingress" : "tcx-egress";
}

Json program_value(const std::string& name, const bpf_prog_info& info) {
  std::string tag;
  for (const auto byte : info.tag) tag += fmt::format("{:02x}", byte);
  const char* type = libbpf_bpf_prog_type_str(static_cast<bpf_prog_type>(info.type));
  return {{"name", name},
          {"id", info.id},
          {"type", type == nullptr ? fmt::format("type {}", info.type) : type},
          {"tag", tag},
          {"instructions", info.xlated_prog_len / 8},
          {"verified", info.verified_insns},
          {"jited_bytes", info.jited_prog_len}};
}

Json link_value(const std::string& name, const bpf_link_info& info) {
  TcxInfo at{};
  std::memcpy(&at, reinterpret_cast<const char*>(&info) + offsetof(bpf_link_info, xdp), sizeof at);
  return {{"name", name},
          {"id", info.id},
          {"hook", hook_name(info.type, at.attach_type)},
          {"interface", interface_name(at.ifindex)},
          {"ifindex", at.ifindex},
          {"program_id", info.prog_id}};
}

// Opens every pin of a folder and describes it.
template <class Info>
Result<Json> described(const Context& ctx, const char* folder,
                       Json (*describe)(const std::string&, const Info&)) {
  auto names = pinned(ctx, folder);
  if (!names) return Failure(names.error());
  Json all = Json::array();
  for (const auto& name : *names) {
    auto fd = open_pin(ctx, folder, name);
    if (!fd) return Failure(fd.error());
    auto info = info_of<Info>(*fd, name);
    if (!info) return Failure(info.error());
    all.push_back(describe(name, *info));
  }
  return all;
}

void print_programs(const Json& programs, const Json& links) {
  Table table({"PROGRAM", ">ID", "TYPE", "TAG", ">INSNS", ">JITED"});
  for (const auto& p : programs)
    table.row({p["name"], p["id"].dump(), p["type"], p["tag"], p["instructions"].dump(),
               p["jited_bytes"].dump() + " B"});
  table.print();
  if (links.empty()) return;
  Table attached({"LINK", ">ID", "HOOK", "INTERFACE", ">PROGRAM"});
  for (const auto& l : links)
    attached.row({l["name"], l["id"].dump(), l["hook"], l["interface"], l["program_id"].dump()});
  print_line("");
  attached.print();
}

Result<int> list(const Context& ctx) {
  auto programs = described<bpf_prog_info>(ctx, kPrograms, program_value);
  if (!programs) return Failure(programs.error());
  auto links = described<bpf_link_info>(ctx, kLinks, link_value);
  // Loaded by hand and attached nowhere: no such folder yet.
  if (!links && links.error().code != Code::not_found) return Failure(links.error());
  const Json found = links ? *links : Json::array();
  if (ctx.format == Format::table)
    print_programs(*programs, found);
  else
    print_value(ctx.format, Json{{"programs", *programs}, {"links", found}});
  return kExitOk;
}

// ---- load -----------------------------------------------------------------------

using Object = std::unique_ptr<bpf_object, void (*)(bpf_object*)>;

int to_stderr(libbpf_print_level level, const char* format, va_list args) {
  return level == LIBBPF_DEBUG ? 0 : std::vfprintf(stderr, format, args);
}

Result<> make_folders(const std::string& root) {
  std::error_code ec;
  for (const char* folder : {kMaps, kPrograms, kLinks})
    if (!ec) std::filesystem::create_directories(root + "/" + folder, ec);
  if (ec) return bpf_failed(ec.value(), root);
  return {};
}

// Maps that are pinned already are used again, so the program works on the
// live tables; new ones are pinned beside them.
Result<> pin_maps(bpf_object* object, const std::string& root) {
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    if (bpf_map__is_internal(map)) continue;
    const std::string path = fmt::format("{}/{}/{}", root, kMaps, bpf_map__name(map));
    if (const int err = bpf_map__set_pin_path(map, path.c_str()); err != 0)
      return bpf_failed(-err, path);
  }
  return {};
}

Result<Json> pin_programs(bpf_object* object, const std::string& root) {
  Json names = Json::array();
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) {
    const std::string path = fmt::format("{}/{}/{}", root, kPrograms, bpf_program__name(program));
    if (const int err = bpf_program__pin(program, path.c_str()); err != 0) {
      if (err == -EEXIST)
        return fail(Code::already_exists,
                    "{}: a program is pinned there: use transit program replace, or --pin DIR",
                    path);
      return bpf_failed(-err, path);
    }
    names.push_back(path);
  }
  return names;
}

Result<int> load(const Context& ctx, const ProgramOptions& options) {
  libbpf_set_print(options.verbose ? to_stderr : nullptr);
  const std::string root = options.pin.empty() ? pin_root(ctx) : options.pin;
  const Object object(bpf_object__open_file(options.target.c_str(), nullptr), bpf_object__close);
  if (!object) {
    const int err = errno;
    if (err == ENOENT) return fail_errno(Code::not_found, err, options.target);
    return fail(Code::invalid_argument, "{}: is no BPF object file (--verbose shows why)",
                options.target);
  }
  MZ_CHECK(make_folders(root));
  MZ_CHECK(pin_maps(object.get(), root));
  if (const int err = bpf_object__load(object.get()); err != 0) {
    if (err == -EPERM) return bpf_failed(EPERM, options.target);
    return fail_errno(Code::internal, -err,
                      options.target + ": the kernel refuses it (--verbose shows why)");
  }
  auto names = pin_programs(object.get(), root);
  if (!names) return Failure(names.error());
  if (ctx.format != Format::table)
    print_value(ctx.format, *names);
  else
    for (const auto& name : *names) print_line(name.get<std::string>());
  return kExitOk;
}

// ---- attach, detach, replace ----------------------------------------------------

Result<std::string> link_pin(const Context& ctx, const ProgramOptions& options,
                             const char* hook) {
  if (!options.pin.empty()) return options.pin;
  MZ_CHECK(make_folders(pin_root(ctx)));
  return fmt::format("{}/{}/{}-{}-{}", pin_root(ctx), kLinks,
                     std::filesystem::path(options.target).filename().string(), options.device,
                     hook);
}

Result<int> attach(const Context& ctx, const ProgramOptions& options) {
  auto program = open_pin(ctx, kPrograms, options.target);
  if (!program) return Failure(program.error());
  auto info = info_of<bpf_prog_info>(*program, options.target);
  if (!info) return Failure(info.error());
  // The kernel would only say "invalid argument".
  const bool xdp = options.hook == BPF_XDP;
  if (info->type != (xdp ? BPF_PROG_TYPE_XDP : BPF_PROG_TYPE_SCHED_CLS))
    return fail(Code::invalid_argument, "program {}: --hook: it is {} XDP program",
                options.target, xdp ? "no" : "an");
  const unsigned ifindex = ::if_nametoindex(options.device.c_str());
  if (ifindex == 0)
    return fail(Code::not_found, "interface {}: there is none: see ip link", options.device);
  const char* hook = xdp ? "xdp" : options.hook == kTcxIngress ? "tcx-ingress" : "tcx-egress";
  auto pin = link_pin(ctx, options, hook);
  if (!pin) return Failure(pin.error());
  struct stat st {};
  if (::stat(pin->c_str(), &st) == 0)
    return fail(Code::already_exists, "{}: pinned already: transit program detach it first", *pin);
  const mizar::UniqueFd link(bpf_link_create(program->get(), static_cast<int>(ifindex),
                                             static_cast<bpf_attach_type>(options.hook), nullptr));
  const std::string what =
      fmt::format("{} on {} of {}", options.target, hook, options.device);
  if (!link.valid()) return bpf_failed(errno, what);
  // Without a pin the link would go with this process.
  if (bpf_obj_pin(link.get(), pin->c_str()) != 0) return bpf_failed(errno, *pin);
  if (ctx.format == Format::table)
    fmt::print("{}: {}\n", what, *pin);
  else
    print_value(ctx.format, Json{{"link", *pin}, {"hook", hook}, {"interface", options.device}});
  return kExitOk;
}

Result<int> detach(const Context& ctx, const ProgramOptions& options) {
  auto link = open_pin(ctx, kLinks, options.target);
  if (!link) return Failure(link.error());
  const std::string path = pin_path(ctx, kLinks, options.target);
  // Also when somebody else holds the link. ENOLINK: its interface is gone.
  if (bpf_link_detach(link->get()) != 0 && errno != ENOLINK && errno != EOPNOTSUPP)
    return bpf_failed(errno, path);
  if (::unlink(path.c_str()) != 0) return bpf_failed(errno, path);
  if (ctx.format == Format::table)
    fmt::print("{} detached\n", path);
  else
    print_value(ctx.format, Json{{"detached", path}});
  return kExitOk;
}

Result<int> replace(const Context& ctx, const ProgramOptions& options) {
  v1::ReplaceProgramsRequest request;
  request.set_directory(options.directory);
  auto reply = call(ctx, request);
  if (!reply) return Failure(reply.error());
  if (ctx.format == Format::table)
    fmt::print("{} programs replaced\n", reply->replaced());
  else
    print_message(ctx.format, *reply);
  return kExitOk;
}

using Run = Result<int> (*)(const Context&, const ProgramOptions&);

void when_called(CLI::App* cmd, Context& ctx, std::shared_ptr<ProgramOptions> o, Run run) {
  cmd->callback([&ctx, o, run] { ctx.action = [&ctx, o, run] { return run(ctx, *o); }; });
}

void add_load(CLI::App& cmd, Context& ctx, const std::shared_ptr<ProgramOptions>& o) {
  auto* v = cmd.add_subcommand("load", "Load an object file and pin its programs and maps");
  v->add_option("file", o->target, "A .bpf.o file")->type_name("FILE")->required();
  v->add_option("--pin", o->pin, "Folder in a BPF file system; default: the instance's")
      ->type_name("DIR");
  v->add_flag("--verbose", o->verbose, "Show libbpf's messages and the verifier's log");
  when_called(v, ctx, o, load);
}

void add_attach(CLI::App& cmd, Context& ctx, const std::shared_ptr<ProgramOptions>& o) {
  auto* v = cmd.add_subcommand("attach", "Attach a pinned program to an interface");
  v->add_option("program", o->target, "Its pin's name, or a path")
      ->type_name("PROGRAM")
      ->required();
  v->add_option("--dev", o->device, "The interface")->type_name("INTERFACE")->required();
  add_choice<int>(*v, "--hook", o->hook,
                  {{"tcx-ingress", kTcxIngress}, {"tcx-egress", kTcxEgress}, {"xdp", BPF_XDP}},
                  "Where on it")
      ->required();
  v->add_option("--pin", o->pin, "Pin of the link; default: links/PROGRAM-INTERFACE-HOOK")
      ->type_name("PATH");
  when_called(v, ctx, o, attach);
}

}  // namespace

void add_program(CLI::App& app, Context& ctx) {
  auto* cmd = app.add_subcommand("program", "The data plane's programs and where they are attached")
                  ->group("Kernel objects (root, also without transitd)")
                  ->require_subcommand(1);
  auto o = std::make_shared<ProgramOptions>();
  cmd->add_subcommand("list", "Pinned programs and links")->callback([&ctx] {
    ctx.action = [&ctx] { return list(ctx); };
  });
  add_load(*cmd, ctx, o);
  add_attach(*cmd, ctx, o);
  auto* off = cmd->add_subcommand("detach", "Detach a link and remove its pin");
  off->add_option("link", o->target, "Its pin's name, or a path")->type_name("LINK")->required();
  when_called(off, ctx, o, detach);
  auto* fresh = cmd->add_subcommand(
      "replace", "Replace transitd's programs, losing no packet");
  fresh->add_option("--directory", o->directory, "Object files; default: those built into transitd")
      ->type_name("DIR");
  when_called(fresh, ctx, o, replace);
}

}  // namespace transit
