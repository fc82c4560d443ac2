// SPDX-License-Identifier: Apache-2.0
// One of the data plane's own objects (bpf/NAME.bpf.c), configured and loaded: one
// program, and the tables it shares with the others by their pins.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "userspace/dataplane/dataplane.h"

struct bpf_map;
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

class ProgramObject {
 public:
  // Errors: not_found (no such file), failed_precondition (of another version, or the
  // kernel refuses it: says what to do).
  static Result<ProgramObject> load(const ProgramImage& image, const ProgramOptions& options);

  [[nodiscard]] int fd() const;
  [[nodiscard]] bpf_map* map(const char* name) const;
  // At `path`, in the place of what is there.
  Result<> pin(const std::string& path) const;

 private:
  struct Close {
    void operator()(bpf_object* o) const;
  };
  std::unique_ptr<bpf_object, Close> object_;
  const char* program_ = nullptr;
};

}  // namespace mizar
