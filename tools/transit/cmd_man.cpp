// SPDX-License-Identifier: Apache-2.0
// transit man DIR: manual pages from the commands' own definitions, one for
// transit and one for each command.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>

#include "tools/transit/output.h"

namespace transit {
namespace {

// Text as roff takes it: no accidental requests, hyphens that can be copied.
std::string roff(const std::string& text) {
  std::string out;
  bool line_start = true;
  for (const char c : text) {
    if (line_start && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else
      out += c;
    line_start = c == '\n';
  }
  return out;
}

std::string upper(std::string s) {
  std::transform(s.begin(), s.end(), s.begin(), [](unsigned char c) { return std::toupper(c); });
  return s;
}

std::vector<const CLI::App*> children(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

// --timeout SECONDS, or VPC/NAME for an argument.
std::string shown(const CLI::Option& o) {
  if (!o.nonpositional()) return o.get_type_name().empty() ? o.get_name() : o.get_type_name();
  std::string out;
  for (const auto& s : o.get_snames()) out += (out.empty() ? "-" : ", -") + s;
  for (const auto& l : o.get_lnames()) out += (out.empty() ? "--" : ", --") + l;
  if (o.get_items_expected_max() > 0) out += " " + o.get_type_name();
  return out;
}

void write_options(const CLI::App& app, std::string& out) {
  for (const auto* o : app.get_options()) {
    if (o->get_name() == "--help") continue;  // as everywhere
    out += ".TP\n.B " + roff(shown(*o)) + "\n" + roff(o->get_description());
    if (!o->get_default_str().empty()) out += roff(" (default: " + o->get_default_str() + ")");
    if (!o->get_envname().empty()) out += roff("; environment: " + o->get_envname());
    out += "\n";
  }
}

// "transit endpoint add [OPTIONS] NAME": how it is called.
std::string synopsis(const CLI::App& app, const std::string& path) {
  std::string out = ".B " + roff(path) + "\n";
  std::string rest;
  for (const auto* o : app.get_options()) {
    if (o->get_name() == "--help") continue;
    if (o->get_required())
      rest += " " + shown(*o);
    else if (!o->nonpositional())
      rest += " [" + shown(*o) + "]";
  }
  if (!children(app).empty() && app.get_require_subcommand_min() > 0) rest += " COMMAND";
  return out + roff("[OPTIONS]" + rest) + "\n";
}

void write_command(const CLI::App& app, const std::string& path, std::string& out) {
  out += ".SS " + roff(path) + "\n" + roff(app.get_description()) + ".\n.PP\n" +
         synopsis(app, path);
  write_options(app, out);
  const CLI::App* above = app.get_parent();  // a page's own, and what children inherit, stand elsewhere
  if (above->get_parent() != nullptr && app.get_footer() != above->get_footer()) out += ".PP\n.nf\n" + roff(app.get_footer()) + "\n.fi\n";
  for (const auto* child : children(app)) write_command(*child, path + " " + child->get_name(), out);
}

std::string head(const std::string& page, const std::string& name, const std::string& text) {
  return fmt::format(".TH {} 1 \"\" \"Centaurus {}\" \"User Commands\"\n.SH NAME\n{} \\- {}\n",
                     upper(roff(page)), MZ_VERSION, roff(name), roff(text));
}

std::string footer_of(const CLI::App& app) {
  return app.get_footer().empty() ? "" : ".SH NOTES\n.nf\n" + roff(app.get_footer()) + "\n.fi\n";
}

std::string main_page(const CLI::App& app) {
  std::string out = head("transit", "transit", app.get_description());
  out += ".SH SYNOPSIS\n" + synopsis(app, app.get_name()) + ".SH COMMANDS\n";
  for (const auto* c : children(app))
    out += ".TP\n.BR " + roff("transit-" + c->get_name()) + " (1)\n" + roff(c->get_description()) +
           "\n";
  out += ".SH OPTIONS\nThey may also stand behind the command.\n";
  write_options(app, out);
  return out + footer_of(app);
}

std::string command_page(const CLI::App& cmd) {
  const std::string page = "transit-" + cmd.get_name(), path = "transit " + cmd.get_name();
  std::string out = head(page, page, cmd.get_description());
  out += ".SH SYNOPSIS\n" + synopsis(cmd, path) + ".SH DESCRIPTION\n";
  write_command(cmd, path, out);
  return out + footer_of(cmd) + ".SH SEE ALSO\n.BR transit (1)\n";
}

Result<> write_page(const std::string& directory, const std::string& name,
                    const std::string& text) {
  const std::string path = directory + "/" + name + ".1";
  std::ofstream file(path, std::ios::trunc);
  file << text;
  file.close();
  if (!file) return fail_errno(Code::internal, errno, path);
  return {};
}

Result<int> run_man(const CLI::App& app, const std::string& directory) {
  std::error_code ec;
  std::filesystem::create_directories(directory, ec);
  if (ec) return fail_errno(Code::internal, ec.value(), directory);
  MZ_CHECK(write_page(directory, "transit", main_page(app)));
  for (const auto* cmd : children(app))
    MZ_CHECK(write_page(directory, "transit-" + cmd->get_name(), command_page(*cmd)));
  return kExitOk;
}

}  // namespace

void add_man(CLI::App& app, Context& ctx) {
  auto* cmd = app.add_subcommand("man", "Write manual pages into a folder")
                  ->group("About transit");
  auto directory = std::make_shared<std::string>();
  cmd->add_option("directory", *directory, "Such as /usr/local/share/man/man1")
      ->type_name("DIR")
      ->required();
  cmd->callback([&ctx, &app, directory] {
    ctx.action = [&app, directory] { return run_man(app, *directory); };
  });
}

}  // namespace transit
