// Suppressions of gcc 12's thread sanitizer for libraries that are not built with it, in every program with librdkafka.
//
// The sanitizer sees their locks, but not the atomic reference counters by which librdkafka decides who frees an object, nor that a
// static is initialised once. No suppression hides their locks ("called_from_lib") or our code, which librdkafka's callbacks run.

extern "C" const char* __tsan_default_suppressions() {
  return
      // librdkafka frees fetched bytes and topics when a counter reaches zero. Our code does not call these two functions.
      "race_top:^__interceptor_free$\n"
      "race_top:^__interceptor_pthread_rwlock_destroy$\n"
      // Statics of RocksDB. Its log is our only code that it calls.
      "race:librocksdb.so\n";
}
