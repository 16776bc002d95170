# SPDX-License-Identifier: Apache-2.0
# One function for a room of the library, one for a folder of tests. Both take what lies in the folder: adding a
# notation or a test touches no build file.

# batchdot_sources(<variable> <tests variable>): the .cc files of this folder, `*_test.cc` apart.
function(batchdot_sources sources_variable tests_variable)
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cc")
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  set(${sources_variable} ${sources} PARENT_SCOPE)
  set(${tests_variable} ${tests} PARENT_SCOPE)
endfunction()

# batchdot_share_headers(<name> LEVEL <option> HEADERS <header>... [LINK <target>...]): headers that most files of a
# target include, a third of what they take to compile, are compiled once for all targets with the same headers, level of
# optimisation and definitions, which the linked targets bring. GCC goes without them and so notices a file that does not include
# what it uses; so does whoever embeds the library.
function(batchdot_share_headers name)
  if(NOT PROJECT_IS_TOP_LEVEL OR NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "LEVEL" "HEADERS;LINK")
  set(key ${arg_LEVEL} ${arg_HEADERS})
  foreach(target IN LISTS arg_LINK)
    if(TARGET ${target})
      get_target_property(definitions ${target} INTERFACE_COMPILE_DEFINITIONS)
      if(definitions)
        list(APPEND key ${definitions})
      endif()
    endif()
  endforeach()
  get_property(first GLOBAL PROPERTY "BATCHDOT_SHARED_HEADERS${key}")
  if(first)
    target_precompile_headers(${name} REUSE_FROM ${first})
  else()
    target_precompile_headers(${name} PRIVATE ${arg_HEADERS})
    set_property(GLOBAL PROPERTY "BATCHDOT_SHARED_HEADERS${key}" ${name})
  endif()
  target_compile_options(${name} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")  # for a compiler cache
endfunction()

# batchdot_test(<name> SOURCES <file>... [LINK <target>...] [LABELS <label>...] [COMPUTES]): a GoogleTest program; each
# of its tests is one of ctest's. It links the rooms' objects and so reaches what the shared library hides. It runs in
# the root of the repository. The rooms are optimised as always; the test's own code is not, which compiles in a
# fifth of the time, and a little if it COMPUTES much by itself.
function(batchdot_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "COMPUTES" "" "SOURCES;LINK;LABELS")
  add_executable(${name} ${arg_SOURCES})
  if(arg_COMPUTES)
    set(level -O1)
  else()
    set(level -O0)
  endif()
  target_compile_options(${name} PRIVATE ${level})
  batchdot_share_headers(${name} LEVEL ${level} LINK ${arg_LINK}
    HEADERS <gmock/gmock.h> <gtest/gtest.h> <batchdot/batchdot.h>)
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}")
  target_compile_definitions(${name} PRIVATE BATCHDOT_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE batchdot_internal GTest::gmock GTest::gtest_main ${arg_LINK})
  include(GoogleTest)
  list(JOIN arg_LABELS [==[\\\\\\\;]==] labels)  # it is taken apart three times on its way to ctest
  gtest_discover_tests(${name}
    DISCOVERY_MODE PRE_TEST NO_PRETTY_VALUES
    DISCOVERY_TIMEOUT 60
    WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
    PROPERTIES LABELS "${labels}" TIMEOUT 600)
endfunction()

# batchdot_room(<room> [LINK <target>...] [TEST_LINK <target>...] [COMPUTES] [TEST_COMPUTES]): src/<room> as an object
# library batchdot_<room>, its `*_test.cc` as the program <room>_test. LINK is private to the library. Where a sanitizer
# watches, only a room that COMPUTES is optimised: the others compile in half the time.
function(batchdot_room room)
  cmake_parse_arguments(PARSE_ARGV 1 arg "COMPUTES;TEST_COMPUTES" "" "LINK;TEST_LINK")
  batchdot_sources(sources tests)
  add_library(batchdot_${room} OBJECT ${sources})
  target_compile_features(batchdot_${room} PUBLIC cxx_std_20)
  target_include_directories(batchdot_${room} PRIVATE
    "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}")
  target_link_libraries(batchdot_${room} PRIVATE ${arg_LINK})
  set(level "")
  if(BATCHDOT_SANITIZE AND NOT arg_COMPUTES)
    set(level -O0)
    target_compile_options(batchdot_${room} PRIVATE ${level})
  endif()
  if(NOT arg_LINK)  # else nobody shares its definitions
    batchdot_share_headers(batchdot_${room} LEVEL "${level}"
      HEADERS <batchdot/batchdot.h> <algorithm> <map> <numeric> <string_view> <variant>)
  endif()
  set_property(GLOBAL APPEND PROPERTY BATCHDOT_ROOMS batchdot_${room})
  set_property(GLOBAL APPEND PROPERTY BATCHDOT_LINK ${arg_LINK})
  if(BATCHDOT_BUILD_TESTS AND tests)
    if(arg_TEST_COMPUTES)
      set(computes COMPUTES)
    endif()
    batchdot_test(${room}_test SOURCES ${tests} LINK ${arg_LINK} ${arg_TEST_LINK} LABELS unit ${room} ${computes})
  endif()
endfunction()
