#!/bin/sh
# Negates the rules of src/domain one by one, and asks whether a test notices (cargo-mutants).
#
# In a tree that holds api and domain alone, with the tests that need nothing else: the whole crate costs minutes for
# each mutant. Arguments go to cargo-mutants, so that a part can be asked for: -f 'src/domain/gate*', --shard 0/4.
set -eu
cd "$(dirname "$0")/../.."
root=$PWD
tools=${PERMIT_OPERATOR_TOOLS:-$HOME/.cache/permit-operator/tools}
PATH="$tools/bin:$PATH"
command -v cargo-mutants >/dev/null || cargo install cargo-mutants --locked --root "$tools"

tree=$root/target/mutants/tree
rm -rf "$tree"
mkdir -p "$tree/src" "$tree/tests" "$tree/.cargo"
cp -r src/api src/domain "$tree/src/"
cp -r tests/support "$tree/tests/"
cp .cargo/mutants.toml "$tree/.cargo/"
cp Cargo.lock "$tree/"
printf '//! The two pure layers.\npub mod api;\npub mod domain;\n' >"$tree/src/lib.rs"
for test in decide freezes gate kinds lifecycle properties status stories; do
    cp "tests/$test.rs" "$tree/tests/"
done
{
    printf '[workspace]\n[package]\nname = "permit-operator"\nversion = "0.1.0"\nedition = "2024"\n[dependencies]\n'
    grep -E '^(kube|k8s-openapi|schemars|serde|serde_json|serde-saphyr|sha2|hmac|hex|serde_json_canonicalizer|promql-parser|jiff|croner|thiserror) = ' Cargo.toml |
        sed 's/^\(kube = .*features = \)\[[^]]*\]/\1["derive"]/'
    printf '[dev-dependencies]\n'
    grep -E '^proptest = ' Cargo.toml
    printf '[profile.dev]\ndebug = false\n'
} >"$tree/Cargo.toml"

export CARGO_TARGET_DIR="$root/target/mutants/build"
cd "$tree"
[ $# -gt 0 ] || set -- -f 'src/domain/**'
# Properties are asked of fewer worlds than in `make test`: each is asked once for each mutant.
export PROPTEST_CASES="${PROPTEST_CASES:-24}"
exec cargo mutants --in-place --output "$root/target/mutants" "$@"
