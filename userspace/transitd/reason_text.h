// SPDX-License-Identifier: Apache-2.0
// Names and words of bpf/abi/reasons.h.
#pragma once

#include <array>
#include <cstdint>

#include "bpf/abi/reasons.h"

namespace mizar {

struct ReasonText {
  const char* name;
  const char* kind;  // SEND, DELIVER, ANSWER, PASS, DROP
  const char* text;
  const char* advice;
};

inline const ReasonText& reason_text(std::uint32_t why) {
  static constexpr std::array<ReasonText, MZ_REASON_COUNT + 1> table = {{
      {"NONE", "PASS", "no decision was taken", "a defect: report it with the packet"},
#define X(name, kind, text, advice) {#name, #kind, text, advice},
      MZ_REASONS(X)
#undef X
          {"?", "PASS", "unknown reason", "the programs are newer than this binary"},
  }};
  constexpr std::uint32_t unknown = MZ_REASON_COUNT;
  return table[why < unknown ? why : unknown];
}

inline const char* stage_text(std::uint32_t stage) {
  static constexpr std::array<const char*, MZ_STAGE_COUNT> table = {
#define X(name, text) text,
      MZ_STAGES(X)
#undef X
  };
  return stage < MZ_STAGE_COUNT ? table[stage] : "?";
}

}  // namespace mizar
