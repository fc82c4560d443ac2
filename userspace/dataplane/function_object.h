// SPDX-License-Identifier: Apache-2.0
// An operator's object file with a function in it (bpf/abi/function.h): looked at,
// its constants set, loaded. What is wrong with it is said by name.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "userspace/dataplane/dataplane.h"

struct bpf_object;
struct bpf_program;

namespace mizar {

class FunctionObject {
 public:
  // A table of the data plane's by its name; -1: none of that name.
  using TableFd = std::function<int(const char*)>;

  // Errors: invalid_argument, as Dataplane::put_function says.
  static Result<FunctionObject> load(const FunctionImage& image, FunctionKind kind, const TableFd& tables);

  [[nodiscard]] int program_fd() const;
  // The function's own maps, by their names in `directory`, in the place of others.
  Result<> pin_maps(const std::string& directory) const;

 private:
  struct Close {
    void operator()(bpf_object* o) const;
  };
  std::unique_ptr<bpf_object, Close> object_;
  bpf_program* program_ = nullptr;
  std::string name_;
};

}  // namespace mizar
