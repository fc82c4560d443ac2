# Makes docs/reference/reasons.md from bpf/abi/reasons.h.
BEGIN {
	print "# Reasons\n\nMade from `bpf/abi/reasons.h` by `make docs`. Every packet ends under exactly one.\n"
	print "| reason | verdict | meaning | what to do |\n|---|---|---|---|"
}
/^\tX\(/ && /, "/ {
	line = $0
	sub(/^\tX\(/, "", line)
	sub(/\) *\\?$/, "", line)
	n = index(line, ","); name = substr(line, 1, n - 1); line = substr(line, n + 2)
	n = index(line, ","); kind = substr(line, 1, n - 1); line = substr(line, n + 2)
	if (kind !~ /^[A-Z]+$/) next
	split(line, part, "\"")
	printf "| `%s` | %s | %s | %s |\n", name, kind, part[2], part[4]
}
