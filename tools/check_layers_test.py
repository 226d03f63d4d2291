#!/usr/bin/python3
"""Tests of tools/check_layers on small trees, right and deliberately wrong ones."""

import pathlib
import subprocess
import tempfile
import unittest

TOOL = pathlib.Path(__file__).resolve().parent / "check_layers"

RIGHT = {
    "headrace/base/CMakeLists.txt": "hr_room(NAME base PUBLIC headrace_deps::fmt)\n",
    "headrace/base/log.h": "#include <fmt/format.h>\n#include <string>\n",
    "headrace/core/CMakeLists.txt": "hr_room(NAME core DEPS base)\n",
    "headrace/core/model.h": '#include "headrace/base/log.h"\n',
    "headrace/serving/CMakeLists.txt": "hr_room(NAME serving DEPS core)\n",
    "headrace/serving/batch.cc": '#include "headrace/core/model.h"\n#include "headrace/base/log.h"\n',
    "headrace/serving/batch_test.cc": '#include <gtest/gtest.h>\n#include "tests/conformance/engine.h"\n',
    "headrace/backends/duckdb/CMakeLists.txt":
        "hr_room(NAME backends/duckdb DEPS core\n  PRIVATE headrace_deps::duckdb_headers)\n",
    "headrace/backends/duckdb/query.cc": "#include <duckdb.h>\n",
    "headrace/net/CMakeLists.txt": "hr_room(NAME net DEPS base PUBLIC headrace_deps::boost)\n",
    "headrace/net/server.h": "#include <boost/asio/io_context.hpp>\n#include <sys/socket.h>\n",
}


class CheckLayersTest(unittest.TestCase):
    def run_on(self, files):
        with tempfile.TemporaryDirectory() as root:
            for name, text in {**RIGHT, **files}.items():
                path = pathlib.Path(root, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return subprocess.run([TOOL, "--root", root], capture_output=True, text=True)

    def assert_fault(self, files, *parts):
        result = self.run_on(files)
        self.assertEqual(result.returncode, 1, result.stdout)
        for part in parts:
            self.assertIn(part, result.stdout)

    def test_right_tree_is_clean(self):
        result = self.run_on({})
        self.assertEqual(result.returncode, 0, result.stdout)

    def test_base_includes_nothing(self):
        self.assert_fault({"headrace/base/bad.cc": '\n#include "headrace/core/model.h"\n'},
                          "headrace/base/bad.cc:2: base must not include core", "allowed: nothing")

    def test_domain_rooms_do_not_include_each_other(self):
        self.assert_fault({"headrace/data/bad.cc": '#include "headrace/serving/batch.h"\n'},
                          "data must not include serving", "allowed: core, base")

    def test_backends_do_not_include_each_other_or_domain_rooms(self):
        self.assert_fault({"headrace/backends/duckdb/bad.cc":
                           '#include "headrace/backends/sqlite/db.h"\n#include "headrace/data/stats.h"\n'},
                          "bad.cc:1: backends/duckdb must not include backends/sqlite",
                          "bad.cc:2: backends/duckdb must not include data")

    def test_components_do_not_include_backends(self):
        self.assert_fault({"headrace/components/bad.cc": '#include "headrace/backends/duckdb/query.h"\n'},
                          "components must not include backends/duckdb")

    def test_tests_may_use_real_backends(self):
        lists = {"headrace/serving/CMakeLists.txt":
                 "hr_room(NAME serving\n  DEPS core\n  TEST_DEPS backends/duckdb)\n",
                 "headrace/backends/duckdb/query.h": ""}
        include = '#include "headrace/backends/duckdb/query.h"\n'
        result = self.run_on({**lists, "headrace/serving/more_test.cc": include})
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assert_fault({**lists, "headrace/serving/more.cc": include},
                          "serving must not include backends/duckdb")

    def test_protocols_do_not_include_each_other(self):
        self.assert_fault({"headrace/protocols/oip/bad.cc": '#include "headrace/protocols/tfserving/json.h"\n'},
                          "protocols/oip must not include protocols/tfserving")

    def test_library_outside_its_room(self):
        self.assert_fault({"headrace/data/bad.cc": "#include <duckdb.h>\n"},
                          "data must not include DuckDB (duckdb.h); allowed in: backends/duckdb")

    def test_library_linked_outside_its_room(self):
        self.assert_fault({"headrace/data/CMakeLists.txt":
                           "hr_room(NAME data\n  DEPS core\n  PRIVATE headrace_deps::soci)\n"},
                          "headrace/data/CMakeLists.txt:3: data must not link SOCI")

    def test_test_library_outside_tests(self):
        self.assert_fault({"headrace/core/bad.h": "#include <gtest/gtest.h>\n"}, "allowed in: tests only")

    def test_unknown_library(self):
        self.assert_fault({"headrace/core/bad.h": "#include <folly/Range.h>\n"}, "<folly/Range.h> is of a library")

    def test_relative_include(self):
        self.assert_fault({"headrace/core/bad.h": '#include "model.h"\n'}, "from the repository root")

    def test_include_that_cmake_does_not_know(self):
        self.assert_fault({"headrace/core/CMakeLists.txt": "hr_room(NAME core)\n"},
                          "headrace/core/model.h:1: includes headrace/base/log.h, but base is not among DEPS")

    def test_dependency_that_is_not_allowed(self):
        self.assert_fault({"headrace/serving/CMakeLists.txt": "hr_room(NAME serving\n  DEPS core data)\n"},
                          "headrace/serving/CMakeLists.txt:2: serving must not depend on data")

    def test_name_that_is_not_the_folder(self):
        self.assert_fault({"headrace/net/CMakeLists.txt": "hr_room(NAME nett DEPS base)\n"}, "it must be the folder, net")

    def test_unknown_room(self):
        self.assert_fault({"headrace/utils/string.h": ""}, "utils is not a room of the architecture")

    def test_long_file(self):
        self.assert_fault({"headrace/core/bad.h": "\n" * 501}, "has 501 lines; at most 500")


if __name__ == "__main__":
    unittest.main()
