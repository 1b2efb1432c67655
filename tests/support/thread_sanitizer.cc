// What gcc 12's thread sanitizer has to be told, in every program with librdkafka.
//
// It knows the threads, locks and conditions of POSIX, not those of C11, which librdkafka is built on: a callback from a thread that it
// does not know ends the process, and what is handed over under a lock that it does not see is a race to it. So here the latter are made
// of the former, which is what glibc does, out of its sight.
#include <pthread.h>
#include <threads.h>

#include <cerrno>
#include <cstdint>
#include <memory>

static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t) && sizeof(cnd_t) == sizeof(pthread_cond_t));

namespace {

pthread_mutex_t* posix(mtx_t* mutex) {
  return reinterpret_cast<pthread_mutex_t*>(mutex);
}
pthread_cond_t* posix(cnd_t* condition) {
  return reinterpret_cast<pthread_cond_t*>(condition);
}

int c11(int code) {
  switch (code) {
    case 0:
      return thrd_success;
    case ENOMEM:
      return thrd_nomem;
    case ETIMEDOUT:
      return thrd_timedout;
    case EBUSY:
      return thrd_busy;
    default:
      return thrd_error;
  }
}

struct Start {
  thrd_start_t begin;
  void* argument;
};

}  // namespace

extern "C" {

// librdkafka and RocksDB are Debian's, built without the sanitizer. It sees their locks, but not the atomic counters by which they know who
// is the last to use a thing and frees it, nor that a static is made once. Nothing is left out that hides their locks ("called_from_lib")
// or our own code, which librdkafka calls back down to the states of tasks ("race:librdkafka.so").
const char* __tsan_default_suppressions() {
  return
      // librdkafka gives back fetched bytes and topics. Nothing of ours calls these two.
      "race_top:^__interceptor_free$\n"
      "race_top:^__interceptor_pthread_rwlock_destroy$\n"
      // Statics of RocksDB. The one thing of ours that it calls is its log.
      "race:librocksdb.so\n";
}

int thrd_create(thrd_t* thread, thrd_start_t begin, void* argument) {
  auto start = std::make_unique<Start>(Start{begin, argument});
  const auto run = [](void* given) -> void* {
    const std::unique_ptr<Start> own(static_cast<Start*>(given));
    return reinterpret_cast<void*>(static_cast<std::intptr_t>(own->begin(own->argument)));
  };
  const int code = c11(pthread_create(thread, nullptr, run, start.get()));
  if (code == thrd_success) static_cast<void>(start.release());  // the thread's
  return code;
}

int thrd_join(thrd_t thread, int* result) {
  void* returned = nullptr;
  const int code = c11(pthread_join(thread, &returned));
  if (result != nullptr) *result = static_cast<int>(reinterpret_cast<std::intptr_t>(returned));
  return code;
}

int mtx_init(mtx_t* mutex, int type) {
  pthread_mutexattr_t kind;
  pthread_mutexattr_init(&kind);
  pthread_mutexattr_settype(&kind, (type & mtx_recursive) != 0 ? PTHREAD_MUTEX_RECURSIVE : PTHREAD_MUTEX_NORMAL);
  const int code = c11(pthread_mutex_init(posix(mutex), &kind));
  pthread_mutexattr_destroy(&kind);
  return code;
}
void mtx_destroy(mtx_t* mutex) {
  pthread_mutex_destroy(posix(mutex));
}
int mtx_lock(mtx_t* mutex) {
  return c11(pthread_mutex_lock(posix(mutex)));
}
int mtx_unlock(mtx_t* mutex) {
  return c11(pthread_mutex_unlock(posix(mutex)));
}

int cnd_init(cnd_t* condition) {
  return c11(pthread_cond_init(posix(condition), nullptr));
}
void cnd_destroy(cnd_t* condition) {
  pthread_cond_destroy(posix(condition));
}
int cnd_signal(cnd_t* condition) {
  return c11(pthread_cond_signal(posix(condition)));
}
int cnd_broadcast(cnd_t* condition) {
  return c11(pthread_cond_broadcast(posix(condition)));
}
int cnd_wait(cnd_t* condition, mtx_t* mutex) {
  return c11(pthread_cond_wait(posix(condition), posix(mutex)));
}
int cnd_timedwait(cnd_t* condition, mtx_t* mutex, const timespec* until) {
  return c11(pthread_cond_timedwait(posix(condition), posix(mutex), until));
}

}  // extern "C"
