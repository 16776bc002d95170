# SPDX-License-Identifier: Apache-2.0
# A toolchain for AArch64 on another machine: Debian's cross compiler, run under emulation. NEON_SYSROOT holds the
# arm64 packages that the build finds; scripts/test_neon.sh unpacks them.

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES NEON_SYSROOT)
set(CMAKE_PREFIX_PATH "${NEON_SYSROOT}/usr" /usr)
set(CMAKE_CROSSCOMPILING_EMULATOR
  qemu-aarch64 -L /usr/aarch64-linux-gnu -E "LD_LIBRARY_PATH=${NEON_SYSROOT}/usr/lib/aarch64-linux-gnu")
