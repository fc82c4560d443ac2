// SPDX-License-Identifier: Apache-2.0
#include "userspace/qos/annotations.h"

#include "userspace/qos/text.h"

namespace mizar {

namespace {

const std::string* find(const AnnotationMap& all, const std::string& key) {
  const auto at = all.find(key);
  return at == all.end() ? nullptr : &at->second;
}

Result<> take_level(const AnnotationMap& all, v1::Qos& to) {
  for (const char* key : {kClassAnnotation, kPriorityAnnotation}) {
    const std::string* value = find(all, key);
    if (value == nullptr) continue;
    const std::string name = annotated_name(*value);
    const bool of_class = key == kClassAnnotation;
    if (auto rc = of_class ? parse_level(name, "") : parse_level("", name); !rc) return wrap(rc.error(), fmt::format("annotations[{}]", key));
    of_class ? to.set_class_(name) : to.set_priority(name);
  }
  return {};
}

Result<> take_rate(const AnnotationMap& all, const char* direction, v1::QosShaper* (v1::Qos::*shaper)(), v1::Qos& to) {
  for (const char* prefix : {"mizar.com", "kubernetes.io"}) {
    const std::string key = fmt::format("{}/{}-bandwidth", prefix, direction);
    const std::string* value = find(all, key);
    if (value == nullptr) continue;
    const auto rate = parse_rate(*value);
    if (!rate) return wrap(rate.error(), fmt::format("annotations[{}]", key));
    if (*rate < kMinRate || *rate > kMaxRate)
      return fail(Code::invalid_argument, "annotations[{}]: {}: must be in {}..{} bits a second", key, *value, kMinRate, kMaxRate);
    (to.*shaper)()->mutable_whole()->set_rate(*rate);
    return {};
  }
  return {};
}

}  // namespace

Result<v1::Qos> with_annotations(v1::Qos qos, const AnnotationMap& annotations) {
  if (annotations.empty()) return qos;
  v1::Qos out;
  MZ_CHECK(take_level(annotations, out));
  MZ_CHECK(take_rate(annotations, "egress", &v1::Qos::mutable_egress, out));
  MZ_CHECK(take_rate(annotations, "ingress", &v1::Qos::mutable_ingress, out));
  if (!qos.class_().empty() || !qos.priority().empty()) {  // a level is said as one
    out.clear_class_();
    out.clear_priority();
  }
  out.MergeFrom(qos);  // over it
  return out;
}

}  // namespace mizar
