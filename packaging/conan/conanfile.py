# SPDX-License-Identifier: BSL-1.0
"""The Conan 2 recipe, for use from a checkout: conan create packaging/conan -o "boost/*:header_only=True"."""
import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.files import copy, load
from conan.tools.layout import basic_layout

required_conan_version = ">=2.0"


class HoldfastConan(ConanFile):
    name = "holdfast"
    description = "State that must survive: staged switches, locks, snapshots and recovery"
    license = "BSL-1.0"
    topics = ("header-only", "atomic-switch", "crash-recovery", "fencing", "snapshot")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    no_copy_source = True

    @property
    def _root(self):
        return os.path.join(self.recipe_folder, os.pardir, os.pardir)

    def set_version(self):
        text = load(self, os.path.join(self._root, "include", "holdfast", "version.hpp"))
        self.version = ".".join(
            re.search(rf"HOLDFAST_VERSION_{part} (\d+)", text).group(1)
            for part in ("MAJOR", "MINOR", "PATCH"))

    def layout(self):
        basic_layout(self, src_folder="src")

    def requirements(self):
        self.requires("boost/1.86.0")

    def package_id(self):
        self.info.clear()

    def validate(self):
        check_min_cppstd(self, 20)

    def export_sources(self):
        copy(self, "LICENSE", self._root, self.export_sources_folder)
        copy(self, "*.hpp", os.path.join(self._root, "include"),
             os.path.join(self.export_sources_folder, "include"))

    def package(self):
        copy(self, "LICENSE", self.export_sources_folder,
             os.path.join(self.package_folder, "licenses"))
        copy(self, "*.hpp", os.path.join(self.export_sources_folder, "include"),
             os.path.join(self.package_folder, "include"))

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "holdfast")
        self.cpp_info.set_property("cmake_target_name", "holdfast::holdfast")
        self.cpp_info.set_property("pkg_config_name", "holdfast")
        self.cpp_info.requires = ["boost::headers"]
        self.cpp_info.bindirs = []
        self.cpp_info.libdirs = []
