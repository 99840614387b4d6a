# SPDX-License-Identifier: BSL-1.0
# Installs the headers, the licence and a package that find_package(holdfast) finds.
include(CMakePackageConfigHelpers)

set(holdfast_package_dir share/cmake/holdfast)
install(TARGETS holdfast EXPORT holdfast-targets FILE_SET HEADERS DESTINATION include)
install(EXPORT holdfast-targets NAMESPACE holdfast:: DESTINATION ${holdfast_package_dir})

configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/cmake/holdfast-config.cmake.in"
  "${PROJECT_BINARY_DIR}/holdfast-config.cmake" INSTALL_DESTINATION ${holdfast_package_dir})
# Before 1.0 a minor version may change the interface. No architecture: there is nothing compiled.
write_basic_package_version_file(
  "${PROJECT_BINARY_DIR}/holdfast-config-version.cmake" COMPATIBILITY SameMinorVersion
  ARCH_INDEPENDENT)
install(FILES "${PROJECT_BINARY_DIR}/holdfast-config.cmake"
              "${PROJECT_BINARY_DIR}/holdfast-config-version.cmake"
        DESTINATION ${holdfast_package_dir})
install(FILES "${PROJECT_SOURCE_DIR}/cmake/clients.cmake" DESTINATION ${holdfast_package_dir}
        RENAME holdfast-clients.cmake)
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION share/licenses/holdfast)

# Relocatable: the prefix is found from where the file lies. Boost's headers have no .pc of their own.
configure_file("${PROJECT_SOURCE_DIR}/cmake/holdfast.pc.in" "${PROJECT_BINARY_DIR}/holdfast.pc"
               @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/holdfast.pc" DESTINATION share/pkgconfig)
