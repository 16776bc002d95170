#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds libbatchdot0, libbatchdot-dev and batchdot for this Debian, in build/deb, laid out for /usr.
set -eu
cd "$(dirname "$0")/.."

cmake --preset release -B build/deb -DCMAKE_INSTALL_PREFIX=/usr --log-level=WARNING \
  -DBATCHDOT_BUILD_TESTS=OFF -DBATCHDOT_BUILD_EXAMPLES=OFF -DBATCHDOT_BUILD_BENCH=OFF >/dev/null
cmake --build build/deb
rm -f build/deb/*.deb
(cd build/deb && cpack -G DEB)
ls -l build/deb/*.deb
