// std::mutex with Clang's thread-safety annotations: a member marked HR_GUARDED_BY(mutex_) is read and written only
// with that mutex held, checked by clang -Wthread-safety.
#pragma once
#include <chrono>
#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define HR_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define HR_THREAD_ANNOTATION(x)
#endif
#define HR_CAPABILITY(x) HR_THREAD_ANNOTATION(capability(x))
#define HR_SCOPED_CAPABILITY HR_THREAD_ANNOTATION(scoped_lockable)
#define HR_GUARDED_BY(x) HR_THREAD_ANNOTATION(guarded_by(x))
#define HR_REQUIRES(...) HR_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define HR_EXCLUDES(...) HR_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define HR_ACQUIRE(...) HR_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define HR_RELEASE(...) HR_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define HR_NO_THREAD_SAFETY_ANALYSIS HR_THREAD_ANNOTATION(no_thread_safety_analysis)

namespace headrace {

class HR_CAPABILITY("mutex") Mutex {
 public:
  void Lock() HR_ACQUIRE() { mutex_.lock(); }
  void Unlock() HR_RELEASE() { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

class HR_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) HR_ACQUIRE(mutex) : mutex_(mutex) { mutex_.Lock(); }
  ~MutexLock() HR_RELEASE() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// Waits release the mutex and take it again before they return; wake-ups may be spurious.
class CondVar {
 public:
  void Wait(Mutex& mutex) HR_REQUIRES(mutex) {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  // False when `deadline` passed without a notification.
  bool WaitUntil(Mutex& mutex, std::chrono::steady_clock::time_point deadline) HR_REQUIRES(mutex) {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    const bool notified = condition_.wait_until(lock, deadline) == std::cv_status::no_timeout;
    lock.release();
    return notified;
  }
  void NotifyOne() { condition_.notify_one(); }
  void NotifyAll() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace headrace
