#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# check_consumer.sh METHOD SOURCE BUILD WORK CXX: builds the program in consumer/ as METHOD says, against what
# `make install` leaves in a new prefix, and compares what it prints.
set -eu

method=$1 source=$2 build=$3 work=$4 cxx=$5
consumer=$source/tests/install/consumer
prefix=$work/prefix
expected='16 6 12 10 (B, 36, 8, 8) refused'

rm -rf "$work"
mkdir -p "$work"

install_batchdot() {
  # From above the build folder, as `make install` does it.
  (cd "$build/.." && sh "$source/scripts/install.sh" install "$(basename "$build")" "$prefix") >"$work/install.log"
}

case $method in
  find_package)
    install_batchdot
    mv "$prefix" "$prefix.moved" # an installed tree may be moved
    cmake -S "$consumer" -B "$work/build" -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_PREFIX_PATH="$prefix.moved" \
      >"$work/cmake.log"
    cmake --build "$work/build"
    program=$work/build/consumer
    ;;
  pkg_config)
    install_batchdot
    libdir=$(dirname "$(find "$prefix" -name 'libbatchdot.*' | head -n 1)")
    PKG_CONFIG_PATH=$libdir/pkgconfig
    export PKG_CONFIG_PATH
    # shellcheck disable=SC2046  # flags are words
    "$cxx" -std=c++20 "$consumer/consumer.cc" -o "$work/consumer" $(pkg-config --cflags --libs batchdot) \
      -Wl,-rpath,"$libdir"
    program=$work/consumer
    ;;
  add_subdirectory)
    # Whether it builds and runs is asked here, not how fast: unoptimised the library takes a third of the time. All of
    # it once more is for nightly; by day one room and the consumer's file are compiled as their project has it.
    cmake -S "$consumer" -B "$work/build" -G Ninja -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_CXX_FLAGS=-O0 \
      -DBATCHDOT_SOURCE_DIR="$source" >"$work/cmake.log"
    if [ -z "${BATCHDOT_NIGHTLY:-}" ]; then
      cmake --build "$work/build" --target batchdot_core consumer_object
      echo "not linked and not run by day: BATCHDOT_NIGHTLY=1 does"
      exit 0
    fi
    cmake --build "$work/build" --target consumer
    program=$work/build/consumer
    ;;
  uninstall)
    mkdir -p "$prefix/bin"
    echo theirs >"$prefix/bin/theirs"
    install_batchdot
    "$prefix/bin/batchdot" --version
    for file in share/man/man1/batchdot.1 share/bash-completion/completions/batchdot \
      share/zsh/site-functions/_batchdot share/fish/vendor_completions.d/batchdot.fish; do
      [ -s "$prefix/$file" ] || { echo "not installed: $file"; exit 1; }
    done
    sh "$source/scripts/install.sh" uninstall "$build" "$prefix"
    left=$(cd "$prefix" && find . -mindepth 1 | sort | tr '\n' ' ')
    [ "$left" = './bin ./bin/theirs ' ] || { echo "left behind: $left"; exit 1; }
    exit 0
    ;;
  *)
    echo "check_consumer: no such method: $method" >&2
    exit 2
    ;;
esac

printed=$("$program")
[ "$printed" = "$expected" ] || { echo "expected: $expected"; echo "printed:  $printed"; exit 1; }
