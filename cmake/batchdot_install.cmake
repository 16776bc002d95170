# SPDX-License-Identifier: Apache-2.0
# What `make install` puts where, each file with the Debian package that carries it as its component.

include(CMakePackageConfigHelpers)
set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/batchdot")

install(TARGETS batchdot EXPORT batchdotTargets
  LIBRARY COMPONENT libbatchdot0 NAMELINK_COMPONENT libbatchdot-dev
  ARCHIVE COMPONENT libbatchdot-dev)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/batchdot" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  COMPONENT libbatchdot-dev FILES_MATCHING PATTERN "*.h")

# find_package(batchdot)
install(EXPORT batchdotTargets NAMESPACE batchdot:: DESTINATION "${package_dir}"
  COMPONENT libbatchdot-dev)
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/batchdotConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/cmake/batchdotConfig.cmake" INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/cmake/batchdotConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/cmake/batchdotConfig.cmake"
  "${PROJECT_BINARY_DIR}/cmake/batchdotConfigVersion.cmake"
  DESTINATION "${package_dir}" COMPONENT libbatchdot-dev)

install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")

# pkg-config. The prefix is told from where the file lies, so that a moved tree still works.
file(RELATIVE_PATH prefix_from_pc "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" prefix_from_pc "${prefix_from_pc}")
set(pc_static "")
if(NOT BUILD_SHARED_LIBS)
  set(pc_static "Requires: libhwy\nLibs.private: -pthread\n")
endif()
configure_file("${PROJECT_SOURCE_DIR}/cmake/batchdot.pc.in" "${PROJECT_BINARY_DIR}/cmake/batchdot.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/cmake/batchdot.pc"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig" COMPONENT libbatchdot-dev)

# The tool finds the library beside it wherever the tree lies; in /usr the system's loader does.
if(TARGET batchdot_tool)
  if(NOT CMAKE_INSTALL_PREFIX STREQUAL "/usr")
    file(RELATIVE_PATH lib_from_bin "/${CMAKE_INSTALL_BINDIR}" "/${CMAKE_INSTALL_LIBDIR}")
    set_target_properties(batchdot_tool PROPERTIES INSTALL_RPATH "$ORIGIN/${lib_from_bin}")
  endif()
  install(TARGETS batchdot_tool RUNTIME COMPONENT batchdot)

  set(zsh_dir "${CMAKE_INSTALL_DATADIR}/zsh/site-functions")
  if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
    set(zsh_dir "${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions")
  endif()

  # The tool writes its own manual page and completions, from the records that its help is printed from.
  if(NOT CMAKE_CROSSCOMPILING)
    set(generated "${PROJECT_BINARY_DIR}/generated")
    add_custom_command(
      OUTPUT "${generated}/batchdot.1" "${generated}/batchdot.bash" "${generated}/_batchdot"
        "${generated}/batchdot.fish"
      COMMAND "${CMAKE_COMMAND}" -E make_directory "${generated}"
      COMMAND batchdot_tool help --man > "${generated}/batchdot.1"
      COMMAND batchdot_tool completions bash > "${generated}/batchdot.bash"
      COMMAND batchdot_tool completions zsh > "${generated}/_batchdot"
      COMMAND batchdot_tool completions fish > "${generated}/batchdot.fish"
      DEPENDS batchdot_tool
      COMMENT "Writing the manual page and the completions"
      VERBATIM)
    add_custom_target(batchdot_manual ALL DEPENDS "${generated}/batchdot.1")
    add_dependencies(batchdot_product batchdot_manual)
    install(FILES "${generated}/batchdot.1" DESTINATION "${CMAKE_INSTALL_MANDIR}/man1" COMPONENT batchdot)
    install(FILES "${generated}/batchdot.bash" RENAME batchdot
      DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions" COMPONENT batchdot)
    install(FILES "${generated}/_batchdot" DESTINATION "${zsh_dir}" COMPONENT batchdot)
    install(FILES "${generated}/batchdot.fish"
      DESTINATION "${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d" COMPONENT batchdot)
  endif()
endif()
