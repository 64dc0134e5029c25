#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
# GoogleTest 1.12.1 (Debian 12, libgtest-dev 1.12.1-0.2), g++ 12.
#
# Guess: with GTEST_TOTAL_SHARDS and GTEST_SHARD_INDEX set, --gtest_list_tests prints the tests that
#        this shard will run.
# Seen:  it prints all tests, whatever the shard. The shard's own are known only by running it.
source "$(dirname "$0")/common.sh"
needs g++
unpack libgtest-dev=1.12.1-0.2
cat >tests.cc <<'END'
#include <gtest/gtest.h>
TEST(A, One) {}
TEST(A, Two) {}
TEST(A, Three) {}
TEST(A, Four) {}
END
g++ -std=c++17 -I root/usr/include tests.cc root/usr/lib/*/libgtest.a root/usr/lib/*/libgtest_main.a \
  -pthread -o tests 2>compiler.log || not_tried "the program cannot be built here"
export GTEST_TOTAL_SHARDS=2 GTEST_SHARD_INDEX=0
listed=$(timeout 20 ./tests --gtest_list_tests | grep -c '^  ')
ran=$(timeout 20 ./tests | grep -c '^\[       OK')
conclude "listed $listed, ran $ran" "listed 4, ran 2"
