#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# fuzz.sh [SECONDS]: lets libFuzzer search for inputs that break a reader, for so long each, starting from the inputs
# in tests/fuzz/corpus. What it finds is left in build/fuzz/found.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-600}

cmake --preset asan -B build/fuzz -DBATCHDOT_FUZZ=ON -DBATCHDOT_SANITIZE=address,undefined,fuzzer-no-link \
  -DBATCHDOT_BUILD_TOOLS=OFF -DBATCHDOT_BUILD_EXAMPLES=OFF -DBATCHDOT_INSTALL=OFF >/dev/null
for driver in tests/fuzz/*_fuzz.cc; do
  name=$(basename "$driver" .cc)
  cmake --build build/fuzz --target "$name" -- --quiet
  mkdir -p "build/fuzz/corpus/$name" build/fuzz/found
  "$(find build/fuzz -type f -name "$name" -perm -u+x | head -n 1)" -max_total_time="$seconds" -timeout=10 \
    -print_final_stats=1 -artifact_prefix=build/fuzz/found/ \
    "build/fuzz/corpus/$name" "tests/fuzz/corpus/${name%_fuzz}"
done
