// SPDX-License-Identifier: Apache-2.0
// One of the data plane's own objects (bpf/NAME.bpf.c), configured and loaded: one
// program, and the tables it shares with the others by their pins.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "userspace/base/unique_fd.h"
#include "userspace/dataplane/dataplane.h"

struct bpf_object;

namespace mizar {

struct ProgramImage {
  const char* name;     // of the object file, and of the program's pin
  const char* program;  // in it
  const void* (*bytes)(size_t* size);  // the object file built in
};

struct ProgramOptions {
  mz_cfg cfg{};
  TableSizes sizes;
  std::string maps;       // the tables' pins
  std::string directory;  // object files to load instead of those built in; empty: these
};

// A table as it is kept: what libbpf knows of it beside that is not needed.
struct LoadedTable {
  UniqueFd fd;
  std::uint32_t rows = 0;  // at most
};
using LoadedTables = std::map<std::string, LoadedTable, std::less<>>;

// For as long as loading takes: libbpf keeps instructions, relocations and types of an object
// until it is closed, half a megabyte each, and descriptors of all its tables.
class ProgramObject {
 public:
  // Errors: not_found (no such file), failed_precondition (of another version, pinned tables
  // have other sizes, or the kernel refuses it: says what to do).
  static Result<ProgramObject> load(const ProgramImage& image, const ProgramOptions& options);

  // Outlive the object.
  [[nodiscard]] Result<UniqueFd> program() const;
  [[nodiscard]] Result<LoadedTables> tables() const;

 private:
  struct Close {
    void operator()(bpf_object* o) const;
  };
  std::unique_ptr<bpf_object, Close> object_;
  const char* program_ = nullptr;
};

}  // namespace mizar
