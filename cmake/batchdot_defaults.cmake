# SPDX-License-Identifier: Apache-2.0
# What holds for every target of ours and for nobody else's: the settings below belong to this folder's scope.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

if(PROJECT_IS_TOP_LEVEL)
  if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, RelWithDebInfo" FORCE)
  endif()
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
endif()

# Every fused multiply-add is written as one, so the order of rounding is ours and not the compiler's
# (docs/numerics.md). No -march: Highway chooses the instruction set when the program runs.
add_compile_options(-ffp-contract=off)

if(PROJECT_IS_TOP_LEVEL)
  # A field that a designated initializer leaves out has the value that its struct says: meant, not forgotten.
  add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
    -Wno-missing-field-initializers)
  # GCC 12 takes the growth of a std::string for a copy of 2^63 bytes (its bug 105651).
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    add_compile_options(-Wno-restrict)
  endif()
endif()

if(BATCHDOT_SANITIZE)
  add_compile_options(-fsanitize=${BATCHDOT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${BATCHDOT_SANITIZE})
  add_compile_definitions(BATCHDOT_SANITIZED)
  if(BATCHDOT_SANITIZE MATCHES "address.*undefined")
    add_compile_options(-fno-sanitize=null,object-size)  # AddressSanitizer sees the same addresses
  endif()
endif()
