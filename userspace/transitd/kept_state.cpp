// SPDX-License-Identifier: Apache-2.0
#include "userspace/transitd/kept_state.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

namespace mizar {

namespace {

constexpr int kBytes = 2;  // the wire's type of what has a length: messages

void put_message(int field, const std::string& bytes, google::protobuf::io::CodedOutputStream& to) {
  to.WriteTag(static_cast<std::uint32_t>(field << 3 | kBytes));
  to.WriteVarint32(static_cast<std::uint32_t>(bytes.size()));
  to.WriteString(bytes);
}

}  // namespace

KeptState::KeptState(v1::GoalState all) : rest_(std::move(all)), endpoints_(rest_.endpoints_size()) {
  v1::GoalState only;
  only.mutable_endpoints()->Swap(rest_.mutable_endpoints());
  bytes_ = only.SerializeAsString();
}

void KeptState::add_endpoints_to(v1::GoalState& other) const {
  // What is parsed twice is one after the other, as the wire has it.
  (void)other.MergeFromString(bytes_);
}

v1::GoalState KeptState::all() const {
  v1::GoalState out = rest_;
  add_endpoints_to(out);
  return out;
}

std::string KeptState::stored(const KeptState& applied, const KeptState& added) {
  std::string out;
  google::protobuf::io::StringOutputStream stream(&out);
  google::protobuf::io::CodedOutputStream to(&stream);
  put_message(v1::StoredGoal::kAppliedFieldNumber, applied.bytes(), to);
  put_message(v1::StoredGoal::kAddedFieldNumber, added.bytes(), to);
  to.Trim();
  return out;
}

}  // namespace mizar
