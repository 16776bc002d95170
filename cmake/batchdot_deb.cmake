# SPDX-License-Identifier: Apache-2.0
# Three Debian packages, one for each component of the install rules: `make deb`.

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME batchdot)
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
set(CPACK_PACKAGE_CONTACT "batchdot maintainers <maintainers@batchdot.invalid>")
set(CPACK_COMPONENTS_ALL libbatchdot0 libbatchdot-dev batchdot)
set(CPACK_STRIP_FILES ON)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS "${PROJECT_BINARY_DIR}")
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)

set(CPACK_DEBIAN_LIBBATCHDOT0_PACKAGE_NAME libbatchdot0)
set(CPACK_DEBIAN_LIBBATCHDOT0_PACKAGE_SECTION libs)
set(CPACK_COMPONENT_LIBBATCHDOT0_DESCRIPTION
  "The shared library that programs using batchdot need.")

set(CPACK_DEBIAN_LIBBATCHDOT-DEV_PACKAGE_NAME libbatchdot-dev)
set(CPACK_DEBIAN_LIBBATCHDOT-DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_LIBBATCHDOT-DEV_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_LIBBATCHDOT-DEV_PACKAGE_DEPENDS "libbatchdot0 (= ${PROJECT_VERSION})")
set(CPACK_COMPONENT_LIBBATCHDOT-DEV_DESCRIPTION
  "Headers, CMake package and pkg-config file for programs that use batchdot.")

set(CPACK_DEBIAN_BATCHDOT_PACKAGE_NAME batchdot)
set(CPACK_DEBIAN_BATCHDOT_PACKAGE_SECTION math)
set(CPACK_DEBIAN_BATCHDOT_PACKAGE_DEPENDS "libbatchdot0 (= ${PROJECT_VERSION})")
set(CPACK_COMPONENT_BATCHDOT_DESCRIPTION
  "Shapes, explanations and results of batch_dot, einsum, matmul and others, on .npy files.")

# Debian wants the licence of each package under its own name. Only a package is installed by component.
foreach(package IN LISTS CPACK_COMPONENTS_ALL)
  install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" RENAME copyright
    DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/${package}" COMPONENT ${package} EXCLUDE_FROM_ALL)
endforeach()

include(CPack)
