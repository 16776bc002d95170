#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compiles the kernels for AArch64 and checks their results and bits under emulation: NEON without such a machine.
# Takes what it needs from Debian's arm64 packages into build/neon and leaves the system's own packages alone.
set -eu
cd "$(dirname "$0")/.."
sh scripts/install_packages.sh packaging/debian-neon-packages.txt

root=$PWD/build/neon
sysroot=$root/sysroot
if [ ! -d "$sysroot/usr" ]; then
  mkdir -p "$root/apt/lists/partial" "$root/apt/cache/archives/partial" "$sysroot"
  (
    cd "$root/apt"
    options="-o APT::Architectures::=$(dpkg --print-architecture) -o APT::Architectures::=arm64
      -o Dir::State::Lists=$PWD/lists -o Dir::Cache=$PWD/cache"
    # shellcheck disable=SC2086  # options are words
    apt-get -qq $options update
    # shellcheck disable=SC2086
    apt-get -qq $options download libhwy1:arm64 libhwy-dev:arm64 libgtest-dev:arm64 libgmock-dev:arm64 \
      librapidcheck-dev:arm64
    for package in *.deb; do dpkg-deb -x "$package" "$sysroot"; done
  )
fi

cmake -S . -B "$root" -G Ninja --toolchain cmake/aarch64_linux.cmake -DNEON_SYSROOT="$sysroot" \
  -DCMAKE_BUILD_TYPE=Release -DBATCHDOT_BUILD_BENCH=OFF -DBATCHDOT_BUILD_EXAMPLES=OFF -DBATCHDOT_INSTALL=OFF >/dev/null
cmake --build "$root"
ctest --test-dir "$root" --output-on-failure -L '^(kernel|bits|conformance)$' "$@"
