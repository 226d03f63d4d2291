#pragma once
#include <unistd.h>

#include <cstddef>
#include <fstream>

namespace headrace {

// Resident bytes of this process.
inline size_t ResidentMemory() {
  std::ifstream statm("/proc/self/statm");
  size_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace headrace
