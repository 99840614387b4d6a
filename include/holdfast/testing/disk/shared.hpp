// SPDX-License-Identifier: BSL-1.0
// Shares a value between the images of a disk until one of them changes it.
#ifndef HOLDFAST_TESTING_DISK_SHARED_HPP
#define HOLDFAST_TESTING_DISK_SHARED_HPP

#include <cstdint>
#include <utility>

#include "holdfast/config.hpp"

HOLDFAST_BEGIN

namespace testing::disk {
/// A value that copies share and `edit` separates. The count is plain: all images of one
/// exploration belong to one thread, and images are copied by the million.
template <class T>
class Shared {
 public:
  Shared() = default;
  explicit Shared(T value) : node_{new Node{std::move(value), 1}} {}
  Shared(Shared const& other) noexcept : node_{other.node_} {
    if (node_ != nullptr) ++node_->owners;
  }
  Shared(Shared&& other) noexcept : node_{std::exchange(other.node_, nullptr)} {}
  Shared& operator=(Shared other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }
  ~Shared() {
    if (node_ != nullptr && --node_->owners == 0) delete node_;
  }

  explicit operator bool() const noexcept { return node_ != nullptr; }
  T const& operator*() const noexcept { return node_->value; }
  T const* operator->() const noexcept { return &node_->value; }
  [[nodiscard]] T& edit() {
    if (node_->owners > 1) *this = Shared{T{node_->value}};
    return node_->value;
  }

 private:
  struct Node {
    T value;
    std::uint32_t owners;
  };
  Node* node_ = nullptr;
};
}  // namespace testing::disk

HOLDFAST_END

#endif
