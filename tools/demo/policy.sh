# SPDX-License-Identifier: Apache-2.0
# make demo SCENARIO=policy: who may begin a flow with whom, by labels. Sourced by demo.sh.
demo_policy() { # what red's shop wants
	cat << 'P'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports: [{port: 8080}]
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: auditors}
spec:
  tier: Admin
  priority: 10
  subject: {namespaces: {matchLabels: {kubernetes.io/metadata.name: shop}}}
  ingress: [{name: read-all, action: Accept, from: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {role: auditor}}}}]}]
P
}
labelled() { # REVISION A's labels: b is the database, a and c ask
	demo_region "$1" | sed -e "/name: a, vpc: red/s/}\$/, namespace: shop, labels: $2}/" \
		-e "/name: b, vpc: red/s/}\$/, namespace: shop, labels: {app: db}}/" \
		-e "/name: c, vpc: red/s/}\$/, namespace: lab, labels: {app: web}}/"
	echo "policies: [{vpc: red, file: shop.yaml}]"
}
tell() { labelled "$@" | topo_apply b1 b2 d1 w1 w2 w3; }
demo_policy > "$TOPO_DIR/shop.yaml"
tell 2 "{app: web}"
start red-b "$TOPO_DIR/serve.log" "$TRAFFIC" name red/b 8080
wait_for 5 on red-b bash -c 'ss -ltn | grep -q ":8080 "'
asks() { # WHO
	local got
	got=$(on "$1" "$TRAFFIC" spread 10.0.1.6 8080 1)
	echo "   ${1/-//} asks red/b: ${got% 1}"
}
not_on_its_own() { sed '/^revision/d'; }

say "1. Kubernetes' own YAML, named by the region: web of shop may ask its db, auditors may all"
sed 's/^/   /' "$TOPO_DIR/shop.yaml"

say "2. By labels, not addresses: red/a is shop's web, red/c is lab's web"
asks red-a
asks red-c
show transit w2 policy explain red/b

say "3. Why not, of a packet: at the host that it comes to"
show transit w2 trace red/c 10.0.1.6 --proto tcp --dport 8080 | grep -E 'policy|verdict|POLICY'

say "4. ... and without one"
show "$BIN/transit" policy test --region "$TOPO_DIR/region.yaml" --vpc red --from c --to b --port tcp/8080 || true
show "$BIN/transit" policy test --region "$TOPO_DIR/region.yaml" --vpc red --from a --to b --port tcp/8080

say "5. Before a change: what would it open or close?"
sed 's/app: web/app: api/' "$TOPO_DIR/shop.yaml" > "$TOPO_DIR/next.yaml"
show "$BIN/transit" policy diff --region "$TOPO_DIR/region.yaml" --vpc red -f "$TOPO_DIR/next.yaml"

say "6. Labels change, at red/c's host alone: it is an auditor now"
talk_to red-a 10.0.1.6 8080
show transit w2 endpoint label red/c --namespace lab --label app=web --label role=auditor
asks red-c

say "7. ... which other hosts do not know yet; a plan tells them"
show transit w2 endpoint get red/c | grep problem || echo "   (its label set has a number already)"
labelled 3 "{app: web}" | sed '/name: c, vpc: red/s/labels: {/labels: {role: auditor, /' | topo_apply b1 b2 d1 w1 w2 w3
asks red-c
steady && echo "   a connection that was under way went on"

say "8. What was denied, as it happens"
start w2 "$TOPO_DIR/watched" "$BIN/transit" --socket "$(topo_socket w2)" policy watch --count 1
WATCHING=$STARTED
watched() { asks red-d > /dev/null; ! kill -0 "$WATCHING"; }
wait_for 10 watched
sed 's/^/   /' "$TOPO_DIR/watched"
show transit w2 policy hits
