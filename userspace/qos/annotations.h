// SPDX-License-Identifier: Apache-2.0
// What an orchestrator says of a pod's class and rates: annotations, as the first Mizar and
// Kubernetes' bandwidth plugin read them. Others are nobody's business here.
#pragma once

#include <google/protobuf/map.h>

#include "userspace/base/result.h"
#include "userspace/qos/spec.h"

namespace mizar {

// `qos` with what it leaves unsaid taken from annotations: class and priority (level.h);
// rates, bits a second: mizar.com/egress-bandwidth, mizar.com/ingress-bandwidth, before
// kubernetes.io/egress-bandwidth, kubernetes.io/ingress-bandwidth. Error: invalid_argument,
// naming the annotation.
using AnnotationMap = google::protobuf::Map<std::string, std::string>;
Result<v1::Qos> with_annotations(v1::Qos qos, const AnnotationMap& annotations);

// Both, of a message with `qos` and `annotations`.
template <class M>
Result<QosSpec> parse_endpoint_qos(const M& m) {
  auto said = with_annotations(m.qos(), m.annotations());
  if (!said) return tl::unexpected(said.error());
  auto spec = parse_qos(*said, QosOf::endpoint);
  if (!spec) return wrap(spec.error(), "qos");
  return spec;
}

}  // namespace mizar
