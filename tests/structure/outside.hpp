// SPDX-License-Identifier: BSL-1.0
// What most headers include from outside, so that one compiler reads it once for all of them. That
// none of them forgets what it needs is seen by the other compiler and by check_tree.py.
#include <algorithm>
#include <array>
#include <atomic>
#include <boost/outcome/basic_result.hpp>
#include <concepts>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>
