# The bill of materials (CycloneDX 1.5) of the output of
#   cargo metadata --format-version 1 --locked --filter-platform TARGET | jq --rawfile lock Cargo.lock -f .ci/sbom.jq
def sums:
  [$lock | match("name = \"([^\"]+)\"\nversion = \"([^\"]+)\"\nsource = [^\n]*\nchecksum = \"([0-9a-f]+)\""; "g")
   | {key: "\(.captures[0].string)@\(.captures[1].string)", value: .captures[2].string}] | from_entries;
def reference: "pkg:cargo/\(.name)@\(.version)";
def component(kind; sums):
  {type: kind, "bom-ref": reference, name, version, purl: reference, licenses: [{expression: .license}]}
  + (sums["\(.name)@\(.version)"] as $sum | if $sum then {hashes: [{alg: "SHA-256", content: $sum}]} else {} end);
sums as $sums
| (.packages | map({key: .id, value: reference}) | from_entries) as $references
| .resolve.root as $root
| {bomFormat: "CycloneDX", specVersion: "1.5", version: 1,
   metadata: {component: (.packages[] | select(.id == $root) | component("application"; $sums))},
   components: [.packages[] | select(.id != $root) | component("library"; $sums)],
   dependencies: [.resolve.nodes[] | {ref: $references[.id], dependsOn: [.dependencies[] | $references[.]]}]}
