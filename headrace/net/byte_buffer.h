// Bytes that grow without being zeroed.
#pragma once
#include <cstddef>
#include <cstdlib>
#include <new>
#include <utility>

namespace headrace::net {

class ByteBuffer {
 public:
  ByteBuffer() = default;
  ~ByteBuffer() { std::free(data_); }
  ByteBuffer(const ByteBuffer&) = delete;
  ByteBuffer& operator=(const ByteBuffer&) = delete;

  void Swap(ByteBuffer& other) {
    std::swap(data_, other.data_);
    std::swap(capacity_, other.capacity_);
  }

  char* data() { return data_; }
  size_t capacity() const { return capacity_; }
  // At least `capacity`; what is in the buffer stays, at another address perhaps.
  void Reserve(size_t capacity) {
    if (capacity <= capacity_) return;
    char* data = static_cast<char*>(std::realloc(data_, capacity));
    if (data == nullptr) throw std::bad_alloc();
    data_ = data;
    capacity_ = capacity;
  }
  void Free() {
    std::free(std::exchange(data_, nullptr));
    capacity_ = 0;
  }

 private:
  char* data_ = nullptr;
  size_t capacity_ = 0;
};

}  // namespace headrace::net
