// Memory of one request: handed out in pieces, given back as a whole.
#pragma once
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace headrace {

// Pieces live until Reset or the arena's end; nothing is constructed or destroyed in them. Not thread-safe; not
// movable, since its first pieces lie inside it.
class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Never null, uninitialised; `alignment` is a power of two up to 64.
  char* Allocate(size_t bytes, size_t alignment = 16) {
    char* start = Align(next_, alignment);
    if (start > end_ || static_cast<size_t>(end_ - start) < bytes) return AllocateBlock(bytes, alignment);
    next_ = start + bytes;
    return start;
  }
  template <class T>
  std::span<T> AllocateArray(size_t count) {
    static_assert(std::is_trivially_destructible_v<T> && std::is_trivially_copyable_v<T>);
    return {reinterpret_cast<T*>(Allocate(count * sizeof(T), alignof(T) > 16 ? alignof(T) : 16)), count};
  }
  std::string_view Copy(std::string_view text) {
    if (text.empty()) return {};
    char* copy = Allocate(text.size(), 1);
    std::memcpy(copy, text.data(), text.size());
    return {copy, text.size()};
  }
  // Everything handed out becomes invalid.
  void Reset() {
    blocks_.clear();
    next_ = first_;
    end_ = first_ + sizeof(first_);
  }

 private:
  static constexpr size_t kFirstBytes = 2048;
  static constexpr size_t kBlockBytes = 32 << 10;

  static char* Align(char* pointer, size_t alignment) {
    const auto address = reinterpret_cast<uintptr_t>(pointer);
    return pointer + (-address & (alignment - 1));
  }
  char* AllocateBlock(size_t bytes, size_t alignment) {
    const size_t size = bytes + alignment > kBlockBytes / 4 ? bytes + alignment : kBlockBytes;
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(size));
    char* start = Align(blocks_.back().get(), alignment);
    if (size == kBlockBytes) {
      next_ = start + bytes;
      end_ = blocks_.back().get() + size;
    }
    return start;
  }

  alignas(64) char first_[kFirstBytes];
  char* next_ = first_;
  char* end_ = first_ + sizeof(first_);
  std::vector<std::unique_ptr<char[]>> blocks_;
};

}  // namespace headrace
