# The repository and the digest of its archive are filled in when a version is published.
vcpkg_from_github(
    OUT_SOURCE_PATH SOURCE_PATH
    REPO "${HOLDFAST_REPOSITORY}"
    REF "v${VERSION}"
    SHA512 "${HOLDFAST_SHA512}"
    HEAD_REF main
)

set(VCPKG_BUILD_TYPE release) # header-only port

vcpkg_check_features(
    OUT_FEATURE_OPTIONS FEATURE_OPTIONS
    FEATURES
        rocksdb CMAKE_REQUIRE_FIND_PACKAGE_RocksDB
        sqlite CMAKE_REQUIRE_FIND_PACKAGE_SQLite3
    INVERTED_FEATURES
        rocksdb CMAKE_DISABLE_FIND_PACKAGE_RocksDB
        sqlite CMAKE_DISABLE_FIND_PACKAGE_SQLite3
)

vcpkg_cmake_configure(
    SOURCE_PATH "${SOURCE_PATH}"
    OPTIONS
        ${FEATURE_OPTIONS}
        -DHOLDFAST_BUILD_TESTS=OFF
        -DHOLDFAST_BUILD_EXAMPLES=OFF
        -DHOLDFAST_BUILD_BENCHMARKS=OFF
        -DHOLDFAST_INSTALL=ON
)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH share/cmake/holdfast)
vcpkg_fixup_pkgconfig()

file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/share/licenses")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
